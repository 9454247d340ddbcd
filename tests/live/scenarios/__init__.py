"""Importing this registers all scenarios."""
from . import aborts, closing, halfopen, listeners, opening, owners, timewait  # noqa: F401
