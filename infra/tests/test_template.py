"""The template keeps every rule, and every rule can tell a template that does not."""

from __future__ import annotations

import access_rules  # noqa: F401  (imported for the rules they define, all four)
import gateway_rules  # noqa: F401
import pytest
import runtime_rules  # noqa: F401
import storage_rules  # noqa: F401
from breaks import BREAKS, Break
from expansion import Expanded, expand, read_source
from rules import RULES, Rule


@pytest.fixture(scope="module")
def expanded() -> Expanded:
    return expand(read_source())


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_template_keeps(rule: Rule, expanded: Expanded) -> None:
    assert list(rule(expanded)) == []


@pytest.mark.parametrize("broken", BREAKS, ids=lambda broken: broken.title.replace(" ", "_"))
def test_a_rule_notices_that(broken: Break) -> None:
    source = read_source()
    broken.apply(source)

    assert list(broken.rule(expand(source))), f"{broken.rule.__name__} noticed nothing"


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_somebody_tried_to_break(rule: Rule) -> None:
    assert any(broken.rule is rule for broken in BREAKS)
