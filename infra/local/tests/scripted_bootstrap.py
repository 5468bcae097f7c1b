"""A function for the tests: does what the event says, over a plain socket, as a runtime client would."""

import json
import os
import signal
import socket
import sys
import time
from typing import Any

RUNTIME = "/2018-06-01/runtime"


class Api:
    """One keep-alive connection to the Runtime API."""

    def __init__(self) -> None:
        host, port = os.environ["AWS_LAMBDA_RUNTIME_API"].split(":")
        self.socket = socket.create_connection((host, int(port)))
        self.reader = self.socket.makefile("rb")

    def call(self, head: str, body: bytes = b"", chunked: bool = False) -> tuple[int, dict[str, str], bytes]:
        """Sends one request and returns status, headers and body of the answer."""
        if chunked:
            middle = len(body) // 2
            parts = [body[:middle], body[middle:], b""]
            wire = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts if part or part is parts[-1])
            self.socket.sendall(f"{head} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode() + wire)
        else:
            self.socket.sendall(f"{head} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        status = int(self.reader.readline().split()[1])
        headers: dict[str, str] = {}
        while line := self.reader.readline().strip().decode():
            name, _, value = line.partition(": ")
            headers[name.lower()] = value
        return status, headers, self.reader.read(int(headers.get("content-length", 0)))


def act(api: Api, event: dict[str, Any], headers: dict[str, str]) -> None:
    """Answers one invocation in the way that the event asks for."""
    request = f"POST {RUNTIME}/invocation/{headers['lambda-runtime-aws-request-id']}"
    action = event.get("do", "echo")
    print(f"acting: {action}", flush=True)
    if action == "exit":
        print("last words without a line end", end="", flush=True)
        sys.exit(event.get("code", 7))
    if action == "kill":
        os.kill(os.getpid(), signal.SIGSEGV)
    if action == "sleep":
        time.sleep(event["seconds"])
    if action == "fork":
        child = os.fork()
        if child == 0:
            time.sleep(600)
        api.call(f"{request}/response", json.dumps({"child": child}).encode())
    elif action == "fail":
        api.call(f"{request}/error", b'{"errorType":"Boom","errorMessage":"as asked"}')
    elif action == "late log":
        api.call(f"{request}/response", b"{}")
        print("written after the answer", flush=True)
    elif action == "wrong request":
        status, _, _ = api.call(f"POST {RUNTIME}/invocation/other/response", b"{}")
        api.call(f"{request}/response", json.dumps({"status": status}).encode())
    elif action == "large":
        status, _, _ = api.call(f"{request}/response", b"x" * event["bytes"])
        sys.exit(0 if status == 413 else 9)
    elif action == "half":
        api.socket.sendall(f"{request}/response HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf".encode())
        sys.exit(3)
    else:
        answer = {"event": event, "headers": headers, "environment": dict(os.environ), "pid": os.getpid()}
        api.call(f"{request}/response", json.dumps(answer).encode(), chunked=action == "chunked")


def main() -> None:
    """Starts as `START` says and then serves until the connection ends."""
    start = os.environ.get("START", "normally")
    print(f"starting {start}", flush=True)
    if start == "exit":
        sys.exit(4)
    if start == "hang":
        time.sleep(600)
    api = Api()
    if start == "init error":
        api.call(f"POST {RUNTIME}/init/error", b'{"errorType":"BadSettings","errorMessage":"two are missing"}')
        sys.exit(1)
    while True:
        _, headers, body = api.call(f"GET {RUNTIME}/invocation/next")
        act(api, json.loads(body), headers)


if __name__ == "__main__":
    main()
