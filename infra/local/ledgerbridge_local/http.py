"""Small HTTP requests to addresses on this machine."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

TIMEOUT_SECONDS = 60.0


@dataclass(frozen=True)
class Response:
    """A complete HTTP answer, whatever its status."""

    status: int
    headers: Mapping[str, str]
    cookies: tuple[str, ...]
    body: bytes

    def json(self) -> Any:
        """Returns the body as JSON."""
        return json.loads(self.body)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_args: Any, **_kwargs: Any) -> None:
        return None


# No proxy: a proxy of the machine cannot reach the machine's own loopback addresses.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect)


def request(
    method: str,
    url: str,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    timeout: float = TIMEOUT_SECONDS,
) -> Response:
    """Sends one request and follows nothing; raises `OSError` only when there is no answer at all."""
    call = urllib.request.Request(url, data=body, headers=dict(headers or {}), method=method)
    try:
        with _OPENER.open(call, timeout=timeout) as answer:
            return _response(answer)
    except urllib.error.HTTPError as answer:
        with answer:
            return _response(answer)


def answers(url: str) -> bool:
    """Whether something speaks HTTP there."""
    try:
        request("GET", url, timeout=2)
    except (OSError, ValueError):
        return False
    return True


def _response(answer: Any) -> Response:
    return Response(
        answer.status,
        {name.lower(): value for name, value in answer.headers.items()},
        tuple(answer.headers.get_all("Set-Cookie") or ()),
        answer.read(),
    )
