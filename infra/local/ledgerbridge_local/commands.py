"""Runs other programs to their end: output to a log, its tail shown on failure, none left behind on Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from .console import say
from .errors import StackError
from .paths import REPOSITORY

# Long enough not to be noise, short enough to show that something still happens.
PROGRESS_SECONDS = 20.0
TAIL_LINES = 30

_running: set[subprocess.Popen[bytes]] = set()
_lock = threading.Lock()
_ending = False


def run_logged(
    title: str, command: Sequence[str | os.PathLike[str]], log: Path, environment: Mapping[str, str] | None = None
) -> None:
    """Runs a program with its output in `log`; on failure raises with the end of it.

    While it runs, the last line of the log is shown from time to time.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        process = _start(command, environment, output.fileno())
        code = _wait(process, title, log)
    if code != 0:
        raise StackError(f"{title} failed with exit code {code}; the end of {log}:\n{tail(log)}")


def run_shown(
    title: str, command: Sequence[str | os.PathLike[str]], environment: Mapping[str, str] | None = None
) -> None:
    """Runs a program that writes to the terminal itself."""
    code = run_for_code(command, environment)
    if code != 0:
        raise StackError(f"{title} failed with exit code {code}")


def run_for_code(command: Sequence[str | os.PathLike[str]], environment: Mapping[str, str] | None = None) -> int:
    """Runs a program that writes to the terminal itself and returns its exit code."""
    return _wait(_start(command, environment, None), None, None)


def capture(command: Sequence[str | os.PathLike[str]], environment: Mapping[str, str] | None = None) -> str:
    """Returns what a short program prints; raises with its error output when it fails."""
    result = subprocess.run(
        [os.fspath(part) for part in command], cwd=REPOSITORY, env=child_environment(environment), text=True,
        stdin=subprocess.DEVNULL, capture_output=True, timeout=120, check=False,
    )
    if result.returncode != 0:
        raise StackError(f"`{os.fspath(command[0])}` failed with exit code {result.returncode}:\n{result.stderr}")
    return result.stdout


def end_all() -> None:
    """Ends every program that runs now, with what it started, and lets no other start."""
    global _ending
    with _lock:
        _ending = True
        running = list(_running)
    for process in running:
        _end(process)
    for process in running:
        process.wait()


def tail(log: Path, lines: int = TAIL_LINES) -> str:
    """Returns the last lines of a file."""
    try:
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
    except FileNotFoundError:
        return ""


def child_environment(additions: Mapping[str, str] | None) -> dict[str, str]:
    """Returns the environment of other programs: this one's without anything that leads to a real AWS account."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return {**kept, **(additions or {})}


def _start(
    command: Sequence[str | os.PathLike[str]], environment: Mapping[str, str] | None, output: int | None
) -> subprocess.Popen[bytes]:
    with _lock:
        if _ending:
            raise KeyboardInterrupt
        process = subprocess.Popen(
            [os.fspath(part) for part in command],
            cwd=REPOSITORY,
            env=child_environment(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT if output is not None else None,
            # A group of its own, so that `end_all` reaches the compilers below cargo, too.
            start_new_session=True,
        )
        _running.add(process)
        return process


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGTERM)
    except ProcessLookupError:
        pass


def _wait(process: subprocess.Popen[bytes], title: str | None, log: Path | None) -> int:
    try:
        while True:
            try:
                return process.wait(PROGRESS_SECONDS)
            except subprocess.TimeoutExpired:
                if title and log:
                    say(f"  {title}: {tail(log, 1).strip()[-100:]}")
    except KeyboardInterrupt:
        # It is in another group, so Ctrl-C did not reach it.
        _end(process)
        process.wait()
        raise
    finally:
        with _lock:
            _running.discard(process)
