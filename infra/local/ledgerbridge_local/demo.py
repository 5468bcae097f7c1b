"""`demo`: one company's way through the stack, over HTTP only, as a user of the bundle would go."""

from __future__ import annotations

import json
import time
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import stack_env
from .browser import Browser
from .errors import StackError
from .http import Response, request
from .paths import Stack

CUSTOMERS, INVOICES = 5, 40
# The simulator numbers a company's objects from 1, customers first.
CHANGED_INVOICE = str(CUSTOMERS + 1)
# The full sync of a small company takes a few seconds; a busy machine gets ten times that.
SYNC_SECONDS = 60.0
POLL_SECONDS = 0.3


@dataclass
class Row:
    """One line of the table at the end."""

    step: str
    result: str
    seconds: float
    more: str


class Api:
    """The bundle's HTTP interface with an administrator's key."""

    def __init__(self, url: str, key: str) -> None:
        self.url = url
        self._headers = {"X-API-Key": key, "Content-Type": "application/json"}

    def call(self, method: str, path: str, body: Any = None, accepted: tuple[int, ...] = (200,)) -> Any:
        """Sends one request and returns the JSON of an expected answer."""
        content = None if body is None else json.dumps(body).encode()
        return _expect(request(method, self.url + path, self._headers, content), f"{method} {path}", accepted)


class Demo:
    """Connects a new QuickBooks company of the simulator for a new tenant, and follows its data."""

    def __init__(self, stack: Stack) -> None:
        values = stack_env.read(stack)
        if not values:
            raise StackError(f"the stack is not up; `{stack.commands_prefix}make up` starts it")
        self._api = Api(values["API_URL"], values["ADMIN_API_KEY"])
        self._control = f"{values['SIMULATOR_URL']}/_control/intuit"
        self._tenant = f"demo-{time.time_ns() // 1_000_000}"
        self._realm = ""
        self._note = f"changed by the demo for {self._tenant}"

    def connect(self) -> str:
        """Goes through the OAuth consent as the person would who owns the company."""
        company = {"name": "Demo Company", "customers": CUSTOMERS, "invoices": INVOICES}
        self._realm = self._simulate("POST", "/companies", company, (201,))["realmId"]
        self._api.call("POST", "/api/tenants", {"tenantId": self._tenant, "name": "Demo tenant"}, (201,))
        session = self._api.call(
            "POST", "/api/connect-sessions", {"tenantId": self._tenant, "provider": "quickbooks"}, (201,)
        )
        self._simulate("PATCH", "/settings", {"consentRealmId": self._realm})
        try:
            answer = Browser().visit(session["connectUrl"], "/auth/quickbooks/callback")
        finally:
            self._simulate("PATCH", "/settings", {"consentRealmId": None})
        location = answer.headers.get("location", "")
        if answer.status >= 400 or "status=failed" in location:
            raise StackError(f"the callback answered {answer.status}: {answer.body.decode(errors='replace')[:300]}")
        return f"company {self._realm} of tenant {self._tenant}"

    def refresh(self) -> str:
        """Forces a refresh; the connection is seconds old, so nothing else would."""
        answer = self._api.call("POST", "/api/tokens/refresh/quickbooks", {"tenantId": self._tenant})
        if not (answer.get("success") and answer.get("refreshed")):
            raise StackError(f"nothing was refreshed: {json.dumps(answer)}")
        return f"valid until {answer['expiresAt']}"

    def send_webhook(self) -> str:
        """Changes an invoice at the provider, which then tells about it with a signed webhook."""
        invoice = f"/companies/{self._realm}/entities/invoice/{CHANGED_INVOICE}"
        self._simulate("PUT", invoice, {"PrivateNote": self._note})
        event = {"realmId": self._realm, "entity": "Invoice", "id": CHANGED_INVOICE, "operation": "updated"}
        webhook = {"url": f"{self._api.url}/webhooks/quickbooks", "events": [event]}
        sent = self._simulate("POST", "/webhooks", webhook)["sent"][0]
        if sent["status"] != 200:
            raise StackError(f"the webhook was answered with {sent['status']}: {sent.get('error') or sent['body']}")
        return "a change of one invoice"

    def wait_for_records(self) -> str:
        """Waits until every invoice is there, the changed one with its change."""
        deadline = time.monotonic() + SYNC_SECONDS
        while True:
            records = self._records()
            changed = [record for record in records if self._note in json.dumps(record.get("raw"))]
            if len(records) == INVOICES and changed:
                return f"{len(records)} invoices, the changed one among them"
            if time.monotonic() > deadline:
                there = f"{len(records)} of {INVOICES} invoices, {len(changed)} changed"
                raise StackError(f"after {SYNC_SECONDS:.0f} s there are {there}")
            time.sleep(POLL_SECONDS)

    def show(self, path: str, **query: str) -> str:
        """Returns the command that shows what the API knows."""
        return f"curl -H \"X-API-Key: $ADMIN_API_KEY\" '{self._api.url}{path}?{urllib.parse.urlencode(query)}'"

    def show_connection(self) -> str:
        """Returns the command that shows the connection."""
        return self.show("/api/tokens/status", tenantId=self._tenant)

    def show_refreshes(self) -> str:
        """Returns the command that shows the refreshes."""
        return self.show("/api/tokens/history/quickbooks", tenantId=self._tenant)

    def show_invoices(self) -> str:
        """Returns the command that shows the invoices."""
        return self.show("/api/records/invoices", companyId=self._realm)

    def _records(self) -> list[Any]:
        records: list[Any] = []
        cursor = ""
        while True:
            page = self._api.call("GET", f"/api/records/invoices?companyId={self._realm}{cursor}")
            records.extend(page["records"])
            if not page.get("nextCursor"):
                return records
            cursor = f"&cursor={urllib.parse.quote(page['nextCursor'], safe='')}"

    def _simulate(self, method: str, path: str, body: Any = None, accepted: tuple[int, ...] = (200,)) -> Any:
        content = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        return _expect(request(method, self._control + path, headers, content), f"simulator: {method} {path}", accepted)


