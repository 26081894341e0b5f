"""Many requests to one server at the same time.

An event loop in a thread of its own sends them; whoever asked takes the answers as they come. When
nobody takes any more, what is in flight is cancelled: the connections close, and a server that
watches them stops generating.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any

import httpx

from harness.backends.openai.arguments import Endpoint
from harness.backends.openai.replies import (
    LONGEST_PROMISE,
    CallError,
    Faulty,
    Later,
    WebPage,
    back_off,
    headers,
    read_failure,
    read_reply,
)
from harness.common.web import CONNECT_SECONDS, Room, RoomShare, new_client, one_reply, reply_within

_JOIN_SECONDS = 5.0  # for connections to close after the last answer was taken


@dataclass(frozen=True, slots=True)
class Call:
    """One request: `path` follows the base URL; `number` is the caller's own; seconds of time."""

    number: int
    path: str
    body: Mapping[str, Any]
    timeout: float


@dataclass(frozen=True, slots=True)
class Reply:
    """What came of a call: `value` is the JSON object, or `error` says why there is none.

    `share`: what it holds of the room of all replies.
    """

    call: Call
    value: Mapping[str, Any] | None = None
    error: CallError | None = None
    seconds: float = 0.0
    share: RoomShare | None = None


class RequestPool:
    """Sends calls in order, so many at a time as the endpoint allows; iterate over it once."""

    def __init__(self, endpoint: Endpoint, calls: Sequence[Call]) -> None:
        self._endpoint = endpoint
        self._count = len(calls)
        self._waiting = iter(calls)
        self._arrived: SimpleQueue[Reply | BaseException] = SimpleQueue()
        self._open_at = 0.0
        self._room = Room()
        self._is_over = False  # nothing is left to cancel
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._work, daemon=True, name="openai")

    def __iter__(self) -> Iterator[Reply]:
        """Yield every reply as it arrives, in any order; end early after `stop`."""
        self._thread.start()
        for left in reversed(range(self._count)):
            arrived = self._arrived.get()
            if isinstance(arrived, BaseException):
                raise arrived
            self._is_over = not left
            yield arrived
            if arrived.share is not None:
                arrived.share.let_go()

    def stop(self) -> list[Reply]:
        """Cancel what is in flight; return what had arrived and was not taken."""
        if self._loop is not None and self._task is not None and not self._is_over:
            with suppress(RuntimeError):  # the loop may have ended by itself in the meantime
                self._loop.call_soon_threadsafe(self._task.cancel)
        self._is_over = True  # a second cancel would interrupt the closing of connections
        if self._thread.is_alive():
            self._thread.join(_JOIN_SECONDS)
        rest: list[Reply] = []
        while True:
            try:
                arrived = self._arrived.get_nowait()
            except Empty:
                return rest
            rest += [arrived] if isinstance(arrived, Reply) else []

    def _work(self) -> None:
        try:
            asyncio.run(self._send_all())
        except asyncio.CancelledError:
            pass
        except BaseException as error:  # a fault of ours must not leave the other thread waiting
            self._arrived.put(error)

    async def _send_all(self) -> None:
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        workers = min(self._endpoint.in_flight, self._count)
        client = new_client(
            headers=headers(self._endpoint),
            limits=httpx.Limits(max_connections=workers, max_keepalive_connections=workers),
            trust_env=not self._endpoint.is_local,  # proxies, where the environment names some
            verify=self._endpoint.certified,
        )
        async with client, asyncio.TaskGroup() as group:  # all end before the client is closed
            for _ in range(workers):
                group.create_task(self._work_off(client))

    async def _work_off(self, client: httpx.AsyncClient) -> None:
        for call in self._waiting:
            try:
                reply = await self._persist(client, call)
            except CallError as error:
                reply = Reply(call, error=error)
            self._arrived.put(reply)

    async def _persist(self, client: httpx.AsyncClient, call: Call) -> Reply:
        """Send a call, and again while that may help; the seconds are those of the last try.

        Where the server names the time to come back (`Retry-After`), every request waits for it.
        """
        for tries in range(1, self._endpoint.retries + 2):
            while (left := self._open_at - time.monotonic()) > 0:
                await asyncio.sleep(left)
            share = RoomShare(self._room)
            try:
                started = time.perf_counter()
                value = await self._send(client, call, share)
                return Reply(call, value, seconds=time.perf_counter() - started, share=share)
            except CallError:
                share.let_go()
                raise
            except Later as later:
                share.let_go()
                if tries > self._endpoint.retries:
                    raise later.error from None
                wait = back_off(tries)
                if later.wait is not None:
                    wait = later.wait
                    if wait > LONGEST_PROMISE:
                        told = f"it asks to come back in {wait:.0f} s"
                        raise Faulty(f"{later.error}; {told}") from None
                    self._open_at = max(self._open_at, time.monotonic() + wait)
            await asyncio.sleep(wait)
        raise AssertionError("unreachable")

    async def _send(
        self, client: httpx.AsyncClient, call: Call, share: RoomShare
    ) -> Mapping[str, Any]:
        try:
            reply = await reply_within(
                client,
                "POST",
                self._endpoint.url + call.path,
                call.timeout,
                share=share,
                content=json.dumps(call.body),  # escapes all but ASCII, lone surrogates too
                headers={"Content-Type": "application/json"},
            )
        except httpx.HTTPError as error:
            raise read_failure(error, self._endpoint, call.timeout) from None
        return read_reply(reply, self._endpoint)


def fetch(endpoint: Endpoint, url: str) -> dict[str, Any]:
    """Return the JSON object at a URL; raise a `CallError`. A busy server is asked three times."""
    client = {
        "headers": headers(endpoint),
        "trust_env": not endpoint.is_local,
        "verify": endpoint.certified,
    }
    for tries in (1, 2, 3):
        try:
            return read_reply(one_reply("GET", url, CONNECT_SECONDS, settings=client), endpoint)
        except httpx.HTTPError as error:
            failure = read_failure(error, endpoint, CONNECT_SECONDS)
            raise failure.error if isinstance(failure, Later) else failure from None
        except Later as later:
            wait = back_off(tries) if later.wait is None else later.wait
            if tries == 3 or wait > CONNECT_SECONDS or isinstance(later.error, WebPage):
                raise later.error from None
            time.sleep(wait)
    raise AssertionError("unreachable")
