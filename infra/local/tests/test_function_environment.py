"""The process executor, without LocalStack: a scripted bootstrap that does what each event says."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ledgerbridge_localstack.environment import FunctionEnvironment, FunctionSettings, Report

SCRIPT = Path(__file__).with_name("scripted_bootstrap.py")

Start = Callable[..., FunctionEnvironment]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts environments of the scripted function and stops them in the end."""
    (tmp_path / "bootstrap").write_text(f"#!{sys.executable}\n{SCRIPT.read_text()}")
    (tmp_path / "bootstrap").chmod(0o755)
    started: list[FunctionEnvironment] = []

    def start_environment(timeout: int = 20, init_seconds: float = 20, **variables: str) -> FunctionEnvironment:
        settings = FunctionSettings(tmp_path, timeout_seconds=timeout, memory_mb=256, qualifier="$LATEST")
        environment = FunctionEnvironment(settings, variables, init_seconds)
        started.append(environment)
        environment.start()
        return environment

    yield start_environment
    for environment in started:
        environment.stop()


def invoke(environment: FunctionEnvironment, request_id: str = "r1", **event: Any) -> Report:
    return environment.invoke(request_id, json.dumps(event).encode(), "arn:function", "Root=1-2-3")


def document(report: Report) -> Any:
    return json.loads(report.outcome.payload)


def is_running(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def eventually(condition: Callable[[], bool], seconds: float = 5) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


@pytest.mark.parametrize("action", ["echo", "chunked"])
def test_an_answer_comes_back(start: Start, action: str) -> None:
    before_ms = time.time() * 1000

    report = invoke(start(timeout=20), do=action)

    assert not report.outcome.is_error
    answer = document(report)
    assert answer["event"] == {"do": action}
    assert answer["headers"]["lambda-runtime-invoked-function-arn"] == "arn:function"
    assert answer["headers"]["lambda-runtime-trace-id"] == "Root=1-2-3"
    assert 19_000 < int(answer["headers"]["lambda-runtime-deadline-ms"]) - before_ms < 40_000


def test_only_the_configured_environment_is_passed(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MACHINE_SECRET", "not for functions")

    environment = document(invoke(start(TABLE="records")))["environment"]

    assert environment["TABLE"] == "records"
    assert environment["LAMBDA_TASK_ROOT"]
    assert "MACHINE_SECRET" not in environment


def test_the_log_has_the_lines_of_its_own_invocation(start: Start) -> None:
    environment = start()

    first = invoke(environment, "r1").log.splitlines()
    second = invoke(environment, "r2", do="late log").log.splitlines()
    third = invoke(environment, "r3").log.splitlines()

    assert first[:4] == [
        "START RequestId: r1 Version: $LATEST", "starting normally", "acting: echo", "END RequestId: r1",
    ]
    assert second[1:4] == ["acting: late log", "written after the answer", "END RequestId: r2"]
    assert third[1:3] == ["acting: echo", "END RequestId: r3"]
    assert third[3].startswith("REPORT RequestId: r3\tDuration: ")


def test_a_reported_error_is_an_error_and_stays_out_of_the_log(start: Start) -> None:
    environment = start()

    report = invoke(environment, do="fail")

    assert report.outcome.is_error
    assert document(report) == {"errorType": "Boom", "errorMessage": "as asked"}
    assert "as asked" not in report.log
    assert not invoke(environment).outcome.is_error


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        ({"do": "exit", "code": 7}, "Runtime exited with error: exit status 7"),
        ({"do": "exit", "code": 0}, "Runtime exited without providing a reason"),
        ({"do": "kill"}, "Runtime exited with error: signal: segmentation fault"),
        ({"do": "half"}, "Runtime exited with error: exit status 3"),
    ],
)
def test_a_crash_is_reported_at_once_and_the_next_event_gets_a_new_process(
    start: Start, event: dict[str, Any], reason: str
) -> None:
    environment = start()
    first = document(invoke(environment, "r1"))["pid"]
    began = time.monotonic()

    crash = invoke(environment, "r2", **event)

    assert time.monotonic() - began < 5
    assert document(crash) == {"errorType": "Runtime.ExitError", "errorMessage": f"RequestId: r2 Error: {reason}"}
    assert reason in crash.log
    after = invoke(environment, "r3")
    assert not after.outcome.is_error
    assert document(after)["pid"] != first


