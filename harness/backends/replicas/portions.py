"""Who is given what next: pure, and told when something happens.

Requests lie in groups, one for each model and adapter, prompts that begin alike together and long
ones first. A replica takes portions that shrink as the work does (guided self-scheduling): half of
its share of all that is to be done, in proportion to how fast it was so far; and stays in its
group. It is given the next one while it still has twice as many requests as it works on at once: an
engine that batches never runs empty. When nothing is left, an idle replica takes over a part of
what the slowest one still has; the first answer counts. So a slow replica holds nobody up.

What a lost replica had is asked again after all other work. That over which a second one dies is
asked in halves or smaller shares, with nothing beside it: so a request that kills replicas is soon
alone, and is given up when it has cost as many as are allowed.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from harness.backends.base import Request, common_prefix

# Requests of a portion, where there are so many: an engine that batches takes as many steps for a
# few. Nor is the first one smaller: what a slow replica has is taken over where others are idle.
LEAST, MOST = 256, 1024
ALIKE = 0.5  # prompts that begin with this share of the shorter one in common stay together
REMEMBERED = 8  # answers of earlier work that a replica is judged by
WORTH_TAKING = 5.0  # seconds that a slow replica must still need before others ask the same
AHEAD = 2.0  # times as many requests as a replica works on at once are in its hands
FASTER = 2.0  # times sooner that an idle replica would have done it

Group = tuple[str, str]  # model and adapter


@dataclass
class Pace:
    """How one replica has worked so far, in seconds; it outlasts the work of one call.

    `busy` is when it had work, without what it took to load; `worked` adds up what it worked on
    each answer, so that together they say on how many it works at once.
    """

    answers: float = 0.0
    busy: float = 0.0
    worked: float = 0.0

    @property
    def rate(self) -> float | None:
        """Return answers per second; None while that is not known."""
        return self.answers / self.busy if self.busy > 0 else None

    @property
    def together(self) -> float:
        """Return how many requests it works on at once; at least 1, where nobody says."""
        return max(1.0, self.worked / self.busy) if self.busy > 0 else 1.0

    def fade(self) -> None:
        """Let what it has done weigh no more than a few answers: other work may be slower."""
        weight = min(1.0, REMEMBERED / max(1.0, self.answers))
        self.answers *= weight
        self.busy *= weight
        self.worked *= weight


@dataclass
class _Hand:
    """What one replica has. Times are in seconds, on the caller's clock."""

    pace: Pace
    group: Group | None = None
    open: dict[str, Request] = field(default_factory=dict)
    given: float = 0.0  # when it was last handed a portion
    last: float | None = None  # up to when its pace is known; None while it loads
    is_suspected: bool = False  # what it has may have killed another one

    def begun(self, now: float, fastest: float) -> float:
        """Return how many answers' work it has done, as it seems, since its last answer.

        One that has not answered since it was given a portion works as the fastest one, for all
        that anybody knows: engines that begin together answer together.
        """
        if self.last is None or self.last <= self.given:
            return fastest * (now - self.given)
        return (self.pace.rate or 0.0) * (now - self.last)


