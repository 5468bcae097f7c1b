"""How to break a template on purpose."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from expansion import Json
from rules import Rule


@dataclass(frozen=True)
class Break:
    """A change that a rule must notice."""

    rule: Rule
    title: str
    apply: Callable[[Json], None]


def _step(value: Any, key: str | int) -> Any:
    """One step down a path; a statement of a policy is found by its Sid, an index by its name."""
    if isinstance(value, list) and isinstance(key, str):
        return next(entry for entry in value if key in (entry.get("Sid"), entry.get("IndexName")))
    return value[key]


def _walk(source: Json, path: tuple[str | int, ...]) -> Any:
    value: Any = source["Resources"]
    for key in path:
        value = _step(value, key)
    return value


def put(*path_and_value: Any) -> Callable[[Json], None]:
    """Sets the last argument at the path before it, below `Resources`."""
    *path, key, value = path_and_value

    def apply(source: Json) -> None:
        _walk(source, tuple(path))[key] = value

    return apply


def drop(*path: str | int) -> Callable[[Json], None]:
    """Removes what is at the path."""

    def apply(source: Json) -> None:
        parent, key = _walk(source, path[:-1]), path[-1]
        if isinstance(parent, list):
            parent.remove(_step(parent, key))
        else:
            del parent[key]

    return apply


def add(*path_and_value: Any) -> Callable[[Json], None]:
    """Appends the last argument to the list at the path before it; a single value becomes a list."""
    *path, value = path_and_value

    def apply(source: Json) -> None:
        parent = _walk(source, tuple(path[:-1]))
        before = _step(parent, path[-1])
        parent[path[-1]] = [*(before if isinstance(before, list) else [before]), value]

    return apply


def statements(role: str) -> tuple[str | int, ...]:
    """The path to the statements of a function's role."""
    return (role, "Properties", "Policies", 0, "PolicyDocument", "Statement")


def statement(role: str, sid: str) -> tuple[str | int, ...]:
    return (*statements(role), sid)


def allow(action: str | list[str], resource: Any, **more: Any) -> Json:
    return {"Sid": "Added", "Effect": "Allow", "Action": action, "Resource": resource, **more}


def event(function: str, name: str) -> tuple[str, ...]:
    return (function, "Properties", "Events", name, "Properties")
