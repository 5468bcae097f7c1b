"""The conversation with one bootstrap process: what the Runtime API hears, and what the executor waits for."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

# What the Lambda service accepts as the answer of a synchronous invocation.
MAX_RESPONSE_BYTES = 6_291_556


@dataclass(frozen=True)
class Invocation:
    """One event for the function, with what the Runtime API tells along with it."""

    request_id: str
    payload: bytes
    function_arn: str
    trace_id: str
    deadline_ms: int


@dataclass(frozen=True)
class Outcome:
    """What an invocation came to: the function's answer, or an error document."""

    payload: bytes
    is_error: bool
    # What the service itself writes to the log; never the function's own words, which may hold anything.
    service_message: str | None = None


def error_outcome(error_type: str, message: str) -> Outcome:
    """Returns the error that the Lambda service itself gives."""
    document = json.dumps({"errorType": error_type, "errorMessage": message})
    return Outcome(document.encode(), is_error=True, service_message=message)


class Session:
    """Passes invocations to one bootstrap and outcomes back. Every method may be called from any thread."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._pending: Invocation | None = None
        self._current: str | None = None
        self._outcome: Outcome | None = None
        self._init_error: bytes | None = None
        self._asking = False
        self._closed = False

    # What the Runtime API calls.

    def next_invocation(self) -> Invocation | None:
        """Waits for work; `None` when the session is over."""
        with self._changed:
            self._asking = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._pending is not None or self._closed)
            if self._closed:
                return None
            invocation, self._pending = self._pending, None
            self._asking = False
            return invocation

    def finish(self, request_id: str, outcome: Outcome) -> bool:
        """Takes the outcome of the running invocation; false when `request_id` is not the running one."""
        with self._changed:
            if self._current != request_id or self._outcome is not None:
                return False
            self._outcome = outcome
            self._changed.notify_all()
            return True

    def fail_init(self, document: bytes) -> None:
        """Takes the bootstrap's own word that it cannot start."""
        with self._changed:
            self._init_error = document
            self._changed.notify_all()

    # What the executor calls.

    def submit(self, invocation: Invocation) -> None:
        """Hands an invocation to the bootstrap, which is to be idle."""
        with self._changed:
            self._pending, self._current, self._outcome = invocation, invocation.request_id, None
            self._changed.notify_all()

    def wait_until_ready(self, seconds: float) -> bool:
        """Waits until the bootstrap asks for work, fails or goes; true when it asks."""
        return self._wait(lambda: self._asking or self._init_error is not None, seconds) and self._init_error is None

    def wait_for_outcome(self, seconds: float) -> Outcome | None:
        """Waits for the running invocation's outcome; `None` when time or the session ends first."""
        self._wait(lambda: self._outcome is not None, seconds)
        with self._changed:
            outcome, self._current = self._outcome, None
            return outcome

    def wait_until_idle(self, seconds: float) -> bool:
        """Waits until the bootstrap asks for more work: by then it has written the log of the invocation before."""
        return self._wait(lambda: self._asking, seconds)

    @property
    def init_error(self) -> bytes | None:
        """The error document of a bootstrap that reported its failed start."""
        return self._init_error

    def close(self) -> None:
        """Ends the session: nobody waits any longer."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _wait(self, condition: Callable[[], bool], seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        with self._changed:
            self._changed.wait_for(lambda: condition() or self._closed, max(0.0, deadline - time.monotonic()))
            return condition()
