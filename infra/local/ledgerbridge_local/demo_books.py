"""Companies that the demo makes at the simulated providers, and the people who connect them."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from .json_client import JsonClient

CUSTOMERS, INVOICES = 5, 40


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
            organization = self._control.call("POST", "/organizations", {"name": name}, (201,))
            self.companies.append(organization["tenantId"])
        self._user = self._control.call("POST", "/users", {"tenantIds": self.companies}, (201,))["userId"]
        return f"organizations {' and '.join(self.companies)}"

    def settings_of_consent(self) -> dict[str, Any]:
        return {"consentUserId": self._user, "consentTenantIds": self.companies}

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
        organization = {"location": self.location, "name": "Demo Organization"}
        self.companies = [self._control.call("POST", "/organizations", organization, (201,))["organizationId"]]
        user = {"userId": self._user, "location": self.location, "organizations": self.companies}
        self._control.call("POST", "/users", user)
        return f"organization {self.companies[0]} in the data center {self.location}"

    def settings_of_consent(self) -> dict[str, Any]:
        return {"consentUserId": self._user}
