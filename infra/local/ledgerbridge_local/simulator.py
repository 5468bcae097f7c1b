"""Starts and stops the provider simulator, and knows what the functions must know to use it."""

from __future__ import annotations

import hashlib
import json
import os
import time
import uuid
from pathlib import Path

from . import processes
from .aws import Aws, AwsError
from .commands import tail
from .console import say
from .errors import StackError
from .http import answers
from .localstack import require_free_port
from .paths import BINARIES, Stack

READY_SECONDS = 20.0
SECRET_NAME = "ledgerbridge/local/providers"

# The data centers of Zoho that the simulator plays.
ZOHO_LOCATIONS = ("us", "eu", "in", "au", "jp", "ca", "sa", "cn")

# The simulator's own defaults: they protect nothing.
PROVIDER_SECRETS = {
    "QUICKBOOKS_CLIENT_ID": "ABSimulatorIntuitClientId0000000000000000000000001",
    "QUICKBOOKS_CLIENT_SECRET": "SimulatorIntuitClientSecret0000000000001",
    "QUICKBOOKS_WEBHOOK_SECRET": "00000000-51b0-4000-8000-000000000001",
    "XERO_WEBHOOK_SECRET": "LR+SimulatorXeroWebhookKey0000000000000000000000000000000000000000000000000000000000000w==",
    "XERO_CLIENT_ID": "SIMULATORXEROCLIENTID00000000001",
    "XERO_CLIENT_SECRET": "SimulatorXeroClientSecret000000000000000000000001",
    # Ours, and not known to the simulator: addresses and secrets of organizations are derived from it.
    "ZOHO_WEBHOOK_SECRET": "local-key-of-zoho-webhook-addresses",
    "ZOHO_CLIENT_ID": "1000.SIMULATORZOHOCLIENTID0000000001",
    "ZOHO_CLIENT_SECRET": "simulatorzohoclientsecret0000000000001",
}


def pid_file(stack: Stack) -> Path:
    """Returns where the simulator's process is written down."""
    return stack.run / "simulator.json"


def log_file(stack: Stack) -> Path:
    """Returns where the simulator writes."""
    return stack.logs / "simulator.log"


def is_running(stack: Stack) -> bool:
    """Whether this stack's simulator runs."""
    return processes.find_daemon(pid_file(stack)) is not None


def ensure_running(stack: Stack) -> None:
    """Starts the simulator, or starts it anew when it was built anew."""
    binary = BINARIES / "simulator"
    digest = hashlib.sha256(binary.read_bytes()).hexdigest()
    digest_file = stack.run / "simulator.sha256"
    if is_running(stack):
        if digest_file.exists() and digest_file.read_text() == digest:
            return
        say("the simulator was rebuilt: it starts anew and forgets its grants")
        processes.stop_daemon(pid_file(stack))
    require_free_port(stack.simulator_port, "SIMULATOR_PORT")
    say(f"starting the provider simulator on {stack.simulator_url}")
    arguments = ["--port", str(stack.simulator_port), "--consent", "approve"]
    environment = {**os.environ, processes.STACK_VARIABLE: str(stack.state)}
    processes.start_daemon([binary, *arguments], environment, pid_file(stack), log_file(stack))
    digest_file.write_text(digest)
    _wait_until_ready(stack)


def stop(stack: Stack) -> None:
    """Stops the simulator."""
    if processes.stop_daemon(pid_file(stack)):
        say("stopped the provider simulator")


def addresses(stack: Stack) -> dict[str, str]:
    """Returns the settings that point the functions at the simulator."""
    # A browser goes to the authorize address, the functions go to the others.
    server = f"http://host.docker.internal:{stack.simulator_port}" if stack.docker else stack.simulator_url
    return {
        "QUICKBOOKS_API_BASE_URL": f"{server}/intuit",
        "QUICKBOOKS_AUTHORIZE_URL": f"{stack.simulator_url}/intuit/connect/oauth2",
        "QUICKBOOKS_REVOKE_URL": f"{server}/intuit/v2/oauth2/tokens/revoke",
        "QUICKBOOKS_TOKEN_URL": f"{server}/intuit/oauth2/v1/tokens/bearer",
        "XERO_API_BASE_URL": f"{server}/xero",
        "XERO_AUTHORIZE_URL": f"{stack.simulator_url}/xero/identity/connect/authorize",
        "XERO_CONNECTIONS_URL": f"{server}/xero/connections",
        "XERO_REVOKE_URL": f"{server}/xero/connect/revocation",
        "XERO_TOKEN_URL": f"{server}/xero/connect/token",
        "ZOHO_DATA_CENTRES": _zoho_data_centers(server),
    }


def _zoho_data_centers(server: str) -> str:
    # An accounts server has one address, for browsers as for functions: it stands in the callback and is compared.
    centers = {
        location: {"accountsServer": f"{server}/zoho/accounts/{location}", "apiDomain": f"{server}/zoho/api/{location}"}
        for location in ZOHO_LOCATIONS
    }
    # Short, since all variables of a function together may have 4 KB.
    return json.dumps(centers, separators=(",", ":"))


def put_provider_secrets(aws: Aws) -> None:
    """Creates the secret that the functions read, or brings it up to date."""
    value = json.dumps(PROVIDER_SECRETS, sort_keys=True)
    try:
        current = aws.json("secretsmanager", "secretsmanager.GetSecretValue", {"SecretId": SECRET_NAME})
    except AwsError as error:
        if b"ResourceNotFoundException" not in error.body:
            raise
        operation, naming = "CreateSecret", "Name"
    else:
        if current.get("SecretString") == value:
            return
        operation, naming = "PutSecretValue", "SecretId"
    body = {naming: SECRET_NAME, "SecretString": value, "ClientRequestToken": str(uuid.uuid4())}
    aws.json("secretsmanager", f"secretsmanager.{operation}", body)


def _wait_until_ready(stack: Stack) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while not answers(f"{stack.simulator_url}/_control/health"):
        if not is_running(stack):
            raise StackError(f"the simulator ended while it started:\n{tail(log_file(stack))}")
        if time.monotonic() > deadline:
            raise StackError(f"the simulator was not ready after {READY_SECONDS:.0f} s; see {log_file(stack)}")
        time.sleep(0.05)
