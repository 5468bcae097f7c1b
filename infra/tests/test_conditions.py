"""Conditions of policies name what the adapters really write; no local AWS enforces them, so only this would notice."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from access_rules import HARMLESS, all_grants
from expansion import Expanded, expand, read_source

ADAPTERS = Path(__file__).parents[2] / "shared" / "aws" / "src"
KEYS = (ADAPTERS / "keys.rs").read_text()


@pytest.fixture(scope="module")
def conditions() -> list[dict[str, Any]]:
    expanded: Expanded = expand(read_source())
    return [json.loads(grant.condition) for _, grant in all_grants(expanded) if grant.condition]


def named(conditions: list[dict[str, Any]], key: str) -> Iterator[str]:
    for condition in conditions:
        for operator, values in condition.items():
            if operator.startswith("ForAllValues:"):
                yield from values.get(key, [])


def attributes_of(source: str, function: str) -> set[str]:
    """The attributes that the expressions of a function name, as `#{CONSTANT}`."""
    body = source.split(f"fn {function}(", 1)[1].split("\n    }\n", 1)[0]
    constants = dict(re.findall(r'const (\w+): &str = "(\w+)";', KEYS))
    return {constants[name] for name in re.findall(r"#\{([A-Z_]+)\}", body)}


def test_every_key_of_a_condition_begins_as_a_partition_does(conditions: list[dict[str, Any]]) -> None:
    patterns = set(named(conditions, "dynamodb:LeadingKeys"))

    assert patterns
    for pattern in patterns:
        assert f'"{pattern.removesuffix("*")}' in KEYS, f"no partition begins with {pattern}"


def test_confirming_writes_what_it_may_write_and_nothing_else(conditions: list[dict[str, Any]]) -> None:
    transitions = (ADAPTERS / "transition.rs").read_text()

    written = {"pk", "sk"} | attributes_of(transitions, "transition") | attributes_of(transitions, "activate")

    assert written == set(named(conditions, "dynamodb:Attributes")) == HARMLESS
