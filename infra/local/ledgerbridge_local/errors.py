"""The one kind of failure that is told to a person without a traceback."""

from __future__ import annotations


class StackError(Exception):
    """Says what went wrong and what to do about it."""
