"""JSON over HTTP with one server, as the demo speaks it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .errors import StackError
from .http import request


@dataclass(frozen=True)
class JsonClient:
    """Sends requests to one server; an unexpected answer is an error that says who gave it."""

    name: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)

    def call(self, method: str, path: str, body: Any = None, accepted: tuple[int, ...] = (200,)) -> Any:
        """Sends one request and returns the JSON of an expected answer, if it has any."""
        content = None if body is None else json.dumps(body).encode()
        answer = request(method, self.url + path, {**self.headers, "Content-Type": "application/json"}, content)
        if answer.status not in accepted:
            text = answer.body.decode(errors="replace")[:500]
            raise StackError(f"{self.name}: {method} {path} answered {answer.status}: {text}")
        return answer.json() if answer.body else None
