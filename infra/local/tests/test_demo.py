"""The demo: who consents, and what one failure says about the rest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ledgerbridge_local.demo import Step, run_steps
from ledgerbridge_local.demo_books import Xero, Zoho, consenting
from ledgerbridge_local.errors import StackError
from ledgerbridge_local.http import Response
from ledgerbridge_local.json_client import JsonClient

Sent = list[tuple[str, str, Any]]


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Sent:
    """What the demo asks the simulator for, which answers as the simulator does."""
    calls: Sent = []
    answers = {"/organizations": {"tenantId": "t1", "organizationId": "881"}, "/users": {"userId": "u1"}}

    def call(_self: JsonClient, method: str, path: str, body: Any = None, accepted: tuple[int, ...] = (200,)) -> Any:
        calls.append((method, path, body))
        return answers.get(path)

    monkeypatch.setattr(JsonClient, "call", call)
    return calls


def step(provider: str, title: str, action: Callable[[], str]) -> Step:
    return Step(provider, title, action, lambda: "more")


def fail() -> str:
    raise StackError("as asked")


def test_a_failure_leaves_out_what_follows_on_that_provider_and_nothing_else() -> None:
    steps = [
        step("xero", "connected", fail),
        step("xero", "refreshed", lambda: pytest.fail("there is nothing to refresh")),
        step("zoho", "connected", lambda: "fine"),
    ]

    rows = run_steps(steps)

    assert [(row.step.provider, row.result, row.more) for row in rows] == [
        ("xero", "failed", "more"), ("xero", "skipped", ""), ("zoho", "ok", "more"),
    ]


def test_a_person_chooses_all_organizations_and_is_gone_afterwards(sent: Sent) -> None:
    books = Xero("http://127.0.0.1:9")
    books.make()
    sent.clear()

    with pytest.raises(StackError), consenting(books):
        fail()

    assert sent == [
        ("PATCH", "/settings", {"consentUserId": "u1", "consentTenantIds": ["t1", "t1"]}),
        ("PATCH", "/settings", {"consentUserId": None, "consentTenantIds": None}),
    ]


def test_every_run_has_a_european_of_its_own_at_zoho(sent: Sent) -> None:
    Zoho("http://127.0.0.1:9").make()
    Zoho("http://127.0.0.1:9").make()

    users = [body for _, path, body in sent if path == "/users"]
    assert [user["location"] for user in users] == ["eu", "eu"]
    assert users[0]["organizations"] == ["881"]
    assert users[0]["userId"] != users[1]["userId"]


def test_an_unexpected_answer_is_told_with_its_sender(monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = Response(409, {}, (), b'{"error":{"code":"COMPANY_OWNED_ELSEWHERE"}}')
    monkeypatch.setattr("ledgerbridge_local.json_client.request", lambda *_arguments: refusal)

    with pytest.raises(StackError, match="api: GET /api/connections answered 409: .*COMPANY_OWNED_ELSEWHERE"):
        JsonClient("api", "http://127.0.0.1:9").call("GET", "/api/connections")
