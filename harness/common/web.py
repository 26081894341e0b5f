"""Replies of servers, within a time and a size: another's server may trickle, or never end."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import os
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import httpx

CONNECT_SECONDS = 10.0
MAX_REPLY = 64 * 2**20  # bytes when unpacked: sixteen answers of the longest that checks read
# They said how the bytes came, which are unpacked now.
_OF_TRANSPORT = ("content-encoding", "content-length", "transfer-encoding")


class ReplyTooLarge(httpx.HTTPError):
    """A reply of more than the limit; nothing of it is kept."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"the reply is larger than {limit // 2**20} MiB")


async def reply_within(
    client: httpx.AsyncClient,
    method: str,
    url: str,
    seconds: float,
    *,
    limit: int = MAX_REPLY,
    **parts: Any,
) -> httpx.Response:
    """Return the whole reply: all of it within `seconds`, at most `limit` bytes when unpacked.

    httpx limits each read, and a server can send a byte at a time. Redirects are not followed.
    parts: more of the request, as httpx names it. Raises httpx.HTTPError.
    """
    timeout = httpx.Timeout(seconds, connect=min(CONNECT_SECONDS, seconds), pool=None)
    try:
        # Not asyncio.wait_for: before Python 3.12 it may return a result and lose a cancel.
        async with (
            asyncio.timeout(seconds),
            client.stream(method, url, timeout=timeout, follow_redirects=False, **parts) as reply,
        ):
            body = bytearray()
            async for piece in reply.aiter_bytes():
                body += piece
                if len(body) > limit:
                    raise ReplyTooLarge(limit)
            headers = [pair for pair in reply.headers.multi_items() if pair[0] not in _OF_TRANSPORT]
            return httpx.Response(
                reply.status_code, headers=headers, content=bytes(body), request=reply.request
            )
    except TimeoutError:
        raise httpx.ReadTimeout("") from None


def one_reply(
    method: str,
    url: str,
    seconds: float,
    *,
    limit: int = MAX_REPLY,
    settings: dict[str, Any] | None = None,
    **parts: Any,
) -> httpx.Response:
    """Return one reply as `reply_within` does, from any thread; `settings` are the client's."""

    async def received() -> httpx.Response:
        async with httpx.AsyncClient(**(settings or {})) as client:
            return await reply_within(client, method, url, seconds, limit=limit, **parts)

    # A thread of its own: the caller's may have an event loop, as a notebook's has.
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, received()).result()


def reason_of(error: BaseException) -> str:
    """Say why there is no reply: in the system's own words, where they stand behind the error."""
    said, cause = str(error) or type(error).__name__, error.__cause__ or error.__context__
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno and cause.errno in errno.errorcode:
            said = f"[Errno {cause.errno}] {os.strerror(cause.errno)}"
        cause = cause.__cause__ or cause.__context__
    return said


def link_local(url: str) -> str:
    """Return the address of a URL's host that only this link knows; empty where there is none.

    Clouds answer there with a machine's credentials: 169.254.169.254, fd00:ec2::254.
    """
    try:
        parts = urlsplit(url)
        found = socket.getaddrinfo(parts.hostname or "", parts.port or 80, type=socket.SOCK_STREAM)
    except (OSError, ValueError):
        return ""  # whoever calls it is told that it cannot be reached
    for *_, address in found:
        ip = ipaddress.ip_address(str(address[0]).partition("%")[0])
        plain = getattr(ip, "ipv4_mapped", None) or ip
        if plain.is_link_local or str(plain) in ("fd00:ec2::254", "100.100.100.200"):
            return str(ip)
    return ""
