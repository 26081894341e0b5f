"""Replies of servers, within a time and a size: another's server may trickle, or never end."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import os
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any
from urllib.request import getproxies, proxy_bypass

import httpx

from harness.common.errors import InputError, Problem

CONNECT_SECONDS = 10.0
MAX_REPLY = 64 * 2**20  # bytes when unpacked: sixteen answers of the longest that checks read
ROOM = 32 * 2**20  # bytes that the replies of one client hold together, but for one large reply
_LOOKS = 0.05  # seconds between two looks whether there is room again
# They said how the bytes came, which are unpacked now.
_OF_TRANSPORT = ("content-encoding", "content-length", "transfer-encoding")


class Room:
    """Bytes that many replies may hold together: 64 at once of 64 MiB each would be 4 GiB.

    Where nothing is left, one reply goes on alone, and the others wait until it was let go.
    """

    def __init__(self, size: int = ROOM) -> None:
        self._left = size
        self._alone: RoomShare | None = None
        self._lock = threading.Lock()  # replies arrive in one thread and are used in another

    def take(self, share: RoomShare, size: int) -> None:
        """Count more bytes of a reply; a negative size gives them back."""
        with self._lock:
            self._left -= size
            if size < 0 and self._alone is share:
                self._alone = None

    def has_room(self, share: RoomShare) -> bool:
        """Return whether this reply may go on."""
        with self._lock:
            if self._left < 0 and self._alone is None:
                self._alone = share
            return self._left >= 0 or self._alone is share


class RoomShare:
    """What one reply holds of a room, from its first byte until it was used."""

    def __init__(self, room: Room) -> None:
        self._room, self._size = room, 0

    async def grow(self, more: int) -> None:
        """Count bytes that have arrived, and wait where the room is full."""
        self._size += more
        self._room.take(self, more)
        while not self._room.has_room(self):
            await asyncio.sleep(_LOOKS)

    def let_go(self) -> None:
        """Give all back; a second time nothing is left to give."""
        size, self._size = self._size, 0
        self._room.take(self, -size)


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
    share: RoomShare | None = None,
    **parts: Any,
) -> httpx.Response:
    """Return the whole reply: all of it within `seconds`, at most `limit` bytes when unpacked.

    httpx limits each read, and a server can send a byte at a time. Redirects are not followed.
    share: of the room of all replies that arrive together; the caller lets go of it. parts: more of
    the request, as httpx names it. Raises httpx.HTTPError.
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
                if share is not None:
                    await share.grow(len(piece))
            headers = [pair for pair in reply.headers.multi_items() if pair[0] not in _OF_TRANSPORT]
            return httpx.Response(
                reply.status_code, headers=headers, content=bytes(body), request=reply.request
            )
    except TimeoutError:
        raise httpx.ReadTimeout("") from None


def new_client(guarded: httpx.URL | None = None, **settings: Any) -> httpx.AsyncClient:
    """Return a client; raises InputError for a proxy of the environment that cannot be used.

    guarded: the URL that is called, and may have no address of the link. settings: as httpx names
    them.
    """
    try:
        return httpx.AsyncClient(transport=checked(guarded) if guarded else None, **settings)
    except (ImportError, httpx.InvalidURL, ValueError) as error:  # ImportError: SOCKS
        message = "the proxy that the environment names cannot be used"
        hint = "correct or unset HTTP_PROXY, HTTPS_PROXY or ALL_PROXY"
        raise InputError(Problem(message, found=str(error), hint=hint)) from error


def one_reply(
    method: str,
    url: str,
    seconds: float,
    *,
    limit: int = MAX_REPLY,
    settings: dict[str, Any] | None = None,
    link_local: bool = True,
    **parts: Any,
) -> httpx.Response:
    """Return one reply as `reply_within` does, from any thread; `settings` are the client's.

    link_local: whether an address may be called that only this link knows. Raises LinkLocalError,
    and InputError as `new_client` does.
    """

    async def received() -> httpx.Response:
        guarded = None if link_local else httpx.URL(url)
        async with new_client(guarded, **(settings or {})) as client:
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


# -- addresses that a webhook may not have ---------------------------------------------------------

# Where clouds answer with a machine's credentials, besides the addresses of the link.
_METADATA = ("fd00:ec2::254", "100.100.100.200", "168.63.129.16", "192.0.0.192")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class LinkLocalError(httpx.HTTPError):
    """A host with an address that only this link knows; nothing was sent to it."""

    def __init__(self, address: str) -> None:
        super().__init__(f"{address} is an address of this link alone")
        self.address = address


def is_link_local(address: str) -> bool:
    """Return whether only this link knows an address, or one of version 4 that it stands for.

    Clouds answer there with a machine's credentials: 169.254.169.254, fd00:ec2::254.
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    meant: list[ipaddress.IPv4Address | ipaddress.IPv6Address | None] = [ip]
    if isinstance(ip, ipaddress.IPv6Address):
        meant += [ip.ipv4_mapped, ip.sixtofour]
        if ip in _NAT64 or int(ip) >> 32 == 0:
            meant.append(ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF))
    return any(each and (each.is_link_local or str(each) in _METADATA) for each in meant)


async def _addresses(url: httpx.URL) -> list[str]:
    """Return the addresses of a URL's host; raises LinkLocalError, httpx.ConnectError."""
    port = url.port or (443 if url.scheme == "https" else 80)
    try:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(url.raw_host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise httpx.ConnectError(str(error)) from error
    addresses = list(dict.fromkeys(str(each[4][0]) for each in found))
    for address in addresses:
        if is_link_local(address):
            raise LinkLocalError(address)
    return addresses


class CheckedTransport(httpx.AsyncBaseTransport):
    """Connect to no address that only this link knows.

    A name is resolved once, and what was checked is what is connected to: whoever owns the name may
    answer otherwise the second time. Host header, SNI and the certificate stay the name's.
    """

    def __init__(self) -> None:
        self._inner = httpx.AsyncHTTPTransport()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request to the first address that takes the connection."""
        addresses = await _addresses(request.url)
        limits = dict(request.extensions["timeout"])
        limits["connect"] /= len(addresses)  # the first may lead nowhere
        name = {"timeout": limits, "sni_hostname": request.url.raw_host.decode("ascii")}
        for number, address in enumerate(addresses, start=1):
            there = httpx.Request(
                request.method,
                request.url.copy_with(host=address),
                headers=request.headers,  # with the Host of the name
                stream=request.stream,
                extensions={**request.extensions, **name},
            )
            try:
                return await self._inner.handle_async_request(there)
            except (httpx.ConnectError, httpx.ConnectTimeout):  # nothing was sent
                if number == len(addresses):
                    raise
        raise httpx.ConnectError("the name has no address")

    async def aclose(self) -> None:
        """Close all connections."""
        await self._inner.aclose()


class CheckedProxy(httpx.AsyncHTTPTransport):
    """Ask a proxy for no host that has such an address here; the proxy resolves it again."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request through the proxy, which may know names that are unknown here."""
        with suppress(httpx.ConnectError):
            await _addresses(request.url)
        return await super().handle_async_request(request)


def checked(url: httpx.URL) -> httpx.AsyncBaseTransport:
    """Return a transport that sends to no address of the link, through a proxy if there is one.

    Given a transport, httpx does not look for the proxy of the environment: it is found here.
    """
    proxies = getproxies()
    proxy = proxies.get(url.scheme) or proxies.get("all")
    if not proxy or proxy_bypass(url.host):
        return CheckedTransport()
    return CheckedProxy(proxy=proxy if "://" in proxy else f"http://{proxy}")
