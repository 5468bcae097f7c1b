"""What the functions are told about the simulated providers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ledgerbridge_local.outputs import outputs_environment
from ledgerbridge_local.paths import Stack
from ledgerbridge_local.settings import read_environment_file
from ledgerbridge_local.simulator import PROVIDER_SECRETS, ZOHO_LOCATIONS, addresses

HOST = Stack(port=4566, simulator_port=5566)
DOCKER = Stack(port=4566, simulator_port=5566, docker=True)
# Lambda's limit for all variables of a function, names and values.
ENVIRONMENT_BYTES = 4096


@pytest.mark.parametrize("provider", ["QUICKBOOKS", "XERO", "ZOHO"])
def test_every_provider_has_credentials(provider: str) -> None:
    assert PROVIDER_SECRETS[f"{provider}_CLIENT_ID"]
    assert PROVIDER_SECRETS[f"{provider}_CLIENT_SECRET"]


@pytest.mark.parametrize("stack", [HOST, DOCKER], ids=["host", "docker"])
def test_browsers_and_functions_reach_the_same_providers(stack: Stack) -> None:
    told = addresses(stack)
    functions = "http://host.docker.internal:5566" if stack.docker else "http://127.0.0.1:5566"

    for provider in ("QUICKBOOKS", "XERO"):
        assert told[f"{provider}_AUTHORIZE_URL"].startswith("http://127.0.0.1:5566/")
        for kind in ("API_BASE", "REVOKE", "TOKEN"):
            assert told[f"{provider}_{kind}_URL"].startswith(f"{functions}/")
    assert told["XERO_CONNECTIONS_URL"] == f"{functions}/xero/connections"


def test_every_data_center_of_zoho_has_addresses_of_its_own() -> None:
    centers = json.loads(addresses(HOST)["ZOHO_DATA_CENTRES"])

    assert list(centers) == list(ZOHO_LOCATIONS)
    assert centers["eu"] == {
        "accountsServer": "http://127.0.0.1:5566/zoho/accounts/eu", "apiDomain": "http://127.0.0.1:5566/zoho/api/eu",
    }
    assert len({address for center in centers.values() for address in center.values()}) == 2 * len(ZOHO_LOCATIONS)


def test_the_addresses_leave_room_for_the_template_in_a_functions_environment() -> None:
    told = addresses(Stack(port=65535, simulator_port=65535, docker=True))

    assert sum(len(name) + len(value) for name, value in told.items()) < ENVIRONMENT_BYTES / 2


def test_data_centers_in_an_environment_file_are_taken_as_they_stand(tmp_path: Path) -> None:
    centers = '{"eu": {"accountsServer": "http://127.0.0.1:9/a=b", "apiDomain": "http://127.0.0.1:9/#x"}} '
    file = tmp_path / "env"
    file.write_text(f"ZOHO_DATA_CENTRES={centers}\nXERO_TOKEN_URL=http://127.0.0.1:9/t\n")

    overrides = {**addresses(HOST), **read_environment_file(file)}

    assert overrides["ZOHO_DATA_CENTRES"] == centers
    assert overrides["XERO_TOKEN_URL"] == "http://127.0.0.1:9/t"
    assert overrides["XERO_REVOKE_URL"] == addresses(HOST)["XERO_REVOKE_URL"]


def test_the_callback_of_each_provider_has_a_name() -> None:
    named = outputs_environment({"CallbackUrl": "q", "XeroCallbackUrl": "x", "ZohoCallbackUrl": "z"})

    assert named == {"CALLBACK_URL": "q", "XERO_CALLBACK_URL": "x", "ZOHO_CALLBACK_URL": "z"}
