"""Short connections while pid 1 is busy: how long a trace is wrong about hidden events."""
