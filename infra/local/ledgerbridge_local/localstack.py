"""Starts and stops LocalStack: as a process of this machine, or as a container."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from . import processes
from .cargo_tools import engine_path
from .commands import run_logged, tail
from .console import say
from .errors import StackError
from .http import request
from .paths import PLUGIN, Stack
from .venvs import venv_path

IMAGE = "localstack/localstack:4.14.0"
READY_SECONDS = 120.0

# Settings that mean the same in both modes.
_COMMON = {
    "DISABLE_EVENTS": "1",
    "DYNAMODB_IN_MEMORY": "1",
    # Errors of an invocation are tried again after 1 s, not after a minute.
    "LAMBDA_RETRY_BASE_DELAY": "1",
    # From SQS to a function in 0.7 s, not in 8.
    "LAMBDA_EVENT_SOURCE_MAPPING_MAX_BACKOFF_ON_EMPTY_POLL_SEC": "0.5",
    "LAMBDA_EVENT_SOURCE_MAPPING_POLL_INTERVAL_SEC": "0.2",
    "PROVIDER_OVERRIDE_DYNAMODB": "v2",
    "PROVIDER_OVERRIDE_DYNAMODBSTREAMS": "v2",
    "SKIP_SSL_CERT_DOWNLOAD": "1",
    # Queue addresses that need no name service.
    "SQS_ENDPOINT_STRATEGY": "path",
}


def pid_file(stack: Stack) -> Path:
    """Returns where the process of LocalStack is written down."""
    return stack.run / "localstack.json"


def log_file(stack: Stack) -> Path:
    """Returns where LocalStack writes."""
    return stack.logs / "localstack.log"


def container_name(stack: Stack) -> str:
    """Returns the name of the container in Docker mode."""
    return f"ledgerbridge-localstack-{stack.port}"


def is_running(stack: Stack) -> bool:
    """Whether this stack's LocalStack runs."""
    if stack.docker:
        return _container_runs(stack)
    return processes.find_daemon(pid_file(stack)) is not None


def start(stack: Stack) -> None:
    """Starts LocalStack; `wait_until_ready` follows."""
    require_free_port(stack.port, "LOCAL_PORT")
    stack.logs.mkdir(parents=True, exist_ok=True)
    (stack.run / "tmp").mkdir(parents=True, exist_ok=True)
    if stack.docker:
        run_logged("starting the LocalStack container", docker_command(stack), log_file(stack))
        return
    python = venv_path("localstack") / "bin" / "python"
    processes.start_daemon(
        [python, "-m", "localstack.runtime.main"], host_environment(stack, os.environ), pid_file(stack), log_file(stack)
    )


def host_environment(stack: Stack, machine: Mapping[str, str]) -> dict[str, str]:
    """Returns the environment of LocalStack as a process."""
    # With an endpoint from the machine LocalStack would call another LocalStack instead of itself.
    inherited = {name: value for name, value in machine.items() if not name.startswith(("AWS_", "PYTHON"))}
    return {
        **inherited,
        **_COMMON,
        "DNS_ADDRESS": "0",
        "FILESYSTEM_ROOT": str(stack.run / "fs"),
        "GATEWAY_LISTEN": f"127.0.0.1:{stack.port}",
        "LAMBDA_RUNTIME_EXECUTOR": "process",
        "LEDGERBRIDGE_DYNAMODB_ENGINE": str(engine_path()),
        "LOCALSTACK_HOST": f"localhost:{stack.port}",
        # A machine that is a container itself has /.dockerenv, and LocalStack would use directories of its image.
        "OVERRIDE_IN_DOCKER": "0",
        "PYTHONPATH": str(PLUGIN),
        "PYTHONUNBUFFERED": "1",
        "PYTHONWARNINGS": "ignore",
        "TMPDIR": str(stack.run / "tmp"),
        # Keeps the plugin index out of the home directory, and out of the way of other stacks.
        "XDG_CACHE_HOME": str(stack.run / "cache"),
        processes.STACK_VARIABLE: str(stack.state),
    }


def docker_command(stack: Stack) -> list[str]:
    """Returns the command that starts LocalStack as a container with its own database engine and executor."""
    settings = {
        **_COMMON,
        "GATEWAY_LISTEN": f"0.0.0.0:{stack.port}",
        # The functions run in containers beside this one, and find the simulator by this name.
        "LAMBDA_DOCKER_FLAGS": "--add-host host.docker.internal:host-gateway",
        "LOCALSTACK_HOST": f"localhost:{stack.port}",
    }
    flags = [part for name, value in sorted(settings.items()) for part in ("--env", f"{name}={value}")]
    return [
        "docker", "run", "--detach", "--rm", "--name", container_name(stack),
        "--publish", f"127.0.0.1:{stack.port}:{stack.port}",
        "--volume", "/var/run/docker.sock:/var/run/docker.sock",
        *flags, IMAGE,
    ]


def wait_until_ready(stack: Stack) -> None:
    """Waits until LocalStack answers; when it died, raises with the end of its log."""
    deadline = time.monotonic() + READY_SECONDS
    while True:
        try:
            if request("GET", f"{stack.endpoint}/_localstack/health", timeout=5).status == 200:
                return
        except OSError:
            pass
        if not is_running(stack):
            raise StackError(f"LocalStack ended while it started; the end of {log_file(stack)}:\n{_log_tail(stack)}")
        if time.monotonic() > deadline:
            raise StackError(f"LocalStack was not ready after {READY_SECONDS:.0f} s; see {log_file(stack)}")
        time.sleep(0.2)


def stop(stack: Stack) -> None:
    """Stops LocalStack in whichever mode it runs."""
    if processes.find_daemon(pid_file(stack)):
        say("stopping LocalStack")
    processes.stop_daemon(pid_file(stack))
    if _container_runs(stack):
        say("stopping the LocalStack container")
        subprocess.run(["docker", "stop", container_name(stack)], capture_output=True, check=False)


def require_free_port(port: int, variable: str) -> None:
    """Raises when another program has a port that the stack is about to use."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise StackError(
                f"port {port} is in use by a program that is not part of this stack; set {variable} to another"
            ) from None


def _log_tail(stack: Stack) -> str:
    if not stack.docker:
        return tail(log_file(stack))
    result = subprocess.run(
        ["docker", "logs", "--tail", "30", container_name(stack)], capture_output=True, text=True, check=False
    )
    return result.stdout + result.stderr


def _container_runs(stack: Stack) -> bool:
    if not shutil.which("docker"):
        return False
    try:
        result = subprocess.run(
            ["docker", "inspect", "--format", "{{.State.Running}}", container_name(stack)],
            capture_output=True, text=True, timeout=20, check=False,
        )
    except subprocess.TimeoutExpired:
        return False
    return result.stdout.strip() == "true"
