"""Traffic that makes a tracer lose events, and checks of the result, for test_wholeness.py."""
