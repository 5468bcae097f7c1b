"""`demo`: what a customer of each provider sees happen, as a table."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from . import stack_env
from .demo_tour import Demo
from .errors import StackError
from .paths import Stack


@dataclass(frozen=True)
class Step:
    """One thing that happens, with the command that shows more of it."""

    provider: str
    title: str
    action: Callable[[], str]
    more: Callable[[], str]


@dataclass(frozen=True)
class Row:
    """One line of the table at the end."""

    step: Step
    result: str
    seconds: float = 0.0
    more: str = ""


def run_demo(stack: Stack) -> bool:
    """Goes all the way and prints a table; true when every step succeeded."""
    values = stack_env.read(stack)
    if not values:
        raise StackError(f"the stack is not up; `{stack.commands_prefix}make up` starts it")
    rows = run_steps(_steps(Demo(values)))
    print(f"\n{'provider':12}{'step':18}{'result':9}{'time':>8}   more  (after: set -a; . {stack.stack_env})")
    for row in rows:
        print(f"{row.step.provider:12}{row.step.title:18}{row.result:9}{row.seconds:7.2f}s   {row.more}")
    return all(row.result == "ok" for row in rows)


def run_steps(steps: list[Step]) -> list[Row]:
    """Takes every step; where one fails, those after it on the same provider are left out."""
    rows: list[Row] = []
    for step in steps:
        failed = any(row.result != "ok" and row.step.provider == step.provider for row in rows)
        rows.append(Row(step, "skipped") if failed else _run(step))
    return rows


def _run(step: Step) -> Row:
    started = time.monotonic()
    try:
        detail, result = step.action(), "ok"
    except (StackError, OSError, KeyError, ValueError) as error:
        detail, result = f"{type(error).__name__}: {error}", "failed"
    print(f"  {step.provider} {step.title}: {detail}", flush=True)
    return Row(step, result, time.monotonic() - started, step.more())


def _steps(demo: Demo) -> list[Step]:
    steps = []
    for books in (demo.quickbooks, demo.xero, demo.zoho):
        connect, refresh = partial(demo.connect, books), partial(demo.refresh, books)
        steps.append(Step(books.provider, "connected", connect, demo.show_connections))
        steps.append(Step(books.provider, "refreshed", refresh, partial(demo.show_refreshes, books)))
        tell, wait = partial(demo.send_webhook, books), partial(demo.wait_for_records, books)
        steps.append(Step(books.provider, "webhook accepted", tell, partial(demo.show_deliveries, books)))
        steps.append(Step(books.provider, "records synced", wait, partial(demo.show_records, books)))
        if books is demo.xero:
            steps.append(Step(books.provider, "disconnected", demo.disconnect, demo.show_connections))
    return steps
