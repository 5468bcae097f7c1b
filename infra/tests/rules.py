"""A rule is a function that takes the expanded template and yields what is wrong; its name says what must hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from expansion import Expanded

Rule = Callable[[Expanded], Iterator[str]]

RULES: list[Rule] = []


def rule(check: Rule) -> Rule:
    RULES.append(check)
    return check
