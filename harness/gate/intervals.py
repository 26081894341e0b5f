"""Intervals for a pass rate and for a difference of paired items; they know of clusters."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from harness.gate.paired_tests import Floats, Ints, group_sums

LEVEL = 0.95
MANY_CLUSTERS = 50  # from here on a cluster-robust error needs no small-sample correction


def normal_quantile(share: float) -> float:
    """The standard normal's quantile.

    Not scipy's: importing it takes a third of a second, and many runs need no more than this.
    """
    return NormalDist().inv_cdf(share)


def t_quantile(share: float, freedom: int) -> float:
    """Student's quantile."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, share))


def wilson(passed: float, n: float, level: float = LEVEL) -> tuple[float, float]:
    """Wilson's interval for a rate; (0, 1) without items.

    `passed` may be a sum of shares (repeats): the interval is then a little too wide, as shares
    vary less than zeros and ones. Source: Wilson (1927), JASA 22, 209-212.
    """
    if n <= 0:
        return 0.0, 1.0
    z = normal_quantile((1 + level) / 2)
    rate = passed / n
    centre = (rate + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def rate_interval(shares: Floats, groups: Ints) -> tuple[float, float]:
    """Wilson's interval at the effective number of items: n / design effect.

    The design effect compares the cluster-robust variance of the mean (Miller 2024,
    arXiv:2411.00640) with that of independent items; it is 1 where it would be smaller.
    """
    n = shares.size
    off = shares - (shares.mean() if n else 0.0)
    alone = float((off**2).sum())
    together = float((group_sums(off, groups) ** 2).sum())
    effect = max(1.0, together / alone) if alone > 0 else 1.0
    return wilson(float(shares.sum()) / effect, n / effect)


@dataclass(frozen=True, slots=True)
class Spread:
    """A mean difference with what is needed to bound it.

    `centre` is pulled a little towards 0 and `error` is its standard error: the two-sided interval.
    `total` differences with the mean `delta` have the sum of squares `squares`, and change in
    pieces of the size `piece`: the one-sided bound. `freedom` is None where the normal distribution
    serves.
    """

    centre: float
    error: float
    freedom: int | None
    total: int
    delta: float
    squares: float
    piece: float

    def quantile(self, share: float) -> float:
        """The quantile of the standardised difference."""
        if self.freedom is None:
            return normal_quantile(share)
        return t_quantile(share, self.freedom) if self.freedom > 0 else math.inf

    def interval(self, level: float = LEVEL) -> tuple[float, float]:
        """The two-sided interval."""
        half = self.quantile((1 + level) / 2) * self.error
        return max(-1.0, self.centre - half), min(1.0, self.centre + half)

    def lower(self, level: float = LEVEL) -> float:
        """The one-sided lower bound."""
        z = self.quantile(level)
        if math.isinf(z):
            return -1.0
        room = float(unseen_losses(np.float64(self.squares), np.float64(self.piece), z))
        return max(-1.0, self.delta - room / self.total)


def unseen_losses(squares: Floats | np.float64, piece: Floats | np.float64, z: float) -> Floats:
    """The largest further loss, summed over the items, that the data do not rule out.

    A loss that is larger by u brings a variance that is larger too, by u pieces of the size seen:
    u = z √(squares + piece · u), solved for u. The plain bound takes the variance that was seen;
    where losses are rare it lets far too much pass (with no change at all in n = 53 pairs it rules
    out a drop of 3 points, which shows no change in 20 % of runs). For single binary pairs this is
    nearly the score bound of Tango (1998), Statistics in Medicine 17, 891-908.
    """
    part = z * z * piece
    losses: Floats = (part + np.sqrt(part * part + 4 * z * z * squares)) / 2
    return losses


def spread(changes: Floats, groups: Ints, *, binary: bool) -> Spread:
    """The spread of the mean of at least one change per item; `groups` number their clusters.

    Agresti & Min (2005, Statistics in Medicine 24, 729-740) add half an item to each cell of the
    paired table: two items that change by +1 half the time and −1 half the time in one of them.
    The same two pseudo-items, as two pseudo-clusters of the mean size, carry over to shares,
    scores and clusters, and keep the error above 0 where no item changed. For single binary items
    the interval is Agresti and Min's; otherwise Student's t with clusters − 1 degrees of freedom.
    """
    n, clusters = changes.size, int(groups.max()) + 1
    size = n / clusters
    centre = float(changes.sum()) / (n + 2 * size)
    delta = float(changes.mean())
    pseudo = size * size * (1 + 2 * centre * centre)
    single = binary and clusters == n
    correction = clusters / (clusters - 1) if 1 < clusters < MANY_CLUSTERS and not single else 1.0
    sums = np.abs(group_sums(changes, groups))
    return Spread(
        centre=centre,
        error=math.sqrt(correction * (_squares(changes - centre, groups) + pseudo))
        / (n + 2 * size),
        freedom=None if single else clusters - 1,
        total=n,
        delta=delta,
        squares=correction * _squares(changes - delta, groups),
        piece=float((sums @ sums + size * size) / (sums.sum() + size)),
    )


def _squares(values: Floats, groups: Ints) -> float:
    return float((group_sums(values, groups) ** 2).sum())
