"""Replicas with failures and stragglers: a discrete-event model beside processes that are killed.

    python -m bench.replica_simulation

Each replica starts, takes portions of what is left (remaining ÷ (2 × replicas)) and answers one
request after another. One that is killed gives back what it has not answered, and another starts
in its place. The measured side does the same with processes that sleep instead of generating.
Prints the table of docs/scale.md.
"""

from __future__ import annotations

import heapq
import multiprocessing
import os
import signal
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, wait


@dataclass(frozen=True, slots=True)
class World:
    """What happens: seconds of each request, replicas with their slowness, and kills.

    `slowness` multiplies a replica's seconds; `kills` are moments and replicas. `overhead` is what
    an answer costs beside its seconds; it is measured with one replica.
    """

    requests: tuple[float, ...]
    slowness: tuple[float, ...]
    start: float
    kills: tuple[tuple[float, int], ...] = ()
    overhead: float = 0.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """Seconds until the last answer, answers, and requests that ran twice."""

    seconds: float
    answered: int
    again: int


def portion(left: int, replicas: int) -> int:
    """Return how many requests a replica takes next."""
    return max(1, -(-left // (2 * replicas)))


@dataclass(slots=True)
class _Replica:
    """One place: its portion, and how many replicas stood there before (to drop stale events)."""

    work: deque[int] = field(default_factory=deque)
    life: int = 0
    idle: bool = False


def simulate(world: World) -> Outcome:
    """Run the model; time jumps from event to event."""
    left = deque(range(len(world.requests)))
    replicas = [_Replica() for _ in world.slowness]
    events: list[tuple[float, int, str, int, int]] = []  # time, order, what, replica, its life
    order = answered = again = 0
    now = last = 0.0

    def later(seconds: float, what: str, place: int) -> None:
        nonlocal order
        order += 1
        heapq.heappush(events, (now + seconds, order, what, place, replicas[place].life))

    def go_on(place: int) -> None:
        replica = replicas[place]
        if not replica.work:
            for _ in range(min(len(left), portion(len(left), len(replicas)))):
                replica.work.append(left.popleft())
        replica.idle = not replica.work
        if replica.work:
            seconds = world.requests[replica.work[0]] * world.slowness[place]
            later(seconds + world.overhead, "answer", place)

    for place in range(len(replicas)):
        later(world.start, "up", place)
    for moment, place in world.kills:
        later(moment, "kill", place)
    while events and answered < len(world.requests):
        now, _, what, place, life = heapq.heappop(events)
        replica = replicas[place]
        if what == "kill":
            again += bool(replica.work)  # the one at work is begun again
            left.extendleft(reversed(replica.work))
            replica.work.clear()
            replica.life, replica.idle = replica.life + 1, False
            later(world.start, "up", place)
            for other, each in enumerate(replicas):
                if each.idle:
                    go_on(other)
        elif life == replica.life:
            if what == "answer":
                replica.work.popleft()
                answered, last = answered + 1, now
            go_on(place)
    return Outcome(last, answered, again)


def _work(connection: Connection, start: float, slowness: float) -> None:
    """Sleep through portions, and say each answer."""
    time.sleep(start)
    connection.send(-1)
    while True:
        for number, seconds in connection.recv():
            time.sleep(seconds * slowness)
            connection.send(number)


def measure(world: World) -> Outcome:
    """Do the same with processes; a kill is SIGKILL."""
    context = multiprocessing.get_context("fork")
    left, done, again = deque(range(len(world.requests))), set[int](), 0
    kills = deque(sorted(world.kills))
    places: dict[Connection, int] = {}
    workers: dict[int, multiprocessing.process.BaseProcess] = {}
    held: dict[int, deque[int]] = {place: deque() for place in range(len(world.slowness))}
    idle: set[Connection] = set()

    def begin(place: int) -> None:
        mine, its = context.Pipe()
        worker = context.Process(
            target=_work, args=(its, world.start, world.slowness[place]), daemon=True
        )
        worker.start()
        its.close()
        places[mine], workers[place] = place, worker

    def hand_out(connection: Connection) -> None:
        place = places[connection]
        size = min(len(left), portion(len(left), len(world.slowness)))
        held[place].extend(left.popleft() for _ in range(size))
        if held[place]:
            idle.discard(connection)
            connection.send([(number, world.requests[number]) for number in held[place]])
        else:
            idle.add(connection)

    began = time.monotonic()
    last = 0.0
    for place in held:
        begin(place)
    try:
        while len(done) < len(world.requests):
            passed = time.monotonic() - began
            if kills and passed >= kills[0][0]:
                pid = workers[kills.popleft()[1]].pid
                assert pid is not None
                os.kill(pid, signal.SIGKILL)
            until = max(0.0, kills[0][0] - (time.monotonic() - began)) if kills else None
            for ready in wait(list(places), until):
                assert isinstance(ready, Connection)
                place = places[ready]
                try:
                    number = ready.recv()
                except (EOFError, ConnectionResetError):
                    del places[ready]
                    idle.discard(ready)
                    again += bool(held[place])
                    left.extendleft(reversed(held[place]))
                    held[place].clear()
                    begin(place)
                    for other in tuple(idle):
                        hand_out(other)
                    continue
                if number >= 0:
                    held[place].remove(number)
                    done.add(number)
                    last = time.monotonic() - began
                if not held[place]:
                    hand_out(ready)
    finally:
        for worker in workers.values():
            with suppress(ProcessLookupError):
                worker.kill()
            worker.join()
        for connection in places:
            connection.close()
    return Outcome(last, len(done), again)


def small_worlds() -> dict[str, World]:
    """Return what is measured as well: seconds of sleeping, so a busy machine changes little."""
    requests = tuple(0.02 + 0.03 * (number % 7) / 6 for number in range(200))
    return {
        "one replica": World(requests[:60], (1.0,), 0.3),
        "four": World(requests, (1.0,) * 4, 0.3),
        "four, one three times as slow": World(requests, (1.0, 1.0, 1.0, 3.0), 0.3),
        "four, one killed": World(requests, (1.0,) * 4, 0.3, ((0.9, 2),)),
        "four, one slow, two killed": World(
            requests, (1.0, 1.0, 1.0, 3.0), 0.3, ((0.7, 0), (1.1, 1))
        ),
    }


def calibrated(worlds: Mapping[str, World]) -> dict[str, World]:
    """Return the worlds with the overhead of an answer, as it is on this machine now."""
    alone = worlds["one replica"]
    late = measure(alone).seconds - simulate(alone).seconds
    return {
        name: replace(world, overhead=max(0.0, late) / len(alone.requests))
        for name, world in worlds.items()
    }


def large_worlds() -> dict[str, World]:
    """Return what is only simulated: 10^6 answers at 63 a second and replica, 20 s of start."""
    requests = (1 / 63,) * 1_000_000
    eight = (1.0,) * 8
    hourly = tuple((600.0 * (n + 1), n % 8) for n in range(3))
    return {
        "10⁶ on eight H200": World(requests, eight, 20.0),
        "the same, one at half speed": World(requests, (*eight[:7], 2.0), 20.0),
        "the same, one killed every ten minutes": World(requests, eight, 20.0, hourly),
    }


def main(arguments: Sequence[str] = ()) -> None:
    """Print both tables."""
    print("| | simulated, s | measured, s | ratio | begun again |")
    print("|---|---|---|---|---|")
    for name, world in calibrated(small_worlds()).items():
        model, real = simulate(world), measure(world)
        ratio = model.seconds / real.seconds
        print(
            f"| {name} | {model.seconds:.2f} | {real.seconds:.2f} | {ratio:.2f} "
            f"| {model.again} / {real.again} |",
            flush=True,
        )
    for name, world in large_worlds().items():
        print(f"| {name} | {simulate(world).seconds:,.0f} | – | – | – |", flush=True)


if __name__ == "__main__":
    main()
