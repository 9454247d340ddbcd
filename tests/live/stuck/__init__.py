"""Scenarios about sockets that stay where they are, for test_flags.py and test_leaks.py."""
