"""Replies of servers that trickle, flood, unpack to more than they are, or point elsewhere."""

from __future__ import annotations

import asyncio
import gzip
import ipaddress
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import httpx
import pytest

from harness.common import InputError
from harness.common.web import (
    LinkLocalError,
    ReplyTooLarge,
    Room,
    RoomShare,
    is_link_local,
    one_reply,
    reply_within,
)

HEAD = b"HTTP/1.1 200 OK\r\n"
Send = Callable[[socket.socket], None]


class Serve(Protocol):
    """Serve one connection; `read`: what it sends first is read for the test."""

    def __call__(self, send: Send, *, read: bool = True) -> str:
        """Return the URL."""


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serve one connection by what a test writes into it; return the URL."""
    listeners: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def start(send: Send, *, read: bool = True) -> str:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def answer() -> None:
            with suppress(OSError):
                connection, _ = listener.accept()
                with connection:
                    if read:
                        connection.recv(65536)
                    send(connection)

        threads.append(threading.Thread(target=answer, daemon=True))
        threads[-1].start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}/"

    yield start
    for listener in listeners:
        listener.close()
    for thread in threads:
        thread.join(5)


def dripping_head(connection: socket.socket) -> None:
    connection.sendall(HEAD)
    for _ in range(200):
        connection.sendall(b"X-A: b\r\n")
        time.sleep(0.05)


def dripping_body(connection: socket.socket) -> None:
    connection.sendall(HEAD + b"Content-Length: 1000\r\n\r\n")
    for _ in range(200):
        connection.sendall(b" ")
        time.sleep(0.05)


@pytest.mark.parametrize("send", [dripping_head, dripping_body])
def test_a_reply_that_trickles_ends_with_its_time(serve: Serve, send: Send) -> None:
    with pytest.raises(httpx.ReadTimeout):
        one_reply("GET", serve(send), 0.5)


def test_a_reply_without_an_end_is_cut(serve: Serve) -> None:
    def flood(connection: socket.socket) -> None:
        connection.sendall(HEAD + b"Content-Length: 99999999999\r\n\r\n")
        while True:
            connection.sendall(b"x" * 65536)

    with pytest.raises(ReplyTooLarge, match="larger than 1 MiB"):
        one_reply("GET", serve(flood), 20, limit=2**20)


def test_what_is_counted_is_the_unpacked_reply(serve: Serve) -> None:
    packed = gzip.compress(b"x" * 2**24)

    def bomb(connection: socket.socket) -> None:
        head = f"Content-Encoding: gzip\r\nContent-Length: {len(packed)}\r\n\r\n"
        connection.sendall(HEAD + head.encode() + packed)

    with pytest.raises(ReplyTooLarge):
        one_reply("GET", serve(bomb), 20, limit=2**20)


def test_a_whole_reply_is_unpacked_and_redirects_are_not_followed(serve: Serve) -> None:
    packed = gzip.compress(b"good")

    def good(connection: socket.socket) -> None:
        head = f"Content-Encoding: gzip\r\nContent-Length: {len(packed)}\r\n\r\n"
        connection.sendall(HEAD + head.encode() + packed)

    def elsewhere(connection: socket.socket) -> None:
        head = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n"
        connection.sendall(head + b"Content-Length: 0\r\n\r\n")

    assert one_reply("GET", serve(good), 20).text == "good"
    assert one_reply("GET", serve(elsewhere), 20).status_code == 302


def test_many_large_replies_share_a_room() -> None:
    size, count = 3 * 2**20, 12
    room, held, most = Room(4 * 2**20), [0] * count, [0]

    async def read(client: httpx.AsyncClient, url: str, number: int) -> int:
        share = RoomShare(room)
        reply = await reply_within(client, "GET", url, 60, share=share)
        held[number] = len(reply.content)
        most.append(sum(held))
        await asyncio.sleep(0)
        held[number] = 0
        share.let_go()
        return len(reply.content)

    async def read_all() -> list[int]:
        async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(HEAD + f"Content-Length: {size}\r\n\r\n".encode() + b"x" * size)
            await writer.drain()
            writer.close()

        async with await asyncio.start_server(flood, "127.0.0.1", 0) as server:
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
            async with httpx.AsyncClient() as client:
                return await asyncio.gather(*(read(client, url, n) for n in range(count)))

    assert asyncio.run(read_all()) == [size] * count
    assert max(most) <= 4 * 2**20 + size
    assert room.has_room(RoomShare(room))


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://169.254.169.254/latest/meta-data", "169.254.169.254"),
        ("http://[fe80::1]/", "fe80::1"),
        ("http://[::ffff:169.254.169.254]/", "::ffff:a9fe:a9fe"),
        ("http://[::169.254.169.254]/", "::a9fe:a9fe"),
        ("http://[64:ff9b::a9fe:a9fe]/", "64:ff9b::a9fe:a9fe"),
        ("http://[2002:a9fe:a9fe::]/", "2002:a9fe:a9fe::"),
        ("http://[fd00:ec2::254]/", "fd00:ec2::254"),
        ("http://2852039166/", "169.254.169.254"),
        ("http://0xa9fea9fe/", "169.254.169.254"),
        ("http://169.254.43518/", "169.254.169.254"),
        ("http://user:secret@169.254.169.254:80/", "169.254.169.254"),
        ("http://100.100.100.200/", "100.100.100.200"),
        ("http://168.63.129.16/", "168.63.129.16"),
    ],
)
def test_addresses_of_the_link_are_not_called(url: str, address: str) -> None:
    with pytest.raises(LinkLocalError) as caught:
        one_reply("GET", url, 20, link_local=False)

    assert ipaddress.ip_address(caught.value.address) == ipaddress.ip_address(address)


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.1", "2001:db8::a9fe:a9fe", "::1"])
def test_other_addresses_are_none_of_the_link(address: str) -> None:
    assert not is_link_local(address)


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("http://no-such-host.invalid/", httpx.ConnectError),
        ("http://127.0.0.1:1/", httpx.ConnectError),
        ("http://0251.0376.0251.0376/", httpx.InvalidURL),  # 169.254.169.254, in octal
        ("http://[", httpx.ConnectError),
    ],
)
def test_what_cannot_be_reached_is_told_as_that(url: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        one_reply("GET", url, 20, link_local=False)


Resolve = Callable[..., None]


@pytest.fixture
def resolve(monkeypatch: pytest.MonkeyPatch) -> Resolve:
    """Let `hook.example` have other addresses each time that it is asked for."""
    real = socket.getaddrinfo

    def set_up(*answers: list[str]) -> None:
        left = list(answers)

        def getaddrinfo(host: Any, port: Any, *more: Any, **other: Any) -> list[Any]:
            if host not in ("hook.example", b"hook.example"):
                return real(host, port, *more, **other)
            return [found for each in left.pop(0) for found in real(each, port, *more, **other)]

        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)

    return set_up


def test_a_name_is_resolved_once_and_what_was_checked_is_called(
    serve: Serve, resolve: Resolve
) -> None:
    heard: list[bytes] = []

    def keep(connection: socket.socket) -> None:
        heard.append(connection.recv(65536))
        connection.sendall(HEAD + b"Content-Length: 2\r\n\r\nok")

    port = serve(keep, read=False).rpartition(":")[2]
    resolve(["127.0.0.1"], ["169.254.169.254"])

    assert one_reply("GET", f"http://hook.example:{port}", 20, link_local=False).text == "ok"
    assert b"\r\nHost: hook.example:" + port.rstrip("/").encode() + b"\r\n" in heard[0]
    with pytest.raises(LinkLocalError):
        one_reply("GET", f"http://hook.example:{port}", 20, link_local=False)


def test_all_addresses_of_a_name_are_checked_and_tried(serve: Serve, resolve: Resolve) -> None:
    port = serve(lambda to: to.sendall(HEAD + b"Content-Length: 2\r\n\r\nok")).rpartition(":")[2]
    resolve(["127.0.0.1", "fd00:ec2::254"], ["127.0.0.2", "127.0.0.1"])

    with pytest.raises(LinkLocalError):
        one_reply("GET", f"http://hook.example:{port}", 20, link_local=False)
    assert one_reply("GET", f"http://hook.example:{port}", 20, link_local=False).text == "ok"


@pytest.mark.skipif(shutil.which("openssl") is None, reason="it makes the certificate")
@pytest.mark.parametrize("name", ["hook.example", "other.example"])
def test_the_certificate_is_that_of_the_name_and_not_of_its_address(
    name: str, serve: Serve, resolve: Resolve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, certificate = str(tmp_path / "key.pem"), str(tmp_path / "certificate.pem")
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    what = ["-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}", "-days", "2"]
    files = ["-keyout", key, "-out", certificate]
    subprocess.run(
        ["openssl", "req", "-x509", *kind, *what, *files], check=True, capture_output=True
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    asked: list[str | None] = []
    context.sni_callback = lambda _, server, __: asked.append(server)
    monkeypatch.setenv("SSL_CERT_FILE", certificate)
    resolve(["127.0.0.1"])

    def answer(connection: socket.socket) -> None:
        with suppress(ssl.SSLError), context.wrap_socket(connection, server_side=True) as secure:
            secure.recv(65536)
            secure.sendall(HEAD + b"Content-Length: 2\r\n\r\nok")

    url = serve(answer, read=False).replace("http://127.0.0.1", "https://hook.example")
    if name == "hook.example":
        assert one_reply("GET", url, 20, link_local=False).text == "ok"
    else:
        with pytest.raises(httpx.ConnectError, match=r"not valid for 'hook\.example'"):
            one_reply("GET", url, 20, link_local=False)
    assert asked == ["hook.example"]


def test_a_proxy_is_asked_for_no_address_of_the_link(
    serve: Serve, resolve: Resolve, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[bytes] = []

    def keep(connection: socket.socket) -> None:
        heard.append(connection.recv(65536))
        connection.sendall(HEAD + b"Content-Length: 2\r\n\r\nok")

    monkeypatch.setenv("http_proxy", serve(keep, read=False))
    monkeypatch.setenv("no_proxy", "")
    resolve(["127.0.0.1"], ["169.254.169.254"])

    assert one_reply("GET", "http://hook.example/", 20, link_local=False).text == "ok"
    assert heard[0].startswith(b"GET http://hook.example/ HTTP/1.1\r\n")
    with pytest.raises(LinkLocalError):
        one_reply("GET", "http://hook.example/", 20, link_local=False)


@pytest.mark.parametrize("proxy", ["socks5://localhost:1", "::::", "nothing://localhost"])
@pytest.mark.parametrize("link_local", [True, False])
def test_a_proxy_that_cannot_be_used_is_wrong_input(
    proxy: str, link_local: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", proxy)
    monkeypatch.setenv("no_proxy", "")

    with pytest.raises(InputError, match="the proxy that the environment names cannot be used"):
        one_reply("GET", "https://hook.example/", 20, link_local=link_local)
