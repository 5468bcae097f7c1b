"""Keeps LocalStack off the network."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace


def listen_on_loopback_only() -> None:
    """Binds the gateway to 127.0.0.1.

    LocalStack 4.14.0 reads only the port of an IPv4 `GATEWAY_LISTEN` and binds every interface, so anyone on the same
    network could call the functions with their credentials.
    """
    from localstack.runtime.server import twisted

    twisted.endpoints = SimpleNamespace(
        TCP4ServerEndpoint=partial(twisted.endpoints.TCP4ServerEndpoint, interface="127.0.0.1"),
        TCP6ServerEndpoint=twisted.endpoints.TCP6ServerEndpoint,
    )
