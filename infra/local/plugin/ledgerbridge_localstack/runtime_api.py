"""The Lambda Runtime API over HTTP, on a loopback port of its own for each bootstrap process."""

from __future__ import annotations

import logging
import re
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, BinaryIO, cast

from .session import MAX_RESPONSE_BYTES, Outcome, Session, error_outcome

LOG = logging.getLogger(__name__)

RUNTIME = "/2018-06-01/runtime"
ANSWER_PATH = re.compile(rf"^{RUNTIME}/invocation/([^/]+)/(response|error)$")


class BodyTooLarge(Exception):
    """The function sent more than the Lambda service would take."""


class RuntimeApi(ThreadingHTTPServer):
    """Serves one session until it is closed."""

    daemon_threads = True

    def __init__(self, session: Session) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.session = session
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._accept, name=f"runtime-api-{self.server_port}", daemon=True)

    @property
    def address(self) -> str:
        """What the bootstrap gets as `AWS_LAMBDA_RUNTIME_API`."""
        return f"127.0.0.1:{self.server_port}"

    def start(self) -> None:
        """Accepts connections from now on."""
        self._thread.start()

    def close(self) -> None:
        """Ends every connection and returns when nothing listens any longer."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            connections = list(self._connections)
        for connection in [self.socket, *connections]:
            try:
                # Wakes the thread that is blocked in accept or read, which closing alone does not.
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        if self._thread.is_alive():
            self._thread.join()
        self.server_close()

    def _accept(self) -> None:
        # `serve_forever` looks for its end twice a second; an idle stack has dozens of these servers.
        while True:
            try:
                connection, address = self.get_request()
            except OSError:
                return
            with self._lock:
                if self._closed:
                    connection.close()
                    return
                self._connections.add(connection)
            self.process_request(connection, address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        LOG.debug("a bootstrap's connection broke", exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    # Keep-alive: a bootstrap uses one connection for all its life.
    protocol_version = "HTTP/1.1"
    # Headers and body of an answer are two small writes, which would wait for each other's acknowledgement.
    disable_nagle_algorithm = True

    @property
    def _session(self) -> Session:
        return cast(RuntimeApi, self.server).session

    def do_GET(self) -> None:
        if self.path != f"{RUNTIME}/invocation/next":
            self._answer(404, b'{"errorType":"NotFound"}')
            return
        invocation = self._session.next_invocation()
        if invocation is None:
            self.close_connection = True
            return
        self._answer(
            200,
            invocation.payload,
            {
                "Lambda-Runtime-Aws-Request-Id": invocation.request_id,
                "Lambda-Runtime-Deadline-Ms": str(invocation.deadline_ms),
                "Lambda-Runtime-Invoked-Function-Arn": invocation.function_arn,
                "Lambda-Runtime-Trace-Id": invocation.trace_id,
            },
        )

    def do_POST(self) -> None:
        answer = ANSWER_PATH.match(self.path)
        try:
            body = self._read_body()
        except BodyTooLarge:
            self.close_connection = True
            if answer:
                self._session.finish(answer[1], _too_large())
            self._answer(413, b'{"errorType":"RequestEntityTooLarge"}')
            return

        if self.path == f"{RUNTIME}/init/error":
            self._session.fail_init(body)
        elif not answer:
            self._answer(404, b'{"errorType":"NotFound"}')
            return
        elif not self._session.finish(answer[1], Outcome(body, is_error=answer[2] == "error")):
            self._answer(400, b'{"errorType":"InvalidRequestID"}')
            return
        self._answer(202, b'{"status":"OK"}')

    def _read_body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            return _read_chunks(cast(BinaryIO, self.rfile))
        length = int(self.headers.get("Content-Length") or 0)
        if length > MAX_RESPONSE_BYTES:
            raise BodyTooLarge
        return _read_exactly(cast(BinaryIO, self.rfile), length)

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


def _read_chunks(stream: BinaryIO) -> bytes:
    body = bytearray()
    while True:
        size = int(stream.readline().split(b";")[0], 16)
        if size == 0:
            while stream.readline().strip():
                pass
            return bytes(body)
        if len(body) + size > MAX_RESPONSE_BYTES:
            raise BodyTooLarge
        body += _read_exactly(stream, size)
        stream.readline()


def _read_exactly(stream: BinaryIO, size: int) -> bytes:
    body = stream.read(size)
    if len(body) < size:
        # Half an answer of a bootstrap that died is no answer.
        raise ConnectionError(f"the connection ended after {len(body)} of {size} bytes")
    return body


def _too_large() -> Outcome:
    return error_outcome(
        "Function.ResponseSizeTooLarge",
        f"Response payload size exceeded maximum allowed payload size ({MAX_RESPONSE_BYTES} bytes).",
    )
