"""One bootstrap process with the Runtime API that it talks to, from its start to its end."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .logs import LogPipe
from .runtime_api import RuntimeApi
from .session import Invocation, Outcome, Session, error_outcome

# The Lambda service's own limit for the start of a function.
INIT_SECONDS = 10.0
# A bootstrap asks for more work at once after an answer; this bounds one that does not, since the caller waits.
IDLE_SECONDS = 0.5


@dataclass(frozen=True)
class Bootstrap:
    """What to run: the unpacked code of a function and its environment."""

    directory: Path
    environment: Mapping[str, str]

    @property
    def program(self) -> Path:
        """The file that the Lambda service starts for a `provided` runtime."""
        return self.directory / "bootstrap"


class Sandbox:
    """Runs one bootstrap; when that has gone, the sandbox is over and the next invocation needs a new one."""

    def __init__(self, bootstrap: Bootstrap) -> None:
        self._session = Session()
        self._api = RuntimeApi(self._session)
        self._gone = threading.Event()
        read_end, write_end = os.pipe()
        self._logs = LogPipe(read_end)
        try:
            self._process = subprocess.Popen(
                [str(bootstrap.program)],
                cwd=bootstrap.directory,
                env={**bootstrap.environment, "AWS_LAMBDA_RUNTIME_API": self._api.address},
                stdin=subprocess.DEVNULL,
                stdout=write_end,
                stderr=write_end,
                # A group of its own, so that what the function starts ends with it.
                start_new_session=True,
            )
        except OSError:
            self._logs.close()
            self._api.close()
            raise
        finally:
            os.close(write_end)
        self._api.start()
        self._watcher = threading.Thread(
            target=self._watch, args=(read_end,), name=f"bootstrap-{self._process.pid}", daemon=True
        )
        self._watcher.start()

    @property
    def pid(self) -> int:
        """The bootstrap's process id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the bootstrap can take another invocation."""
        return not self._gone.is_set()

    def wait_until_ready(self, seconds: float = INIT_SECONDS) -> Outcome | None:
        """Waits until the bootstrap asks for work; otherwise ends it and returns why it could not start."""
        if self._session.wait_until_ready(seconds):
            return None
        exited = self._gone.is_set()
        self.stop()
        if self._session.init_error is not None:
            return Outcome(self._session.init_error, is_error=True)
        if exited:
            return error_outcome("Runtime.ExitError", f"Error: Runtime exited {self._exit_reason()}")
        return error_outcome("Sandbox.Timedout", f"Error: Init timed out after {seconds:.2f} seconds")

    def invoke(self, invocation: Invocation) -> Outcome:
        """Passes one invocation to the bootstrap and returns its outcome, at the latest at the deadline."""
        started = time.time()
        seconds = invocation.deadline_ms / 1000 - started
        self._session.submit(invocation)
        outcome = self._session.wait_for_outcome(seconds)
        if outcome is not None:
            self._session.wait_until_idle(IDLE_SECONDS)
            self._logs.drain()
            return outcome
        exited = self._gone.is_set()
        self.stop()
        if exited:
            return error_outcome(
                "Runtime.ExitError",
                f"RequestId: {invocation.request_id} Error: Runtime exited {self._exit_reason()}",
            )
        return error_outcome(
            "Sandbox.Timedout",
            f"RequestId: {invocation.request_id} Error: Task timed out after {seconds:.2f} seconds",
        )

    def take_log_lines(self) -> list[str]:
        """Returns what the bootstrap wrote since the last call."""
        return self._logs.take_lines()

    def recent_log(self) -> str:
        """Returns the last lines of the bootstrap, for a person."""
        return self._logs.recent()

    def stop(self) -> None:
        """Ends the bootstrap and all that it started, as the Lambda service does: without a last word."""
        if not self._gone.is_set():
            self._kill_group()
        self._watcher.join()

    def _watch(self, output: int) -> None:
        """Reads the output and notices the end, so that nobody has to poll for either."""
        process = os.pidfd_open(self._process.pid)
        try:
            poll = select.poll()
            poll.register(process, select.POLLIN)
            poll.register(output, select.POLLIN)
            while True:
                ready = {descriptor for descriptor, _ in poll.poll()}
                if output in ready and not self._logs.drain():
                    poll.unregister(output)
                if process in ready:
                    break
        finally:
            os.close(process)
        # Before the process is reaped its id cannot belong to anyone else.
        self._kill_group()
        self._process.wait()
        self._logs.close()
        self._gone.set()
        self._session.close()
        self._api.close()

    def _kill_group(self) -> None:
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass

    def _exit_reason(self) -> str:
        code = self._process.returncode
        if code is not None and code < 0:
            return f"with error: signal: {(signal.strsignal(-code) or str(-code)).lower()}"
        return f"with error: exit status {code}" if code else "without providing a reason"
