"""Companies that the demo makes at the simulated providers, and the people who connect them."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from .errors import StackError
from .json_client import JsonClient

# What a company has at QuickBooks, and at the two others.
CUSTOMERS, INVOICES = 5, 40
CONTACTS = 3
# The simulator numbers a company's objects at QuickBooks from 1, customers first.
CHANGED_INVOICE = str(CUSTOMERS + 1)


@dataclass(frozen=True)
class WebhookAddress:
    """Where webhooks go, and what they are signed with where the company has a secret of its own."""

    url: str
    secret: str | None = None


class Books(Protocol):
    """The books of one customer at one provider."""

    provider: str
    companies: list[str]

    def make(self) -> str:
        """Makes the companies at the provider and says what they are."""

    def settings_of_consent(self) -> dict[str, Any]:
        """Returns what the simulator must know to agree as the owner of these companies would."""

    def control(self) -> JsonClient:
        """Returns the simulator's control of this provider."""

    def change(self, note: str) -> str:
        """Has a person write the note into the first company's books; returns the changed object's id."""

    def tell(self, changed: str, webhook: WebhookAddress) -> list[int]:
        """Has the provider tell of the change; returns how its requests were answered."""

    @property
    def told(self) -> tuple[str, int]:
        """The entity of the records that are changed, and how many there are afterwards."""


@contextmanager
def consenting(books: Books) -> Iterator[None]:
    """While it lasts, the owner of these books is the person at the provider's consent page."""
    settings = books.settings_of_consent()
    books.control().call("PATCH", "/settings", settings)
    try:
        yield
    finally:
        books.control().call("PATCH", "/settings", dict.fromkeys(settings))


class QuickBooks:
    """One company, with customers and invoices."""

    provider = "quickbooks"

    def __init__(self, simulator_url: str) -> None:
        self._control = JsonClient("simulator", f"{simulator_url}/_control/intuit")
        self.companies: list[str] = []

    def control(self) -> JsonClient:
        return self._control

    def make(self) -> str:
        company = {"name": "Demo Company", "customers": CUSTOMERS, "invoices": INVOICES}
        self.companies = [self._control.call("POST", "/companies", company, (201,))["realmId"]]
        return f"company {self.companies[0]}"

    def settings_of_consent(self) -> dict[str, Any]:
        return {"consentRealmId": self.companies[0]}

    @property
    def told(self) -> tuple[str, int]:
        return "invoices", INVOICES

    def change(self, note: str) -> str:
        invoice = f"/companies/{self.companies[0]}/entities/invoice/{CHANGED_INVOICE}"
        self._control.call("PUT", invoice, {"PrivateNote": note})
        return CHANGED_INVOICE

    def tell(self, changed: str, webhook: WebhookAddress) -> list[int]:
        event = {"realmId": self.companies[0], "entity": "Invoice", "id": changed, "operation": "updated"}
        return _statuses(self._control.call("POST", "/webhooks", {"url": webhook.url, "events": [event]})["sent"])


class Xero:
    """Two organizations of one user, who chooses both."""

    provider = "xero"

    def __init__(self, simulator_url: str) -> None:
        self._control = JsonClient("simulator", f"{simulator_url}/_control/xero")
        self._user = ""
        self.companies: list[str] = []

    def control(self) -> JsonClient:
        return self._control

    def make(self) -> str:
        for name in ("Demo Organization", "Demo Subsidiary"):
            wanted = {"name": name, "contacts": CONTACTS}
            organization = self._control.call("POST", "/organizations", wanted, (201,))
            self.companies.append(organization["tenantId"])
        self._user = self._control.call("POST", "/users", {"tenantIds": self.companies}, (201,))["userId"]
        return f"organizations {' and '.join(self.companies)}"

    def settings_of_consent(self) -> dict[str, Any]:
        return {"consentUserId": self._user, "consentTenantIds": self.companies}

    @property
    def told(self) -> tuple[str, int]:
        return "customers", CONTACTS + 1

    def change(self, note: str) -> str:
        contacts = f"/organizations/{self.companies[0]}/entities/contacts"
        return str(self._control.call("POST", contacts, {"Name": note}, (201,))["ContactID"])

    def tell(self, changed: str, webhook: WebhookAddress) -> list[int]:
        handshake = self._control.call("POST", "/webhooks/handshake", {"url": webhook.url})
        if not handshake["passed"]:
            raise StackError(f"the intent to receive was not understood: {handshake['sent']}")
        event = {"tenantId": self.companies[0], "resourceId": changed, "category": "CONTACT", "type": "CREATE"}
        return _statuses(self._control.call("POST", "/webhooks", {"url": webhook.url, "events": [event]})["sent"])

    def known(self) -> int:
        """Counts what the provider still knows of the connection: an entry for each organization."""
        connections = self._control.call("GET", "/connections")["connections"]
        return sum(connection["tenantId"] in self.companies for connection in connections)


class Zoho:
    """One organization whose owner's account is in Europe, although connecting begins in the United States."""

    provider = "zoho"
    location = "eu"

    def __init__(self, simulator_url: str) -> None:
        self._control = JsonClient("simulator", f"{simulator_url}/_control/zoho")
        self._user = f"demo-{uuid.uuid4()}"
        self.companies: list[str] = []

    def control(self) -> JsonClient:
        return self._control

    def make(self) -> str:
        organization = {"location": self.location, "name": "Demo Organization", "contacts": CONTACTS}
        self.companies = [self._control.call("POST", "/organizations", organization, (201,))["organizationId"]]
        user = {"userId": self._user, "location": self.location, "organizations": self.companies}
        self._control.call("POST", "/users", user)
        return f"organization {self.companies[0]} in the data center {self.location}"

    def settings_of_consent(self) -> dict[str, Any]:
        return {"consentUserId": self._user}

    @property
    def told(self) -> tuple[str, int]:
        return "customers", CONTACTS + 1

    def change(self, note: str) -> str:
        contact = {"contact_name": note, "contact_type": "customer"}
        path = f"/organizations/{self.companies[0]}/records/contact"
        return str(self._control.call("POST", path, contact, (201,))["contact_id"])

    def tell(self, changed: str, webhook: WebhookAddress) -> list[int]:
        told = {"url": webhook.url, "secret": webhook.secret, "entity": "contact",
                "organizationId": self.companies[0], "id": changed}
        return _statuses(self._control.call("POST", "/webhooks", told)["sent"])


def _statuses(sent: list[Any]) -> list[int]:
    return [request["status"] for request in sent]