def run_demo(stack: Stack) -> bool:
    """Goes all the way and prints a table; true when every step succeeded."""
    demo = Demo(stack)
    steps: list[tuple[str, Callable[[], str], Callable[[], str]]] = [
        ("connected", demo.connect, demo.show_connection),
        ("refreshed", demo.refresh, demo.show_refreshes),
        ("webhook accepted", demo.send_webhook, lambda: f"{stack.commands_prefix}make logs ARGS=webhook"),
        ("records synced", demo.wait_for_records, demo.show_invoices),
    ]
    rows: list[Row] = []
    for step, action, more in steps:
        if any(row.result != "ok" for row in rows):
            rows.append(Row(step, "skipped", 0.0, ""))
            continue
        started = time.monotonic()
        try:
            detail, result = action(), "ok"
        except (StackError, OSError, KeyError, ValueError) as error:
            detail, result = f"{type(error).__name__}: {error}", "failed"
        print(f"  {step}: {detail}", flush=True)
        rows.append(Row(step, result, time.monotonic() - started, more()))
    _print_table(stack, rows)
    return all(row.result == "ok" for row in rows)


def _print_table(stack: Stack, rows: list[Row]) -> None:
    print(f"\n{'step':18}{'result':9}{'time':>8}   more  (after: set -a; . {stack.stack_env})")
    for row in rows:
        print(f"{row.step:18}{row.result:9}{row.seconds:7.2f}s   {row.more}")


def _expect(answer: Response, what: str, accepted: tuple[int, ...]) -> Any:
    if answer.status not in accepted:
        raise StackError(f"{what} answered {answer.status}: {answer.body.decode(errors='replace')[:500]}")
    return answer.json() if answer.body else None
