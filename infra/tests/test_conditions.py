"""Conditions of policies name what the adapters really write; no local AWS enforces them, so only this would notice."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from access_rules import ENDING, HARMLESS, all_grants, statements
from expansion import ROLES, Expanded, expand, read_source

ADAPTERS = Path(__file__).parents[2] / "shared" / "aws" / "src"
KEYS = "".join(file.read_text() for file in [ADAPTERS / "keys.rs", *sorted((ADAPTERS / "keys").glob("*.rs"))])


@pytest.fixture(scope="module")
def expanded() -> Expanded:
    return expand(read_source())


def named(expanded: Expanded, key: str) -> Iterator[str]:
    for condition in (json.loads(grant.condition) for _, grant in all_grants(expanded) if grant.condition):
        for operator, values in condition.items():
            if operator.startswith("ForAllValues:"):
                yield from values.get(key, [])


def allowed(expanded: Expanded, function: str, sid: str) -> set[str]:
    """The attributes that a statement of a function's role lets it write."""
    found = next(entry for entry in statements(expanded, ROLES[function]) if entry["Sid"] == sid)
    return set(found["Condition"]["ForAllValues:StringEquals"]["dynamodb:Attributes"])


def written(*functions: str) -> set[str]:
    """The attributes that these adapters' functions write: those their expressions name as `#{CONSTANT}`, and the key."""
    constants = dict(re.findall(r'const (\w+): &str = "(\w+)";', KEYS))
    source = "".join(file.read_text() for file in sorted(ADAPTERS.rglob("*.rs")))
    bodies = [source.split(f" fn {function}(", 1)[1].split("\n    }\n", 1)[0] for function in functions]
    return {"pk", "sk"} | {constants[name] for body in bodies for name in re.findall(r"#\{([A-Z_]+)\}", body)}


def test_every_key_of_a_condition_begins_as_a_partition_does(expanded: Expanded) -> None:
    patterns = set(named(expanded, "dynamodb:LeadingKeys"))

    assert patterns
    for pattern in patterns:
        assert f'"{pattern.removesuffix("*")}' in KEYS, f"no partition begins with {pattern}"


def test_confirming_writes_what_it_may_write_and_nothing_else(expanded: Expanded) -> None:
    assert written("transition", "activate") == allowed(expanded, "ApiFunction", "ConfirmConnections")


def test_ending_an_empty_connection_writes_what_it_may_write_and_nothing_else(expanded: Expanded) -> None:
    assert written("transition", "begin_ending") == allowed(expanded, "ApiFunction", "EndEmptyConnections")


def test_noting_a_use_writes_what_it_may_write_and_nothing_else(expanded: Expanded) -> None:
    assert written("note_use") == allowed(expanded, "SyncFunction", "NoteUse")


def test_noting_warmth_writes_what_it_may_write_and_nothing_else(expanded: Expanded) -> None:
    assert written("note_warmth") == allowed(expanded, "ApiFunction", "NoteWarmth")


def test_what_counts_as_harmless_is_what_is_allowed(expanded: Expanded) -> None:
    assert set(named(expanded, "dynamodb:Attributes")) == HARMLESS | ENDING
