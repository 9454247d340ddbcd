"""Importing this registers all scenarios."""
from . import (aborts, closing, halfopen, listeners, opening,  # noqa: F401
               owners, timewait)
