"""Collects what a bootstrap writes to its standard output and error."""

from __future__ import annotations

import os
import threading
from collections import deque

# CloudWatch Logs takes no longer event, so a longer line would be lost there.
MAX_LINE_BYTES = 256 * 1024
# Keeps a function that logs in a loop from filling the memory; the oldest lines go first.
MAX_LINES = 10_000


class LogPipe:
    """The read end of a bootstrap's output, read without blocking from any thread."""

    def __init__(self, descriptor: int) -> None:
        os.set_blocking(descriptor, False)
        self._descriptor: int | None = descriptor
        self._lock = threading.Lock()
        self._partial = b""
        self._lines: deque[str] = deque(maxlen=MAX_LINES)
        self._recent: deque[str] = deque(maxlen=200)

    def drain(self) -> bool:
        """Reads all that is in the pipe now; false when the pipe has ended."""
        with self._lock:
            while self._descriptor is not None:
                try:
                    data = os.read(self._descriptor, 65536)
                except BlockingIOError:
                    return True
                if not data:
                    return False
                self._split(data)
            return False

    def take_lines(self) -> list[str]:
        """Returns the whole lines that arrived since the last call; half a line stays until it is whole."""
        with self._lock:
            lines = list(self._lines)
            self._lines.clear()
            return lines

    def recent(self) -> str:
        """Returns the last lines, taken or not."""
        with self._lock:
            return "\n".join(self._recent)

    def close(self) -> None:
        """Ends the pipe; a last line without its end counts as a line."""
        self.drain()
        with self._lock:
            if self._partial:
                self._add(self._partial)
                self._partial = b""
            if self._descriptor is not None:
                os.close(self._descriptor)
                self._descriptor = None

    def _split(self, data: bytes) -> None:
        *whole, self._partial = (self._partial + data).split(b"\n")
        for line in whole:
            self._add(line)
        while len(self._partial) > MAX_LINE_BYTES:
            self._add(self._partial[:MAX_LINE_BYTES])
            self._partial = self._partial[MAX_LINE_BYTES:]

    def _add(self, line: bytes) -> None:
        text = line.decode("utf-8", "replace")
        self._lines.append(text)
        self._recent.append(text)
