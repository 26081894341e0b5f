"""A small server with an OpenAI-compatible API that misbehaves as it is told."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

CUT = "cut"  # the connection is reset in the middle of the answer


@dataclass(frozen=True)
class Said:
    """What the server sends back. `body`: JSON, raw bytes, or `CUT`; `delay` in seconds."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0


@dataclass(frozen=True)
class Heard:
    """A request as it arrived."""

    path: str
    body: dict[str, Any]
    headers: Mapping[str, str]
    at: float


def answer(text: str, end: str | None = "stop") -> Said:
    """A chat completion with this text."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": end}
    usage = {"prompt_tokens": 7, "completion_tokens": 3}
    return Said(body={"object": "chat.completion", "choices": [choice], "usage": usage})


def echo(heard: Heard) -> Said:
    """The last message again."""
    return answer(heard.body["messages"][-1]["content"])


def models(*names: str, **facts: object) -> Said:
    """The list of models."""
    return Said(body={"object": "list", "data": [{"id": name, **facts} for name in names]})


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # connections at once


class SmallServer:
    """Listens on loopback until it is closed. `heard` keeps every POST."""

    def __init__(
        self,
        talk: Callable[[Heard], Said] = echo,
        pages: Mapping[str, Said] | None = None,
        port: int = 0,
    ) -> None:
        self.heard: list[Heard] = []
        self._talk = talk
        self._pages = {"/v1/models": models("small"), **(pages or {})}
        self._http = _Listener(("127.0.0.1", port), self._handler())
        self._port: int = self._http.server_address[1]
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """The base URL of the API."""
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._port

    def close(self) -> None:
        """Stop listening; whoever asks now is refused."""
        self._http.shutdown()
        self._http.server_close()

    def die(self) -> None:
        """Close from a thread that answers a request."""
        self._http.socket.close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                page = server._pages.get(self.path, Said(404, {"error": {"message": "no page"}}))
                self._send(page)

            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["Content-Length"]))
                heard = Heard(self.path, json.loads(raw), dict(self.headers), time.monotonic())
                server.heard.append(heard)
                self._send(server._talk(heard))

            def _send(self, said: Said) -> None:
                time.sleep(said.delay)
                if said.body == CUT:
                    self._cut()
                    return
                raw = said.body if isinstance(said.body, bytes) else json.dumps(said.body).encode()
                self.send_response(said.status)
                for name, value in {**said.headers, "Content-Length": str(len(raw))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(raw)

            def _cut(self) -> None:
                self.send_response(200)
                self.send_header("Content-Length", "1000")
                self.end_headers()
                self.wfile.write(b'{"choices": [')
                self.wfile.flush()
                reset = struct.pack("ii", 1, 0)  # no lingering: the peer sees a reset
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
                self.connection.close()
                self.close_connection = True

            def log_message(self, format: str, *args: object) -> None:
                """Nothing is logged."""

        return Handler
