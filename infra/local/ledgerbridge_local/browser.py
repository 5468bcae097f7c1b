"""A browser of the smallest kind, for a person's way through an OAuth consent."""

from __future__ import annotations

import urllib.parse
from html.parser import HTMLParser

from .errors import StackError
from .http import Response, request

MAX_STEPS = 12


class Browser:
    """Follows redirects and submits the one form of a page, with the cookies of each host.

    `Secure` cookies go over http, too: the stack has no certificate, and everything stays on loopback.
    """

    def __init__(self) -> None:
        self._cookies: dict[str, dict[str, str]] = {}

    def visit(self, url: str, until_path: str) -> Response:
        """Goes on from `url` until a page of a path that ends with `until_path` has answered; returns that answer."""
        method, body = "GET", None
        for _ in range(MAX_STEPS):
            answer = self._send(method, url, body)
            if urllib.parse.urlsplit(url).path.endswith(until_path):
                return answer
            if 300 <= answer.status < 400 and "location" in answer.headers:
                method, url, body = "GET", urllib.parse.urljoin(url, answer.headers["location"]), None
                continue
            form = _Form.of(answer)
            if answer.status != 200 or form is None:
                text = answer.body.decode(errors="replace")[:300]
                raise StackError(f"{_without_query(url)} answered {answer.status}: {text}")
            method = form.method
            url = urllib.parse.urljoin(url, form.action)
            body = urllib.parse.urlencode(form.fields).encode() if method == "POST" else None
        raise StackError(f"no end after {MAX_STEPS} steps, at {_without_query(url)}")

    def _send(self, method: str, url: str, body: bytes | None) -> Response:
        host = urllib.parse.urlsplit(url).netloc
        jar = self._cookies.setdefault(host, {})
        headers = {"Accept": "text/html"}
        if jar:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in jar.items())
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        answer = request(method, url, headers, body)
        for cookie in answer.cookies:
            name, _, value = cookie.split(";", 1)[0].partition("=")
            jar[name.strip()] = value.strip()
        return answer


class _Form(HTMLParser):
    """The first form of a page, with the fields that a person would leave as they are."""

    def __init__(self) -> None:
        super().__init__()
        self.action: str | None = None
        self.method = "GET"
        self.fields: dict[str, str] = {}

    @classmethod
    def of(cls, answer: Response) -> _Form | None:
        """Returns the form of a page, if it has one."""
        form = cls()
        form.feed(answer.body.decode("utf-8", "replace"))
        return None if form.action is None else form

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        if tag == "form" and self.action is None:
            self.action = attributes.get("action", "")
            self.method = attributes.get("method", "get").upper()
        elif tag in ("input", "button") and attributes.get("name"):
            self.fields.setdefault(attributes["name"], attributes.get("value", ""))


def _without_query(url: str) -> str:
    # The query of a callback holds the code.
    return url.split("?", 1)[0]
