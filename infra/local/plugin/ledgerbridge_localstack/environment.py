"""An execution environment: starts a bootstrap, starts another when it has gone, and frames its log."""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .sandbox import INIT_SECONDS, Bootstrap, Sandbox
from .session import Invocation, Outcome, error_outcome

# What a function may see of the machine that runs it; everything else comes from its configuration.
INHERITED = ("PATH", "SSL_CERT_DIR", "SSL_CERT_FILE")
# By this variable `stack.py down` recognizes processes of its stack whose parent was killed.
STACK_VARIABLE = "LEDGERBRIDGE_STACK"


@dataclass(frozen=True)
class FunctionSettings:
    """The part of a function's configuration that its environment follows."""

    code: Path
    timeout_seconds: int
    memory_mb: int
    qualifier: str


@dataclass(frozen=True)
class Report:
    """An outcome together with the log of the invocation, in CloudWatch's usual frame."""

    outcome: Outcome
    log: str


class FunctionEnvironment:
    """Answers one invocation at a time; `stop` may come from another thread at any moment."""

    def __init__(
        self, settings: FunctionSettings, variables: Mapping[str, str], init_seconds: float = INIT_SECONDS
    ) -> None:
        self._settings = settings
        self._bootstrap = Bootstrap(settings.code, _process_environment(settings, variables))
        self._init_seconds = init_seconds
        self._lock = threading.Lock()
        self._stopped = False
        self._sandbox: Sandbox | None = None
        self._failure: Outcome | None = None

    def start(self) -> None:
        """Starts the bootstrap ahead of the first invocation.

        A failure is kept for that invocation: reported here, LocalStack would drop the log that explains it.
        """
        self._failure = self._launch()

    def invoke(self, request_id: str, payload: bytes, function_arn: str, trace_id: str) -> Report:
        """Runs one invocation, in a new process when the one before has gone."""
        started = time.monotonic()
        failure, self._failure = self._failure, None
        sandbox = self._sandbox
        if failure is None and (sandbox is None or not sandbox.alive):
            # Lines written between the last answer and the end, such as a panic message, are of use still.
            late = sandbox.take_log_lines() if sandbox else []
            failure = self._launch()
            sandbox = self._sandbox
        else:
            late = []
        if failure is not None:
            outcome = failure
        else:
            assert sandbox is not None
            timeout = self._settings.timeout_seconds
            deadline_ms = int((time.time() + timeout) * 1000)
            outcome = sandbox.invoke(Invocation(request_id, payload, function_arn, trace_id, deadline_ms))
        lines = late + (sandbox.take_log_lines() if sandbox else [])
        return Report(outcome, self._frame(request_id, lines, outcome, time.monotonic() - started))

    def recent_log(self) -> str:
        """Returns the last lines of the bootstrap."""
        return self._sandbox.recent_log() if self._sandbox else ""

    def stop(self) -> None:
        """Ends the bootstrap; an invocation that runs ends with an error."""
        with self._lock:
            self._stopped = True
            sandbox = self._sandbox
        if sandbox:
            sandbox.stop()

    def _launch(self) -> Outcome | None:
        try:
            with self._lock:
                if self._stopped:
                    return error_outcome("Sandbox.Stopped", "Error: The execution environment was stopped")
                self._sandbox = Sandbox(self._bootstrap)
        except OSError as error:
            return error_outcome("Runtime.InvalidEntrypoint", f"Error: Cannot start {self._bootstrap.program}: {error}")
        return self._sandbox.wait_until_ready(self._init_seconds)

    def _frame(self, request_id: str, lines: list[str], outcome: Outcome, seconds: float) -> str:
        milliseconds = seconds * 1000
        problem = [outcome.service_message] if outcome.service_message else []
        return (
            "\n".join(
                [
                    f"START RequestId: {request_id} Version: {self._settings.qualifier}",
                    *lines,
                    *problem,
                    f"END RequestId: {request_id}",
                    f"REPORT RequestId: {request_id}\tDuration: {milliseconds:.2f} ms"
                    f"\tBilled Duration: {int(milliseconds) + 1} ms\tMemory Size: {self._settings.memory_mb} MB",
                ]
            )
            + "\n"
        )


def _process_environment(settings: FunctionSettings, variables: Mapping[str, str]) -> dict[str, str]:
    inherited = {name: os.environ[name] for name in (*INHERITED, STACK_VARIABLE) if name in os.environ}
    return {
        **inherited,
        # The only place where the Lambda service lets a function write.
        "HOME": tempfile.gettempdir(),
        **variables,
        "LAMBDA_TASK_ROOT": str(settings.code),
    }
