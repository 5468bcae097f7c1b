"""Processes that stay in the background: started, found again and ended by id, never by name."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

# LocalStack ends its functions and its database engine first.
STOP_SECONDS = 30.0
# Every process of a stack, and what it starts, carries the stack's directory in this variable.
STACK_VARIABLE = "LEDGERBRIDGE_STACK"


@dataclass(frozen=True)
class Daemon:
    """A background process, identified by its id and the moment it started, since ids are used again."""

    pid: int
    started: str

    @property
    def alive(self) -> bool:
        """Whether this very process still runs."""
        return _start_time(self.pid) == self.started


def start_daemon(
    command: Sequence[str | os.PathLike[str]], environment: Mapping[str, str], pid_file: Path, log: Path
) -> Daemon:
    """Starts a program in the background and writes down which process it is."""
    pid_file.parent.mkdir(parents=True, exist_ok=True)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        process = subprocess.Popen(
            [os.fspath(part) for part in command],
            # Python would look for modules in the directory that it is started from.
            cwd=pid_file.parent,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            # Ctrl-C at the terminal is not meant for it.
            start_new_session=True,
        )
    # Kept from warning about a child that nobody waited for: it is meant to outlive this program.
    process.returncode = 0
    daemon = Daemon(process.pid, _start_time(process.pid) or "")
    temporary = pid_file.with_suffix(".new")
    temporary.write_text(json.dumps({"pid": daemon.pid, "started": daemon.started}))
    temporary.replace(pid_file)
    return daemon


def find_daemon(pid_file: Path) -> Daemon | None:
    """Returns the process of a PID file when it still runs."""
    try:
        record = json.loads(pid_file.read_text())
        daemon = Daemon(int(record["pid"]), str(record["started"]))
    except (FileNotFoundError, ValueError, KeyError):
        return None
    return daemon if daemon.alive else None


def stop_daemon(pid_file: Path) -> bool:
    """Ends the process of a PID file, kindly at first, and removes the file; true when one was running."""
    daemon = find_daemon(pid_file)
    if daemon:
        end([daemon])
    pid_file.unlink(missing_ok=True)
    return daemon is not None


def end(daemons: Sequence[Daemon], seconds: float = STOP_SECONDS) -> None:
    """Asks processes to end, waits, and then insists."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        for daemon in daemons:
            if daemon.alive:
                _signal(daemon.pid, number)
        deadline = time.monotonic() + seconds
        while any(daemon.alive for daemon in daemons):
            if time.monotonic() > deadline:
                break
            time.sleep(0.05)
        else:
            return


def leftovers(state: Path) -> list[Daemon]:
    """Returns the processes that carry the mark of a stack, such as children of a LocalStack that was killed."""
    mark = f"{STACK_VARIABLE}={state}".encode()
    found = []
    for pid in _process_ids():
        try:
            variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        except OSError:
            continue
        started = _start_time(pid)
        if mark in variables and started and pid != os.getpid():
            found.append(Daemon(pid, started))
    return found


def _process_ids() -> Iterator[int]:
    return (int(name) for name in os.listdir("/proc") if name.isdecimal())


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def _start_time(pid: int) -> str | None:
    """Returns the start of a process in clock ticks since boot; `None` when it has ended."""
    _reap(pid)
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name in parentheses may hold anything; state is the first field after it, start the twentieth.
    state, *fields = stat.rpartition(")")[2].split()
    return None if state == "Z" else fields[18]


def _reap(pid: int) -> None:
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        pass
