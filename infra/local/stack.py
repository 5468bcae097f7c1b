#!/usr/bin/env python3
"""The local stack: `up`, `down`, `demo`, `status`, `logs`, `test`, `bench`, `lint`. See README.md beside this file."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from typing import Any

if sys.version_info < (3, 9):
    sys.exit("Python 3.9 or later is needed to start the local stack")

from ledgerbridge_local import checks, lifecycle, status
from ledgerbridge_local.commands import end_all
from ledgerbridge_local.console import complain, say
from ledgerbridge_local.demo import run_demo
from ledgerbridge_local.errors import StackError
from ledgerbridge_local.paths import TEST_PORT, stack_from_environment

INTERRUPTED = 130


def main() -> int:
    """Runs one command and returns the exit code."""
    arguments, rest = _parser().parse_known_args()
    if rest and arguments.command != "test":
        _parser().error(f"unknown arguments: {' '.join(rest)}")
    # Ended politely is the same as Ctrl-C: nothing half-made may stay.
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        return _run(arguments, rest)
    except StackError as error:
        complain(str(error))
        return 1
    except KeyboardInterrupt:
        end_all()
        complain("interrupted")
        return INTERRUPTED


def _run(arguments: argparse.Namespace, rest: list[str]) -> int:
    if arguments.command in ("test", "bench"):
        stack = stack_from_environment({**os.environ, "LOCAL_PORT": os.environ.get("TEST_PORT", str(TEST_PORT))})
        return checks.run_tests(stack, rest) if arguments.command == "test" else checks.run_bench(stack)
    if arguments.command == "lint":
        return checks.run_lints()
    stack = stack_from_environment(os.environ)
    if arguments.command == "up":
        lifecycle.up(stack)
    elif arguments.command == "down":
        lifecycle.down(stack)
    elif arguments.command == "demo":
        lifecycle.up(stack)
        say("connecting new books on each provider")
        return 0 if run_demo(stack) else 1
    elif arguments.command == "status":
        return 0 if status.show_status(stack) else 1
    elif arguments.command == "logs":
        status.show_logs(stack, arguments.name, arguments.follow)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="Environment: LOCAL_PORT (4566), SIMULATOR_PORT (LOCAL_PORT + 1000), ENV_FILE, LOCALSTACK (host, "
        "docker), TEST_PORT (4666, for `test` and `bench`).",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("up", help="start the stack, or bring a running one up to date")
    commands.add_parser("down", help="stop what `up` started, and nothing else")
    commands.add_parser("demo", help="`up`, then one company's whole way through it")
    commands.add_parser("status", help="what runs, and where")
    logs = commands.add_parser("logs", help="what the functions wrote")
    logs.add_argument("name", nargs="?", help="a function, `localstack` or `simulator`; all functions without it")
    logs.add_argument("--follow", action="store_true", help="go on until Ctrl-C")
    commands.add_parser("test", help="every test, on a stack of its own; further arguments go to cargo nextest")
    commands.add_parser("bench", help="what a refresh, a sweep and a token cost, counted, on a stack of its own")
    commands.add_parser("lint", help="formatting, clippy, documentation, types and the template")
    return parser


def _interrupt(*_arguments: Any) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
