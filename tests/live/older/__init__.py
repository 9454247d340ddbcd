"""Stories about sockets that are older than the tracer, for test_snapshot.py."""
