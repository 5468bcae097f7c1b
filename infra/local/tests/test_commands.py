"""Running other programs: their failures are told, and none outlives an interruption."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ledgerbridge_local.commands import capture, run_for_code, run_logged
from ledgerbridge_local.errors import StackError
from ledgerbridge_local.paths import LOCAL

INTERRUPTIBLE = """
import signal, sys
sys.path.insert(0, {local!r})
signal.signal(signal.SIGINT, signal.default_int_handler)
from ledgerbridge_local.commands import end_all, run_for_code
try:
    # The pause lets this program get to its waiting.
    run_for_code(["sh", "-c", "sleep 0.3; sleep 600 & echo $! > {file}; wait"])
except KeyboardInterrupt:
    end_all()
"""


def test_a_failure_shows_the_end_of_the_log(tmp_path: Path) -> None:
    with pytest.raises(StackError) as raised:
        run_logged("the build", ["sh", "-c", "echo first; echo last; exit 3"], tmp_path / "log")

    assert "the build failed with exit code 3" in str(raised.value)
    assert str(raised.value).endswith("first\nlast")


def test_a_success_keeps_its_log(tmp_path: Path) -> None:
    run_logged("the build", ["sh", "-c", "echo $GREETING"], tmp_path / "logs" / "log", {"GREETING": "hello"})

    assert (tmp_path / "logs" / "log").read_text() == "hello\n"


def test_an_exit_code_is_handed_on() -> None:
    assert run_for_code(["sh", "-c", "exit 4"]) == 4


def test_captured_output_of_a_failure_is_its_reason() -> None:
    with pytest.raises(StackError, match="no such table"):
        capture(["sh", "-c", "echo no such table >&2; exit 1"])


def test_an_interruption_ends_what_a_program_started(tmp_path: Path) -> None:
    file = tmp_path / "pid"
    script = INTERRUPTIBLE.format(local=str(LOCAL), file=file)
    program = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.DEVNULL)
    while not (file.exists() and file.read_text().strip()):
        time.sleep(0.01)

    os.kill(program.pid, signal.SIGINT)
    program.wait(10)

    status = Path(f"/proc/{file.read_text().strip()}/status")
    deadline = time.monotonic() + 5
    while status.exists() and "State:\tZ" not in status.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.01)