def group_of(request: Request) -> Group:
    """Return whose answers this one belongs to."""
    return request.variant.model, request.variant.adapter or ""


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
    """The work of one call of `serve`, shared out among replicas known by their numbers.

    `paces`: those of replicas that have worked before, kept up to date.
    """

    def __init__(
        self,
        requests: Iterable[Request],
        replicas: int,
        deaths: int,
        paces: dict[int, Pace] | None = None,
    ) -> None:
        self._replicas, self._most_deaths = max(1, replicas), deaths
        self._paces = {} if paces is None else paces
        for pace in self._paces.values():
            pace.fade()
        self._groups: dict[Group, deque[Request]] = {}
        self._suspects: deque[list[Request]] = deque()
        self._deaths: dict[str, int] = {}
        self._hands: dict[int, _Hand] = {}
        self._open: set[str] = set()
        self.add(requests)

    def add(self, requests: Iterable[Request]) -> None:
        """Take more to be shared out, after what is left."""
        groups: dict[Group, list[Request]] = {}
        for request in requests:
            groups.setdefault(group_of(request), []).append(request)
        for key, some in groups.items():
            self._groups.setdefault(key, deque()).extend(ordered(some))
            self._open.update(request.key for request in some)

    @property
    def is_done(self) -> bool:
        """Return whether every request is answered, or given up."""
        return not self._open

    def is_at_work(self, replica: int) -> bool:
        """Return whether a replica has been given what it has not answered."""
        return replica in self._hands and bool(self._hands[replica].open)

    def take(self, replica: int, now: float) -> list[Request]:
        """Return the next portion of a replica; empty where it has enough, or has to wait."""
        hand = self._hand(replica)
        if hand.open:
            if hand.is_suspected or len(hand.open) >= max(LEAST, AHEAD * hand.pace.together):
                return []
            portion = self._next(hand, now)
        else:
            hand.is_suspected = False
            portion = (
                self._next(hand, now)
                or self._suspect(hand, now)
                or self._of_the_slowest(replica, now)
            )
            hand.last = now if hand.pace.answers else None
        if portion:
            hand.open |= {request.key: request for request in portion}
            hand.given = now
        return portion

    def answered(self, replica: int, key: str, now: float, seconds: float = 0.0) -> bool:
        """Note an answer that was worked on for so long; return whether it is the first one."""
        hand = self._hand(replica)
        hand.open.pop(key, None)
        # What passed before its first answer was begun was spent on loading.
        since = now - seconds if hand.last is None else hand.last
        hand.pace.busy += now - since
        hand.pace.answers += 1
        hand.pace.worked += seconds
        hand.last = now
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
                self._groups[group_of(request)].appendleft(request)
        self._forget(replica)

    def lost(self, replica: int) -> list[tuple[Request, int]]:
        """Take back what a dead replica has not answered.

        Return what is given up, with how many replicas have died over it.
        """
        size = len(self._hands[replica].open) if replica in self._hands else 0
        back = self._drop(replica)
        self._forget(replica)
        for request in back:
            self._deaths[request.key] = self._deaths.get(request.key, 0) + 1
        if size == 1 and back and self._deaths[back[0].key] >= self._most_deaths:
            self._open.discard(back[0].key)
            return [(back[0], self._deaths[back[0].key])]
        # The first time it was most likely the machine's doing: as all other work, but after it.
        for request in back:
            if self._deaths[request.key] == 1:
                self._groups[group_of(request)].append(request)
        twice = [request for request in back if self._deaths[request.key] > 1]
        half = math.ceil(len(twice) / 2)
        self._suspects.extend(part for part in (twice[:half], twice[half:]) if part)
        return []

    def _hand(self, replica: int) -> _Hand:
        """Return what a replica has, whose pace may be known."""
        if replica not in self._hands:
            self._hands[replica] = _Hand(self._paces.setdefault(replica, Pace()))
        return self._hands[replica]

    def _forget(self, replica: int) -> None:
        """Forget one that is gone: who takes its place has to load first."""
        self._hands.pop(replica, None)
        self._paces.pop(replica, None)

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

    def _next(self, hand: _Hand, now: float) -> list[Request]:
        """Return a portion of the replica's own group, else of the one with the most left."""
        filled = {key: len(group) for key, group in self._groups.items() if group}
        if not filled:
            return []
        if hand.group not in filled:
            model = hand.group[0] if hand.group else ""
            hand.group = max(filled, key=lambda key: (key[0] == model, filled[key]))
        group = self._groups[hand.group]
        size = self._size(hand, sum(filled.values()), now)
        return [group.popleft() for _ in range(min(size, len(group)))]

    def _suspect(self, hand: _Hand, now: float) -> list[Request]:
        """Return a share of what two have died over, and no more: nobody takes it over."""
        left = sum(map(len, self._suspects))
        while self._suspects:
            portion = [each for each in self._suspects.popleft() if each.key in self._open]
            if not portion:
                continue
            size = self._size(hand, left, now, is_suspected=True)
            if len(portion) > size:
                self._suspects.appendleft(portion[size:])
            hand.is_suspected = True
            return portion[:size]
        return []

    def _size(self, hand: _Hand, left: int, now: float, *, is_suspected: bool = False) -> int:
        """Return how many of what is left a replica is given; 0 where it has enough."""
        rates = [pace.rate for pace in self._paces.values() if pace.rate]
        share = 1 / self._replicas  # also of a fast one: it comes back the sooner
        if hand.pace.rate:
            unknown = max(0, self._replicas - len(rates)) * sum(rates) / len(rates)
            share = min(share, hand.pace.rate / (sum(rates) + unknown))
        fastest = max(rates, default=0.0)
        ahead = (max(0.0, len(one.open) - one.begun(now, fastest)) for one in self._hands.values())
        to_do = left + sum(ahead)
        # Of what is not handed out yet, where nobody knows how fast it is, or that it survives it.
        of = left if is_suspected or not hand.pace.rate else to_do
        size = max(LEAST, math.ceil(hand.pace.together), math.ceil(of * share / 2))
        # No more than its share of all that is to be done: a slow one leaves the last to others.
        # But while others load, which may take long, its engine is kept as full as it was.
        most = math.ceil(to_do * share)
        if len(rates) < self._replicas:
            most = max(most, math.ceil(hand.pace.together))
        return max(0, min(size, MOST, most - len(hand.open)))

    def _of_the_slowest(self, replica: int, now: float) -> list[Request]:
        """Return a part of what another replica would need much longer for than this one."""
        hand, best, longest = self._hands[replica], [], WORTH_TAKING
        if hand.pace.rate is None:
            return []
        held = Counter(key for other in self._hands.values() for key in other.open)
        for number, other in self._hands.items():
            alone = [r for k, r in other.open.items() if k in self._open and held[k] == 1]
            # Nothing over which two have died is asked twice at once.
            alone = [request for request in alone if self._deaths.get(request.key, 0) < 2]
            if number == replica or not alone or now - other.given < WORTH_TAKING:
                continue
            needed = len(alone) / other.pace.rate if other.pace.rate else math.inf
            part = alone if other.pace.rate is None else alone[len(alone) // 2 :]
            if needed > longest and needed > FASTER * len(part) / hand.pace.rate:
                best, longest = part, needed
        return best
