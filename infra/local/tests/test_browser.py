"""The demo's browser: redirects, cookies of each host, and a consent page."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from ledgerbridge_local.browser import Browser
from ledgerbridge_local.errors import StackError

PAGE = b'<p>Connect?</p><form method="post" action="/decide"><input type="hidden" name="token" value="t&amp;1"></form>'


class Site(BaseHTTPRequestHandler):
    """A site that asks for consent and then sends the browser to a callback."""

    def do_GET(self) -> None:
        if self.path == "/start":
            self._answer(302, {"Location": "/consent?x=1", "Set-Cookie": "__Host-s=abc; Secure; HttpOnly; Path=/"})
        elif self.path.startswith("/consent"):
            self._answer(200, {"Content-Type": "text/html"}, PAGE)
        elif self.path.startswith("/auth/callback"):
            self._answer(200, {}, (self.headers["Cookie"] or "").encode())
        elif self.path == "/loop":
            self._answer(302, {"Location": "/loop"})
        else:
            self._answer(404, {}, b"nothing here")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(303, {"Location": "/auth/callback?code=" + str(body == b"token=t%261")})

    def _answer(self, status: int, headers: dict[str, str], body: bytes = b"") -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def site() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_the_way_through_a_consent_page_keeps_the_secure_cookie(site: str) -> None:
    answer = Browser().visit(f"{site}/start", "/auth/callback")

    assert answer.status == 200
    assert answer.body == b"__Host-s=abc"


def test_a_page_without_a_way_on_is_an_error(site: str) -> None:
    with pytest.raises(StackError, match="answered 404: nothing here"):
        Browser().visit(f"{site}/missing", "/auth/callback")


def test_a_circle_ends(site: str) -> None:
    with pytest.raises(StackError, match="no end after"):
        Browser().visit(f"{site}/loop", "/auth/callback")