def test_the_last_words_of_a_crash_are_in_its_log(start: Start) -> None:
    report = invoke(start(), do="exit")

    assert "last words without a line end" in report.log


def test_a_timeout_ends_the_process(start: Start) -> None:
    environment = start(timeout=1)
    slow = document(invoke(environment, "r1"))["pid"]

    report = invoke(environment, "r2", do="sleep", seconds=600)

    assert document(report) == {
        "errorType": "Sandbox.Timedout", "errorMessage": "RequestId: r2 Error: Task timed out after 1.00 seconds",
    }
    assert not is_running(slow)
    assert not invoke(environment, "r3").outcome.is_error


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("exit", {"errorType": "Runtime.ExitError", "errorMessage": "Error: Runtime exited with error: exit status 4"}),
        ("init error", {"errorType": "BadSettings", "errorMessage": "two are missing"}),
        ("hang", {"errorType": "Sandbox.Timedout", "errorMessage": "Error: Init timed out after 1.00 seconds"}),
    ],
)
def test_a_failed_start_is_the_answer_of_every_invocation(start: Start, how: str, expected: dict[str, str]) -> None:
    environment = start(init_seconds=1, START=how)

    first, second = invoke(environment, "r1"), invoke(environment, "r2")

    assert first.outcome.is_error and second.outcome.is_error
    assert document(first) == document(second) == expected
    assert first.log.count(f"starting {how}") == second.log.count(f"starting {how}") == 1


def test_code_without_a_bootstrap_says_so(tmp_path: Path) -> None:
    settings = FunctionSettings(tmp_path, timeout_seconds=3, memory_mb=256, qualifier="$LATEST")
    environment = FunctionEnvironment(settings, {})
    environment.start()

    report = invoke(environment)

    assert document(report)["errorType"] == "Runtime.InvalidEntrypoint"


def test_an_answer_to_another_request_is_refused(start: Start) -> None:
    assert document(invoke(start(), do="wrong request")) == {"status": 400}


def test_an_answer_that_is_too_large_is_refused(start: Start) -> None:
    report = invoke(start(), do="large", bytes=6_291_557)

    assert document(report)["errorType"] == "Function.ResponseSizeTooLarge"


def test_an_answer_of_the_largest_size_passes(start: Start) -> None:
    report = invoke(start(), do="large", bytes=6_291_556)

    assert len(report.outcome.payload) == 6_291_556


def test_environments_run_beside_each_other(start: Start) -> None:
    environments = [start() for _ in range(4)]
    barrier_seconds = 1.0
    began = time.monotonic()
    reports: list[Report] = []

    def run(environment: FunctionEnvironment) -> None:
        reports.append(invoke(environment, do="sleep", seconds=barrier_seconds))

    threads = [threading.Thread(target=run, args=(environment,)) for environment in environments]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert time.monotonic() - began < 3 * barrier_seconds
    assert len({document(report)["pid"] for report in reports}) == 4


def test_stop_ends_a_running_invocation_and_everything_it_started(start: Start) -> None:
    # The threads of the tests before close their connections last.
    assert eventually(lambda: threading.active_count() == 1)
    descriptors_before = len(os.listdir("/proc/self/fd"))
    environment = start()
    bootstrap = document(invoke(environment, "r1"))["pid"]
    child = document(invoke(environment, "r2", do="fork"))["child"]
    assert is_running(bootstrap) and is_running(child)
    reports: list[Report] = []
    waiting = threading.Thread(target=lambda: reports.append(invoke(environment, "r3", do="sleep", seconds=600)))
    waiting.start()
    assert eventually(lambda: "acting: sleep" in environment.recent_log())

    environment.stop()
    waiting.join(5)

    assert reports[0].outcome.is_error
    assert not is_running(bootstrap)
    assert eventually(lambda: not is_running(child))
    assert eventually(lambda: threading.active_count() == 1)
    assert eventually(lambda: len(os.listdir("/proc/self/fd")) == descriptors_before)


def test_nothing_starts_after_stop(start: Start) -> None:
    environment = start()
    environment.stop()

    assert document(invoke(environment))["errorType"] == "Sandbox.Stopped"
