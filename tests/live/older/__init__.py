"""Scenarios with sockets that are older than the tracer, for test_snapshot.py."""
