"""Who is given what next: pure, and told when something happens.

Requests lie in groups, one for each model and adapter, prompts that begin alike together and long
ones first. A replica takes small portions that shrink as the work does, in proportion to how fast
it was so far, and stays in its group. When nothing is left, an idle replica takes over a part of
what the slowest one still has; the first answer counts. So a slow replica holds nobody up.

What a lost replica had is asked again in halves or smaller shares, after all other work: so a
request that kills replicas is soon alone, and is given up when it has cost as many as are allowed.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from harness.backends.base import Request, common_prefix

FIRST = 64  # requests of a replica's first portion: nobody knows yet how fast it is
LEAST, MOST = 16, 1024  # of the others; an engine batches what it is given
ALIKE = 0.5  # prompts that begin with this share of the shorter one in common stay together
WORTH_TAKING = 5.0  # seconds that a slow replica must still need before others ask the same
FASTER = 2.0  # times sooner that an idle replica would have done it

Group = tuple[str, str]  # model and adapter


@dataclass
class _Hand:
    """What one replica has and has done. Times are in seconds, on the caller's clock."""

    group: Group | None = None
    open: dict[str, Request] = field(default_factory=dict)
    given: float = 0.0  # when its portion was handed over
    last: float | None = None  # when it last answered or was handed a portion, once it has loaded
    answers: int = 0
    busy: float = 0.0
    awaits: bool = False  # the first answer of its portion, once it has loaded
    wait: float | None = None  # the shortest time from a portion to its first answer

    @property
    def rate(self) -> float | None:
        """Return answers per second; None while that is not known."""
        return self.answers / self.busy if self.answers and self.busy > 0 else None


def ordered(requests: Iterable[Request]) -> list[Request]:
    """Return requests of one group: prompts that begin alike together, those with long ones first.

    Long ones first: what takes longest must not be begun last.
    """
    by_tokens = sorted(requests, key=lambda request: request.prompt.token_ids or ())
    runs: list[list[Request]] = [by_tokens[:1]] if by_tokens else []
    for before, request in pairwise(by_tokens):
        one, other = before.prompt.token_ids or (), request.prompt.token_ids or ()
        shared = common_prefix(one, other)
        if shared and shared >= ALIKE * min(len(one), len(other)):
            runs[-1].append(request)
        else:
            runs.append([request])

    def length(run: Sequence[Request]) -> int:
        return max(each.prompt.tokens + each.sampling.max_new_tokens for each in run)

    runs.sort(key=length, reverse=True)
    return [request for run in runs for request in run]


