"""What a stack is: its places, its names, and how LocalStack is started for it."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from ledgerbridge_local import localstack, python, stack_env, venvs
from ledgerbridge_local.aws import sdk_environment
from ledgerbridge_local.commands import child_environment
from ledgerbridge_local.errors import StackError
from ledgerbridge_local.outputs import environment_name, outputs_environment
from ledgerbridge_local.paths import REPOSITORY, Stack, stack_from_environment


def test_the_default_stack_is_in_dot_local_and_others_beside_it() -> None:
    assert stack_from_environment({}).stack_env == REPOSITORY / ".local" / "stack.env"
    other = stack_from_environment({"LOCAL_PORT": "4700"})
    assert other.stack_env == REPOSITORY / ".local" / "stacks" / "4700" / "stack.env"
    assert other.simulator_port == 5700


@pytest.mark.parametrize("port", ["80", "x", "70000", "-1"])
def test_an_impossible_port_is_refused(port: str) -> None:
    with pytest.raises(StackError, match="LOCAL_PORT"):
        stack_from_environment({"LOCAL_PORT": port})


def test_an_unknown_mode_is_refused() -> None:
    with pytest.raises(StackError, match="LOCALSTACK"):
        stack_from_environment({"LOCALSTACK": "podman"})


@pytest.mark.parametrize(
    ("output", "name"),
    [
        ("EventsQueueUrl", "EVENTS_QUEUE_URL"),
        ("OauthFunction", "OAUTH_FUNCTION"),
        ("TokenKeyId", "TOKEN_KEY_ID"),
        ("ApiURL", "API_URL"),
        ("SyncHighDlqUrl", "SYNC_HIGH_DLQ_URL"),
    ],
)
def test_outputs_are_named_in_capitals(output: str, name: str) -> None:
    assert environment_name(output) == name


def test_queues_have_every_spelling_of_their_names() -> None:
    environment = outputs_environment(
        {"EventsDlqUrl": "e", "SyncHighQueueUrl": "h", "SyncLowDlqUrl": "l", "SyncQueueUrl": "n"}
    )

    assert environment == {
        "EVENTS_DLQ_URL": "e",
        "EVENTS_QUEUE_DLQ_URL": "e",
        "SYNC_HIGH_QUEUE_URL": "h",
        "SYNC_QUEUE_HIGH_URL": "h",
        "SYNC_QUEUE_URL_HIGH": "h",
        "SYNC_LOW_DLQ_URL": "l",
        "SYNC_QUEUE_LOW_DLQ_URL": "l",
        "SYNC_QUEUE_DLQ_URL_LOW": "l",
        "SYNC_QUEUE_URL": "n",
    }


def test_stack_env_is_for_its_owner_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ledgerbridge_local.paths.REPOSITORY", tmp_path)
    stack = Stack(port=4700, simulator_port=5700)

    stack_env.write(stack, {"B": "2", "A": "x=y"})

    assert stack.stack_env.read_text() == "A=x=y\nB=2\n"
    assert stat.S_IMODE(stack.stack_env.stat().st_mode) == 0o600
    assert stack_env.read(stack) == {"A": "x=y", "B": "2"}


def test_localstack_never_inherits_an_endpoint_or_credentials() -> None:
    machine = {"AWS_ENDPOINT_URL": "http://elsewhere", "AWS_PROFILE": "prod", "PYTHONPATH": "/x", "PATH": "/bin"}

    environment = localstack.host_environment(Stack(4700, 5700), machine)

    assert not [name for name in environment if name.startswith("AWS_")]
    assert environment["PATH"] == "/bin"
    assert environment["GATEWAY_LISTEN"] == "127.0.0.1:4700"
    assert environment["PYTHONPATH"].endswith("infra/local/plugin")


def test_no_program_is_led_to_a_real_account(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "prod")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "real")

    environment = child_environment(sdk_environment("http://127.0.0.1:4700"))

    assert "AWS_PROFILE" not in environment
    assert "AWS_SESSION_TOKEN" not in environment
    assert environment["AWS_ENDPOINT_URL"] == "http://127.0.0.1:4700"


def test_the_container_is_published_on_loopback_only() -> None:
    command = localstack.docker_command(Stack(4700, 5700, docker=True))

    assert command[:5] == ["docker", "run", "--detach", "--rm", "--name"]
    assert command[command.index("--publish") + 1] == "127.0.0.1:4700:4700"
    assert command[command.index("--volume") + 1] == "/var/run/docker.sock:/var/run/docker.sock"
    assert "LOCALSTACK_HOST=localhost:4700" in command
    assert not [part for part in command if "EXECUTOR" in part or "ENGINE" in part]
    assert command[-1] == "localstack/localstack:4.14.0"


def test_an_environment_without_its_mark_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(venvs, "CACHE", tmp_path)
    venv = venvs.venv_path("localstack")
    (venv / "bin").mkdir(parents=True)
    assert not venvs.is_complete("localstack")

    (venv / venvs.COMPLETE).touch()

    assert venvs.is_complete("localstack")


def test_a_python_that_only_prints_an_error_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shim = tmp_path / "python3.13"
    shim.write_text("#!/bin/sh\necho no version is selected >&2\nexit 127\n")
    shim.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    monkeypatch.setattr("sys.version_info", (3, 11, 0))

    with pytest.raises(StackError, match="Python 3.13 is missing"):
        python.find_python()
