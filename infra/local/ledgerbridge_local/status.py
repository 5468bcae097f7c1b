"""`status` and `logs`: what runs, where, and what it said."""

from __future__ import annotations

import time
from collections.abc import Callable
from operator import itemgetter
from typing import Any

from . import localstack, simulator, stack_env
from .aws import Aws, AwsError
from .commands import tail
from .errors import StackError
from .paths import Stack

PROGRAMS: dict[str, Callable[[Stack], Any]] = {"localstack": localstack.log_file, "simulator": simulator.log_file}
POLL_SECONDS = 1.0
SHOWN_EVENTS = 200


def show_status(stack: Stack) -> bool:
    """Prints what runs and where; true when the stack is complete."""
    running = {"LocalStack": localstack.is_running(stack), "simulator": simulator.is_running(stack)}
    values = stack_env.read(stack)
    for name, alive in running.items():
        print(f"{name:12} {'running' if alive else 'stopped'}")
    print(f"{'deployed':12} {'yes' if values else 'no'}")
    for name in ("API_URL", "SIMULATOR_URL", "AWS_ENDPOINT_URL"):
        if name in values:
            print(f"{name:17} {values[name]}")
    if values:
        print(f"{'everything else':17} {stack.stack_env}")
    return all(running.values()) and bool(values)


def show_logs(stack: Stack, name: str | None, follow: bool) -> None:
    """Prints the log of one function or of all; `localstack` and `simulator` are names, too."""
    if name in PROGRAMS:
        print(tail(PROGRAMS[name](stack), SHOWN_EVENTS))
        return
    values = stack_env.read(stack)
    functions = {key[: -len("_FUNCTION")].lower(): value for key, value in values.items() if key.endswith("_FUNCTION")}
    if not functions:
        raise StackError(f"the stack is not up; `{stack.commands_prefix}make up` starts it")
    if name is not None and name not in functions:
        raise StackError(f"`{name}` is none of {', '.join([*sorted(functions), *PROGRAMS])}")
    shown = [name] if name else sorted(functions)
    aws = Aws(stack.endpoint)
    seen: set[str] = set()
    start = 0
    while True:
        now = int(time.time() * 1000)
        events = [
            (event["timestamp"], event["eventId"], short, event["message"].rstrip("\n"))
            for short in shown
            for event in _events(aws, f"/aws/lambda/{functions[short]}", start)
            if event["eventId"] not in seen
        ]
        # The lines of one invocation have one time, and stay in their order.
        events.sort(key=itemgetter(0))
        for timestamp, _, short, message in events if start else events[-SHOWN_EVENTS:]:
            clock = time.strftime("%H:%M:%S", time.localtime(timestamp / 1000))
            print(f"{clock} {short:8} {message}", flush=True)
        seen.update(event_id for _, event_id, _, _ in events)
        if not follow:
            return
        # Events arrive a little after their time.
        start = now - 10_000
        time.sleep(POLL_SECONDS)


def _events(aws: Aws, group: str, start: int) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = []
    request: dict[str, Any] = {"logGroupName": group, "startTime": start}
    while True:
        try:
            page = aws.json("logs", "Logs_20140328.FilterLogEvents", request)
        except AwsError as error:
            if b"ResourceNotFoundException" in error.body:
                # The function was never invoked.
                return []
            raise
        events.extend(page.get("events", []))
        if not page.get("nextToken"):
            return events
        request["nextToken"] = page["nextToken"]