class Portions:
    """The work of one call of `generate`, shared out among replicas known by their numbers."""

    def __init__(self, requests: Iterable[Request], replicas: int, deaths: int) -> None:
        self._replicas, self._most_deaths = max(1, replicas), deaths
        groups: dict[Group, list[Request]] = {}
        for request in requests:
            key = (request.variant.model, request.variant.adapter or "")
            groups.setdefault(key, []).append(request)
        self._groups = {key: deque(ordered(some)) for key, some in groups.items()}
        self._suspects: deque[list[Request]] = deque()
        self._deaths: dict[str, int] = {}
        self._hands: dict[int, _Hand] = {}
        self._open = {request.key for some in groups.values() for request in some}

    @property
    def is_done(self) -> bool:
        """Return whether every request is answered, or given up."""
        return not self._open

    def is_at_work(self, replica: int) -> bool:
        """Return whether a replica has been given what it has not answered."""
        return replica in self._hands and bool(self._hands[replica].open)

    def take(self, replica: int, now: float) -> list[Request]:
        """Return the next portion of an idle replica; empty where it has to wait."""
        hand = self._hands.setdefault(replica, _Hand())
        portion = self._next(hand) or self._suspect(hand) or self._of_the_slowest(replica, now)
        if portion:
            hand.open = {request.key: request for request in portion}
            hand.given = now
            hand.last = now if hand.answers else None
            hand.awaits = hand.answers > 0
        return portion

    def answered(self, replica: int, key: str, now: float) -> bool:
        """Note an answer; return whether it is the first one to this request."""
        hand = self._hands.setdefault(replica, _Hand())
        hand.open.pop(key, None)
        # What passed before its first answer was spent on loading.
        if hand.last is not None:
            hand.busy += now - hand.last
            hand.answers += 1
            if hand.awaits:
                hand.wait = min(now - hand.given, hand.wait or math.inf)
        hand.awaits = False
        hand.last = now
        if hand.answers == 0:
            hand.answers, hand.busy = 1, hand.busy + 1e-3
        is_first = key in self._open
        self._open.discard(key)
        return is_first

    def finished(self, replica: int) -> list[Request]:
        """Note the end of a portion; return what got no answer, and gets none any more."""
        unanswered = self._drop(replica)
        self._open.difference_update(request.key for request in unanswered)
        return unanswered

    def returned(self, replica: int) -> None:
        """Take back what a replica has not answered, and blame nobody."""
        if back := self._drop(replica):
            for request in reversed(back):
                key = (request.variant.model, request.variant.adapter or "")
                self._groups[key].appendleft(request)
        self._hands.pop(replica, None)

    def lost(self, replica: int) -> list[tuple[Request, int]]:
        """Take back what a dead replica has not answered.

        Return what is given up, with how many replicas have died over it.
        """
        size = len(self._hands[replica].open) if replica in self._hands else 0
        back = self._drop(replica)
        self._hands.pop(replica, None)
        for request in back:
            self._deaths[request.key] = self._deaths.get(request.key, 0) + 1
        if size == 1 and back and self._deaths[back[0].key] >= self._most_deaths:
            self._open.discard(back[0].key)
            return [(back[0], self._deaths[back[0].key])]
        half = math.ceil(len(back) / 2)
        self._suspects.extend(part for part in (back[:half], back[half:]) if part)
        return []

    def _drop(self, replica: int) -> list[Request]:
        """Return what this replica alone still has, and let it have nothing."""
        hand = self._hands.get(replica)
        if hand is None:
            return []
        elsewhere = {
            key for number, other in self._hands.items() if number != replica for key in other.open
        }
        found = [
            request
            for key, request in hand.open.items()
            if key in self._open and key not in elsewhere
        ]
        hand.open = {}
        return found

    def _next(self, hand: _Hand) -> list[Request]:
        """Return a portion of the replica's own group, else of the one with the most left."""
        filled = {key: len(group) for key, group in self._groups.items() if group}
        if not filled:
            return []
        if hand.group not in filled:
            model = hand.group[0] if hand.group else ""
            hand.group = max(filled, key=lambda key: (key[0] == model, filled[key]))
        size, worth = self._size(hand, sum(filled.values()), LEAST)
        assert hand.group is not None
        group = self._groups[hand.group]
        if len(group) - size < worth / 2:  # not worth a portion of its own
            size = len(group)
        return [group.popleft() for _ in range(min(size, len(group)))]

    def _suspect(self, hand: _Hand) -> list[Request]:
        """Return a share of what a dead replica had, and no more: nobody takes it over."""
        left = sum(map(len, self._suspects))
        while self._suspects:
            portion = [each for each in self._suspects.popleft() if each.key in self._open]
            size, _ = self._size(hand, left, least=1)
            if len(portion) > size:
                self._suspects.appendleft(portion[size:])
            if portion:
                return portion[:size]
        return []

    def _size(self, hand: _Hand, left: int, least: int) -> tuple[int, int]:
        """Return the size of a portion, and what the engine answers while its first is awaited."""
        rates = [other.rate for other in self._hands.values() if other.rate]
        share = 1 / self._replicas
        if hand.rate and rates:
            unknown = max(0, self._replicas - len(rates)) * sum(rates) / len(rates)
            share = hand.rate / (sum(rates) + unknown)
        size = math.ceil(left * share / 2)
        # An engine that answers many at once takes as long for a few of them: no fewer than it
        # answers while its first answer is awaited. A slow one leaves the last ones to others.
        worth = math.ceil((hand.rate or 0.0) * (hand.wait or 0.0))
        size = max(size, min(worth, math.ceil(left * min(1.0, share * self._replicas))))
        size = max(least, min(MOST, size))
        if hand.rate is None:
            size = min(size, FIRST)
        return size, worth

    def _of_the_slowest(self, replica: int, now: float) -> list[Request]:
        """Return a part of what another replica would need much longer for than this one."""
        hand, best, longest = self._hands[replica], [], WORTH_TAKING
        if hand.rate is None:
            return []
        held = Counter(key for other in self._hands.values() for key in other.open)
        for number, other in self._hands.items():
            alone = [r for k, r in other.open.items() if k in self._open and held[k] == 1]
            # Nothing that may have killed a replica is asked twice at once.
            alone = [request for request in alone if request.key not in self._deaths]
            if number == replica or not alone or now - other.given < WORTH_TAKING:
                continue
            needed = len(alone) / other.rate if other.rate else math.inf
            part = alone if other.rate is None else alone[len(alone) // 2 :]
            if needed > longest and needed > FASTER * len(part) / hand.rate:
                best, longest = part, needed
        return best
