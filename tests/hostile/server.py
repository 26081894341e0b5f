"""A server that misbehaves in every way that TCP and HTTP leave open, one way at a time."""

from __future__ import annotations

import gzip
import random
import re
import socket
import struct
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from tests.hostile.mutations import as_json, bytes_changed, changed

Talk = Callable[[socket.socket], None]
DRIP = 0.02  # seconds between two pieces of a reply that trickles
MODELS = {"object": "list", "data": [{"id": "small", "owned_by": "vllm", "max_model_len": 2048}]}
COMPLETION = {
    "object": "chat.completion",
    "model": "small",
    "choices": [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": "x",
                "reasoning_content": "r",
                "tool_calls": [
                    {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
                ],
            },
            "finish_reason": "stop",
            "logprobs": None,
        }
    ],
    "usage": {"prompt_tokens": 7, "completion_tokens": 3},
}
FAILURE = {"error": {"message": "model not found", "type": "x", "param": "model", "code": 404}}
STATUSES = (
    *(100, 101, 199, 200, 201, 204, 206, 299, 300, 301, 302, 304, 307, 308, 400, 401, 403, 404),
    *(408, 413, 418, 422, 425, 429, 451, 500, 502, 503, 504, 529, 599, 600, 999, 0),
)
LATER = ("0", "1e9", "-1", "9" * 400, "Mon, 99 Jan 99999 00:00:00 GMT", "\x1b[2J", "Wed, 21 Oct")


def wrapped(body: bytes, status: int = 200, *headers: str, length: int | None = None) -> bytes:
    """Return an HTTP/1.1 reply."""
    told = len(body) if length is None else length
    lines = (f"HTTP/1.1 {status} Said", *headers, f"Content-Length: {told}", "Connection: close")
    return "\r\n".join(lines).encode("utf-8", "surrogatepass") + b"\r\n\r\n" + body


class NastyServer:
    """Listens on loopback; `models` and `chat` are how the two kinds of requests are answered."""

    def __init__(self) -> None:
        self.models: Talk = says(MODELS)
        self.chat: Talk = says(COMPLETION)
        self.bomb = b"".join(_zeros(200 * 2**20))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.settimeout(20)
            heard = b""
            while b"\r\n\r\n" not in heard:
                piece = connection.recv(65536)
                if not piece:
                    return
                heard += piece
            head, _, body = heard.partition(b"\r\n\r\n")
            found = re.search(rb"(?i)content-length: (\d+)", head)
            while found and len(body) < int(found[1]) and (piece := connection.recv(65536)):
                body += piece
            (self.models if head.startswith(b"GET") else self.chat)(connection)

    def way(self, rng: random.Random, good: Any) -> Talk:
        """Return one way to answer where `good` would be right."""
        text = as_json(good, rng)
        broken = as_json(changed(good, rng), rng)
        failed = as_json(changed(FAILURE, rng) if rng.random() < 0.7 else FAILURE, rng)
        act = rng.randrange(20)
        if act < 8:
            return sends(wrapped(broken))
        if act == 8:
            return sends(wrapped(bytes_changed(text, rng)))
        if act < 11:
            later = rng.choice(("X: y", f"Retry-After: {rng.choice(LATER)}", "Location: /x"))
            return sends(wrapped(failed, rng.choice(STATUSES), later))
        if act == 11:
            packed = rng.choice((self.bomb, gzip.compress(text)[:-9], b"\x1f\x8b" + text))
            kind = rng.choice(("gzip", "deflate", "br", "zstd", "gzip, gzip", "x"))
            return sends(wrapped(packed, 200, f"Content-Encoding: {kind}"))
        if act == 12:
            headers = rng.choice(
                (
                    ["X: " + "a" * 200_000],
                    [f"X-{number}: b" for number in range(20_000)],
                    ["no colon"],
                    ["X: a\x00b", "\ud800: c", " folded"],
                    ["Content-Length: -1"],
                    ["Transfer-Encoding: chunked"],
                    ["Location: http://169.254.169.254/", "Set-Cookie: " + "a=b;" * 5000],
                    ["Content-Type: text/html; charset=\x1b[31m"],
                )
            )
            return sends(wrapped(text, rng.choice((200, 302, 404)), *headers))
        if act == 13:
            raw = rng.choice(
                (
                    *(b"", b"\r\n\r\n", b"\x00" * 9999, b"HTTP/9.9 200\r\n\r\n", b"x" * 300_000),
                    *(b"HTTP/1.1 200 " + b"O" * 300_000, b"HTTP/1.1\r\n\r\n", b"PRI * HTTP/2.0"),
                    *(b"HTTP/1.1 99999999999 X\r\n\r\n", bytes_changed(wrapped(text), rng)),
                )
            )
            return sends(raw)
        if act == 14:
            size = rng.choice((b"-1", b"ffffffffffffffff", b"zz", b"5;" + b"a" * 9999, b"0" * 9999))
            head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            return sends(head + size + b"\r\n" + text + b"\r\n0\r\n\r\n")
        if act == 15:
            return sends(wrapped(b"<html><title>" + b"a" * rng.choice((9, 400, 90_000)) + text))
        if act == 16:
            return rng.choice((trickles(text), trickles_head, floods, floods_head))
        if act == 17:
            return sends(wrapped(text, length=len(text) + rng.choice((-3, 1, 1000, 10**30))))
        return resets(text[: rng.randrange(len(text))] if act == 18 else b"")


def _zeros(size: int) -> Iterator[bytes]:
    packer = zlib.compressobj(9, wbits=31)
    for _ in range(size // 2**20):
        yield packer.compress(bytes(2**20))
    yield packer.flush()


def says(value: Any) -> Talk:
    """Answer with JSON."""
    return sends(wrapped(as_json(value, random.Random(1))))


def sends(raw: bytes) -> Talk:
    """Answer with these bytes."""
    return lambda connection: connection.sendall(raw)


def trickles(body: bytes) -> Talk:
    """Answer one byte at a time."""

    def talk(connection: socket.socket) -> None:
        connection.sendall(wrapped(b"", length=len(body)))
        for at in range(len(body)):
            connection.sendall(body[at : at + 1])
            time.sleep(DRIP)

    return talk


def trickles_head(connection: socket.socket) -> None:
    """Send one header after another."""
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    for _ in range(200):
        connection.sendall(b"X-A: b\r\n")
        time.sleep(DRIP)


def floods(connection: socket.socket) -> None:
    """Send a body without an end."""
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        connection.sendall(b"[" * 65536)


def floods_head(connection: socket.socket) -> None:
    """Send headers without an end."""
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        connection.sendall(b"X-A: b\r\n" * 8192)


def resets(part: bytes) -> Talk:
    """Send a part and reset the connection."""

    def talk(connection: socket.socket) -> None:
        if part:
            connection.sendall(wrapped(part, length=len(part) + 100))
        linger = struct.pack("ii", 1, 0)  # no lingering: the peer sees a reset
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)

    return talk
