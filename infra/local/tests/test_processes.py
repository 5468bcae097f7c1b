"""Background processes: found and ended by identity, never by id alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from ledgerbridge_local import processes

SLEEP = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(600)"]
STUBBORN = [
    sys.executable, "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)",
]


def start(tmp_path: Path, command: list[str], **environment: str) -> processes.Daemon:
    """Starts a daemon and waits until its program runs: its environment cannot be seen before."""
    log = tmp_path / "log"
    daemon = processes.start_daemon(command, {**os.environ, **environment}, tmp_path / "run" / "pid.json", log)
    while "up" not in log.read_text():
        assert daemon.alive
        time.sleep(0.01)
    return daemon


def test_a_daemon_is_found_again_and_stopped(tmp_path: Path) -> None:
    daemon = start(tmp_path, SLEEP)
    pid_file = tmp_path / "run" / "pid.json"
    assert processes.find_daemon(pid_file) == daemon

    assert processes.stop_daemon(pid_file)

    assert not daemon.alive
    assert not pid_file.exists()
    assert not processes.stop_daemon(pid_file)


def test_another_process_with_the_same_id_is_left_alone(tmp_path: Path) -> None:
    stranger = subprocess.Popen(SLEEP)
    pid_file = tmp_path / "pid.json"
    pid_file.write_text(json.dumps({"pid": stranger.pid, "started": "1"}))

    try:
        assert processes.find_daemon(pid_file) is None
        assert not processes.stop_daemon(pid_file)
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_damaged_pid_file_means_that_nothing_runs(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid.json"
    pid_file.write_text('{"pid": 1')

    assert processes.find_daemon(pid_file) is None


def test_a_process_that_ignores_the_request_is_killed(tmp_path: Path) -> None:
    daemon = start(tmp_path, STUBBORN)

    processes.end([daemon], seconds=0.3)

    assert not daemon.alive


def test_leftovers_are_those_with_the_mark_of_this_very_stack(tmp_path: Path) -> None:
    mine = start(tmp_path / "mine", SLEEP, **{processes.STACK_VARIABLE: str(tmp_path / "stack")})
    other = start(tmp_path / "other", SLEEP, **{processes.STACK_VARIABLE: str(tmp_path / "stack2")})

    try:
        assert processes.leftovers(tmp_path / "stack") == [mine]
    finally:
        processes.end([mine, other])
