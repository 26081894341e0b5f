"""Replies of servers that trickle, flood, unpack to more than they are, or point elsewhere."""

from __future__ import annotations

import asyncio
import gzip
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import httpx
import pytest

from harness.common.web import ReplyTooLarge, Room, RoomShare, link_local, one_reply, reply_within

HEAD = b"HTTP/1.1 200 OK\r\n"
Send = Callable[[socket.socket], None]
Serve = Callable[[Send], str]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serve one connection by what a test writes into it; return the URL."""
    listeners: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def start(send: Send) -> str:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def answer() -> None:
            with suppress(OSError):
                connection, _ = listener.accept()
                with connection:
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
        ("http://0251.0376.0251.0376/", "169.254.169.254"),
        ("http://169.254.43518/", "169.254.169.254"),
        ("http://user:secret@169.254.169.254:80/", "169.254.169.254"),
        ("http://100.100.100.200/", "100.100.100.200"),
        ("http://168.63.129.16/", "168.63.129.16"),
        ("http://[2001:db8::a9fe:a9fe]/", ""),
        ("http://127.0.0.1:8000/", ""),
        ("http://[", ""),
        ("http://no-such-host.invalid/", ""),
    ],
)
def test_addresses_of_the_link_are_known(url: str, address: str) -> None:
    assert link_local(url) == address
