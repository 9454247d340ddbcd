"""Short connections while pid 1 is busy, and how long a trace is wrong about what the kernel hides from BPF."""
