"""What the person at the terminal sees: one line a step, with a running clock."""

from __future__ import annotations

import sys
import threading
import time

_STARTED = time.monotonic()
_LOCK = threading.Lock()


def say(message: str) -> None:
    """Prints one step with the seconds since the start."""
    with _LOCK:
        print(f"[{time.monotonic() - _STARTED:4.0f}s] {message}", flush=True)


def complain(message: str) -> None:
    """Prints a failure."""
    with _LOCK:
        print(message, file=sys.stderr, flush=True)
