"""What the demo does: a company's way through the stack, over HTTP only, as a user of the bundle would go."""

from __future__ import annotations

import json
import time
import urllib.parse
from typing import Any

from .browser import Browser
from .demo_books import Books, QuickBooks, WebhookAddress, Xero, Zoho, consenting
from .errors import StackError
from .json_client import JsonClient

# The full sync of a small company takes a few seconds, ending a connection less; a busy machine gets ten times that.
PATIENCE_SECONDS = 60.0
POLL_SECONDS = 0.3


class Demo:
    """Connects new books at every provider for a new tenant, and follows their data."""

    def __init__(self, values: dict[str, str]) -> None:
        self._api = JsonClient("api", values["API_URL"], {"X-API-Key": values["ADMIN_API_KEY"]})
        self._tenant = f"demo-{time.time_ns() // 1_000_000}"
        self._tenant_exists = False
        self.quickbooks = QuickBooks(values["SIMULATOR_URL"])
        self.xero = Xero(values["SIMULATOR_URL"])
        self.zoho = Zoho(values["SIMULATOR_URL"])
        self._note = f"changed by the demo for {self._tenant}"

    def connect(self, books: Books) -> str:
        """Goes through the OAuth consent as the person would who owns the books."""
        self._make_tenant()
        made = books.make()
        session = {"tenantId": self._tenant, "provider": books.provider}
        link = self._api.call("POST", "/api/connect-sessions", session, (201,))["connectUrl"]
        with consenting(books):
            answer = Browser().visit(link, f"/auth/{books.provider}/callback")
        location = answer.headers.get("location", "")
        if answer.status >= 400 or "status=failed" in location:
            raise StackError(f"the callback answered {answer.status}: {answer.body.decode(errors='replace')[:300]}")
        connection = self._connection_with(books.provider)
        found = sorted(company["providerCompanyId"] for company in connection["companies"])
        if found != sorted(books.companies):
            raise StackError(f"connected were {found}, not {sorted(books.companies)}")
        return f"{made} of tenant {self._tenant}"

    def refresh(self, books: Books) -> str:
        """Forces a refresh; the connection is seconds old, so nothing else would."""
        path = f"/api/tokens/refresh/{books.provider}"
        answer = self._api.call("POST", path, {"tenantId": self._tenant})
        if not (answer.get("success") and answer.get("refreshed")):
            raise StackError(f"nothing was refreshed: {json.dumps(answer)}")
        return f"valid until {answer['expiresAt']}"

    def send_webhook(self, books: Books) -> str:
        """Changes something at the provider, which then tells of it with a signed webhook."""
        changed = books.change(self._note)
        statuses = books.tell(changed, self._webhook_address(books))
        if statuses != [200]:
            raise StackError(f"the webhook was answered with {statuses}")
        return f"a change of one of the {books.told[0]}"

    def wait_for_records(self, books: Books) -> str:
        """Waits until every record is there, the changed one with its change."""
        entity, count = books.told
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            records = self._records(entity, books.companies[0])
            changed = [record for record in records if self._note in json.dumps(record.get("raw"))]
            if len(records) == count and changed:
                return f"{len(records)} {entity}, the changed one among them"
            if time.monotonic() > deadline:
                there = f"{len(records)} of {count} {entity}, {len(changed)} changed"
                raise StackError(f"after {PATIENCE_SECONDS:.0f} s there are {there}")
            time.sleep(POLL_SECONDS)

    def disconnect(self) -> str:
        """Ends the connection with Xero, and looks there whether it has ended."""
        before = self.xero.known()
        if before != len(self.xero.companies):
            raise StackError(f"the provider knows {before} organizations, not {len(self.xero.companies)}")
        connection = self._connection_with("xero")["connectionId"]
        path = f"/api/connections/{connection}?tenantId={self._tenant}"
        self._api.call("DELETE", path, accepted=(200, 202))
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (state := self._api.call("GET", path)["state"]) != "disconnected":
            if time.monotonic() > deadline:
                raise StackError(f"after {PATIENCE_SECONDS:.0f} s the connection is {state}")
            time.sleep(POLL_SECONDS)
        after = self.xero.known()
        if after:
            raise StackError(f"the provider still knows {after} of {before} organizations")
        return f"the provider knew {before} organizations of the connection, and now none"

    def show(self, path: str, **query: str) -> str:
        """Returns the command that shows what the API knows."""
        return f"curl -H \"X-API-Key: $ADMIN_API_KEY\" '{self._api.url}{path}?{urllib.parse.urlencode(query)}'"

    def show_connections(self) -> str:
        """Returns the command that shows the connections."""
        return self.show("/api/connections", tenantId=self._tenant)

    def show_refreshes(self, books: Books) -> str:
        """Returns the command that shows the refreshes."""
        return self.show(f"/api/tokens/history/{books.provider}", tenantId=self._tenant)

    def show_records(self, books: Books) -> str:
        """Returns the command that shows the records that changed."""
        return self.show(f"/api/records/{books.told[0]}", companyId=books.companies[0])

    def show_deliveries(self, books: Books) -> str:
        """Returns the command that shows what became of webhooks."""
        return self.show("/api/webhooks/deliveries", provider=books.provider)

    def _make_tenant(self) -> None:
        if not self._tenant_exists:
            tenant = {"tenantId": self._tenant, "name": "Demo tenant"}
            self._api.call("POST", "/api/tenants", tenant, (201,))
            self._tenant_exists = True

    def _connection_with(self, provider: str) -> Any:
        listed = self._api.call("GET", f"/api/connections?tenantId={self._tenant}")["connections"]
        found = [connection["connectionId"] for connection in listed if connection["provider"] == provider]
        if len(found) != 1:
            raise StackError(f"there are {len(found)} connections with {provider}, not 1")
        return self._api.call("GET", f"/api/connections/{found[0]}?tenantId={self._tenant}")

    def _webhook_address(self, books: Books) -> WebhookAddress:
        companies = self._connection_with(books.provider)["companies"]
        company = next(company for company in companies if company["providerCompanyId"] == books.companies[0])
        own = f"{self._api.url}/webhooks/{books.provider}"
        return WebhookAddress(company.get("webhookUrl", own), company.get("webhookSecret"))

    def _records(self, entity: str, company: str) -> list[Any]:
        records: list[Any] = []
        cursor = ""
        while True:
            path = f"/api/records/{entity}?companyId={company}{cursor}"
            page = self._api.call("GET", path)
            records.extend(page["records"])
            if not page.get("nextCursor"):
                return records
            cursor = f"&cursor={urllib.parse.quote(page['nextCursor'], safe='')}"
