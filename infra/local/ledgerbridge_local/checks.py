"""`test` and `lint`: everything that must hold before a change goes in. `bench`: what it costs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from . import lifecycle
from .cargo_tools import prepare_nextest
from .commands import run_for_code
from .console import say
from .errors import StackError
from .locks import exclusive
from .paths import CACHE, LOCAL, REPOSITORY, TEMPLATE, Stack
from .prerequisites import check
from .python import find_python
from .venvs import prepare_venv, venv_path

# Python tests with their settings: of the local stack itself, and of the template.
PYTEST_DIRECTORIES = (
    (LOCAL / "tests", LOCAL / "pyproject.toml"),
    (REPOSITORY / "infra" / "tests", Path(os.devnull)),
)
# Settings of the stack for tests that run side by side on it.
TEST_SETTINGS = REPOSITORY / "tests" / "localstack" / "settings.env"


def run_tests(stack: Stack, nextest_arguments: Sequence[str]) -> int:
    """Runs every test against a stack of its own, and returns the first exit code that is not 0."""
    check(stack)
    stack = replace(stack, environment_file=stack.environment_file or TEST_SETTINGS)
    lifecycle.prepare_tools(stack)
    prepare_nextest()
    code = _pytest()
    arguments = ["--workspace", *(nextest_arguments or ["--no-fail-fast"])]
    return _nextest(stack, arguments, {"SCHEMATHESIS": str(_prepare_schemathesis())}) or code


def run_bench(stack: Stack) -> int:
    """Counts and measures at full size on a stack of its own, prints the tables, and returns the exit code."""
    check(stack)
    costs = ["--package", "tests", "--test", "costs", "--profile", "bench", "--no-fail-fast", "--no-capture"]
    return _nextest(stack, costs, {"BENCH": "1"})


def _prepare_schemathesis() -> Path:
    """Installs what calls every route as the OpenAPI document says, and returns the program."""
    with exclusive(CACHE / "lock"):
        return prepare_venv("openapi", find_python()) / "bin" / "schemathesis"


def _nextest(stack: Stack, arguments: Sequence[str], variables: dict[str, str]) -> int:
    try:
        # One that an interrupted run left behind holds data of that run.
        lifecycle.down(stack)
        lifecycle.up(stack)
        # Nothing else of the stack: the AWS SDK prefers an endpoint of the environment to one that a test sets.
        environment = {"STACK_ENV": str(stack.stack_env), **variables}
        nextest = prepare_nextest()
        if nextest:
            environment["PATH"] = f"{nextest}{os.pathsep}{os.environ['PATH']}"
        say("running the Rust tests")
        return run_for_code(["cargo", "nextest", "run", "--locked", *arguments], environment)
    finally:
        lifecycle.down(stack)


def run_lints() -> int:
    """Runs every check that needs no running stack; all of them, so that one run shows all that is wrong."""
    with exclusive(CACHE / "lock"):
        tools = prepare_venv("tools", find_python()) / "bin"
    failed = [title for title, command, environment in _lints(tools) if _lint(title, command, environment) != 0]
    if failed:
        raise StackError(f"failed: {', '.join(failed)}")
    say("nothing to complain about")
    return 0


def _lints(tools: Path) -> list[tuple[str, list[str], dict[str, str]]]:
    sam_environment = {"SAM_CLI_TELEMETRY": "0", "AWS_DEFAULT_REGION": "us-east-1"}
    return [
        ("cargo fmt", ["cargo", "fmt", "--all", "--check"], {}),
        ("cargo clippy",
         ["cargo", "clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"], {}),
        ("cargo doc", ["cargo", "doc", "--no-deps", "--document-private-items", "--workspace", "--locked"],
         {"RUSTDOCFLAGS": "-D warnings"}),
        ("mypy",
         [str(tools / "mypy"), "--config-file", str(LOCAL / "pyproject.toml"), "--cache-dir", str(CACHE / "mypy")], {}),
        ("sam validate", [str(tools / "sam"), "validate", "--lint", "--template-file", str(TEMPLATE)],
         sam_environment),
    ]


def _lint(title: str, command: list[str], environment: dict[str, str]) -> int:
    say(title)
    return run_for_code(command, environment)


def _pytest() -> int:
    say("running the Python tests")
    python = venv_path("tools") / "bin" / "python"
    code = 0
    # Apart from each other, since each directory's tests import modules from beside them.
    for directory, settings in PYTEST_DIRECTORIES:
        options = ["--quiet", "-p", "no:cacheprovider", "--config-file", str(settings), str(directory)]
        command = [str(python), "-m", "pytest", *options]
        code = run_for_code(command, {"PYTHONDONTWRITEBYTECODE": "1"}) or code
    return code
