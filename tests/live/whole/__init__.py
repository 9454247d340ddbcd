"""Loads that lose events, and verdicts on what a tracer makes of it, for test_wholeness.py."""
