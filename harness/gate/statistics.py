"""The gate's statistics: paired tests, intervals that know of clusters, and power."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

RESAMPLES = 9_999  # the smallest p that resampling can find is 1e-4
SEED = 20_240_501  # fixed: the same results give the same verdict
MOST_EXACT_STEPS = 100_000  # width of the exact null distribution; beyond it: resampling
BATCH = 2_000_000  # signs in memory at once
ROUNDING = 1e-9  # sums of shares that are equal on paper may differ by this
LEVEL = 0.95
MANY_CLUSTERS = 50  # from here on a cluster-robust error needs no small-sample correction
POWER = 0.8
MOST_MORE_CASES = 1_000_000  # beyond this "how many more" is no advice
POWER_ROUNDING = 1e-9
ASSUMED_DISCORDANCE = 0.10  # share of pairs that differ, where nothing better is known


class Clustered(Protocol):
    """What belongs to a case, which may be one of a cluster."""

    @property
    def case(self) -> str:
        """The case's id."""

    @property
    def cluster(self) -> str | None:
        """The name of its cluster, if it has one."""


def group_sums(values: Floats, groups: Ints) -> Floats:
    """Sum the values of each cluster; `groups` numbers them from 0."""
    return np.bincount(groups, weights=values).astype(np.float64)


def mcnemar_mid_p(worse: int, better: int) -> float:
    """Return McNemar's mid-p: P(X > worse) + P(X = worse) / 2 for X ~ Bin(worse + better, 1/2).

    The mid-p version keeps its level on average (0.043 to 0.048 at 0.05) where the exact one gives
    half of it away. Source: Fagerland, Lydersen & Laake (2013), BMC Med Res Methodol 13:91.
    """
    return float(mcnemar_mid_p_table(np.array([worse]), np.array([better]))[0])


def mcnemar_mid_p_table(worse: npt.NDArray[Any], better: npt.NDArray[Any]) -> Floats:
    """Compute `mcnemar_mid_p` for arrays of counts of one shape."""
    pairs = worse + better
    tails: Floats = (_at_least(worse, pairs) + _at_least(worse + 1, pairs)) / 2
    return tails


def _at_least(k: npt.NDArray[Any], n: npt.NDArray[Any]) -> Floats:
    """P(X >= k) for X ~ Bin(n, 1/2), by the incomplete beta function."""
    from scipy.special import betainc

    inside = betainc(np.maximum(k, 1), np.maximum(n - k + 1, 1), 0.5)
    tail: Floats = np.where(k <= 0, 1.0, np.where(k > n, 0.0, inside))
    return tail


def sign_flip_p(sums: Floats, grid: int | None) -> tuple[float, float]:
    """Return the shares of sign flips whose total is at most, and at least, the one seen.

    The first is the p value for "worse", the second for "better". `sums` holds one difference,
    candidate − baseline, per item or per cluster: equal models could have swapped each of them.
    `grid`: all sums are multiples of 1/grid; then the answer is exact. Without a grid, or where
    the exact distribution is too wide, 9,999 seeded flips.
    Source: Good (2005), Permutation, Parametric and Bootstrap Tests of Hypotheses, 3.2.
    """
    changed = sums[np.abs(sums) > ROUNDING]
    if changed.size == 0:
        return 1.0, 1.0
    if grid is not None:
        steps = np.rint(changed * grid).astype(np.int64)
        if int(np.abs(steps).sum()) <= MOST_EXACT_STEPS:
            return _exact_flips(steps)
    return _enumerated(changed) if changed.size <= 13 else _resampled(changed)


def _exact_flips(steps: Ints) -> tuple[float, float]:
    """Compute the null distribution of the gains: a product of binomials, one per size of step."""
    from scipy.special import gammaln

    null: Floats = np.ones(1)
    for size, count in sorted(Counter(np.abs(steps).tolist()).items()):
        k = np.arange(count + 1)
        logs = gammaln(count + 1) - gammaln(k + 1) - gammaln(count - k + 1)
        binomial = np.zeros(size * count + 1)
        binomial[::size] = np.exp(logs - count * np.log(2.0))
        null = np.convolve(null, binomial).astype(np.float64)
    gained = int(steps[steps > 0].sum())
    return min(1.0, float(null[: gained + 1].sum())), min(1.0, float(null[gained:].sum()))


def _enumerated(changed: Floats) -> tuple[float, float]:
    """Go through all 2^n sign flips of at most 13 differences."""
    totals = np.zeros(1)
    for size in np.abs(changed):
        totals = np.concatenate([totals - size, totals + size])
    seen = changed.sum()
    return float(np.mean(totals <= seen + ROUNDING)), float(np.mean(totals >= seen - ROUNDING))


def _resampled(changed: Floats) -> tuple[float, float]:
    """Draw seeded flips; the flip that was seen counts as one of them, so that p is never 0."""
    generator = np.random.default_rng(SEED)
    seen = changed.sum()
    low = high = 1
    left = RESAMPLES
    while left:
        rows = min(left, max(1, BATCH // changed.size))
        signs = 2.0 * generator.integers(0, 2, size=(rows, changed.size), dtype=np.int8) - 1.0
        totals = signs @ changed
        low += int(np.count_nonzero(totals <= seen + ROUNDING))
        high += int(np.count_nonzero(totals >= seen - ROUNDING))
        left -= rows
    return low / (RESAMPLES + 1), high / (RESAMPLES + 1)


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Return Holm's step-down adjusted p values, in the order given.

    Source: Holm (1979), Scandinavian Journal of Statistics 6(2), 65-70.
    """
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    adjusted = [0.0] * len(p_values)
    highest = 0.0
    for rank, index in enumerate(order):
        highest = max(highest, min(1.0, p_values[index] * (len(p_values) - rank)))
        adjusted[index] = highest
    return tuple(adjusted)


def gathering_p(losses: int, size: int, lost: int, total: int) -> float:
    """Return the chance that a random choice of `size` of `total` items has `losses` or more.

    `lost` of all items are losses: the upper tail of the hypergeometric distribution, Fisher's
    exact test of one side. Source: Fisher (1935), JRSS 98, 39-82.
    """
    from scipy.special import gammaln

    def log_choose(n: npt.NDArray[Any] | int, k: npt.NDArray[Any] | int) -> Floats:
        logs: Floats = (
            gammaln(np.add(n, 1)) - gammaln(np.add(k, 1)) - gammaln(np.subtract(n, k) + 1)
        )
        return logs

    least, most = max(losses, size + lost - total, 0), min(size, lost)
    k = np.arange(least, most + 1)
    logs = log_choose(lost, k) + log_choose(total - lost, size - k) - log_choose(total, size)
    return min(1.0, float(np.exp(logs).sum()))


def pass_at_k(tries: int, passed: int, k: int) -> float | None:
    """Return the chance that at least one of `k` tries of a case passes; None for fewer than `k`.

    1 − C(tries − passed, k) / C(tries, k) is the share of all subsets of `k` tries with a pass in
    them, and so without bias; 1 − (1 − passed/tries)^k is too low.
    Source: Chen et al. (2021), arXiv:2107.03374.
    """
    if tries < k:
        return None
    return 1.0 - math.comb(tries - passed, k) / math.comb(tries, k)


def pass_hat_k(tries: int, passed: int, k: int) -> float | None:
    """Return the chance that all of `k` tries of a case pass; None for fewer than `k` tries.

    C(passed, k) / C(tries, k), without bias. Source: Yao et al. (2024), arXiv:2406.12045.
    """
    if tries < k:
        return None
    return math.comb(passed, k) / math.comb(tries, k)


def normal_quantile(share: float) -> float:
    """Return the standard normal's quantile.

    Not scipy's: importing it takes a third of a second, and many runs need no more than this.
    """
    return NormalDist().inv_cdf(share)


def t_quantile(share: float, freedom: int) -> float:
    """Return Student's quantile."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, share))


def wilson(passed: float, n: float, level: float = LEVEL) -> tuple[float, float]:
    """Return Wilson's interval for a rate; (0, 1) without items.

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
    """Return Wilson's interval at the effective number of items: n / design effect.

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
        """Return the quantile of the standardised difference."""
        if self.freedom is None:
            return normal_quantile(share)
        return t_quantile(share, self.freedom) if self.freedom > 0 else math.inf

    def interval(self, level: float = LEVEL) -> tuple[float, float]:
        """Return the two-sided interval."""
        half = self.quantile((1 + level) / 2) * self.error
        return max(-1.0, self.centre - half), min(1.0, self.centre + half)

    def lower(self, level: float = LEVEL) -> float:
        """Return the one-sided lower bound."""
        z = self.quantile(level)
        if math.isinf(z):
            return -1.0
        room = float(unseen_losses(np.float64(self.squares), np.float64(self.piece), z))
        return max(-1.0, self.delta - room / self.total)


def unseen_losses(squares: Floats | np.float64, piece: Floats | np.float64, z: float) -> Floats:
    """Return the largest further loss, summed over the items, that the data do not rule out.

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
    """Return the spread of the mean of at least one change; `groups` number their clusters.

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


def ratio_bounds(before: Floats, after: Floats, quantile: float) -> tuple[float, float] | None:
    """Return the ratios of mean `after` to mean `before` that the data do not rule out.

    before, after: sums of independent units (cases or clusters), not negative, of one shape; at
    least two. A ratio r is ruled out where the mean of after − r · before, divided by its standard
    error, is beyond `quantile`, a Student quantile with units − 1 degrees of freedom: (1 + level) /
    2 gives a two-sided interval, `level` one-sided bounds. None where no end is known: `before`
    varies so much that its mean might be zero.
    Source: Fieller (1954), Journal of the Royal Statistical Society B 16, 175-185.
    """
    old, new = float(before.mean()), float(after.mean())
    spread = np.cov(before, after) * (quantile**2 / before.size)
    a = old * old - spread[0, 0]
    if a <= ROUNDING * old * old:
        return None
    half = old * new - spread[0, 1]
    root = math.sqrt(max(0.0, half * half - a * (new * new - spread[1, 1])))
    return max(0.0, float((half - root) / a)), float((half + root) / a)


def groups_of(items: Sequence[Clustered]) -> Ints:
    """Number each item's cluster in order of appearance; a case without one stands alone."""
    numbers: dict[tuple[str, str], int] = {}
    keys = (("", i.case) if i.cluster is None else ("cluster", i.cluster) for i in items)
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.int64)


def drop_power_needs(drop: float, discordance: float, alpha: float) -> float:
    """Return the pairs that a one-sided McNemar test needs to see `drop` with 80 % power.

    `discordance` is the share of pairs that differ. A drop changes as many pairs, so a smaller
    discordance counts as the drop itself. Source: Connor (1987), Biometrics 43, 207-211.
    """
    share = max(discordance, drop)
    z_alpha, z_power = normal_quantile(1 - alpha), normal_quantile(POWER)
    spread = z_alpha * math.sqrt(share) + z_power * math.sqrt(share - drop * drop)
    return (spread / drop) ** 2


def smallest_drop(pairs: int, discordance: float, alpha: float) -> float | None:
    """Return the smallest drop that single binary pairs show with 80 % power, if there is one.

    Never below the fewest losses without a gain that reach `alpha` at all.
    """
    fewest = math.ceil(math.log2(1 / alpha) - 1)  # mid-p of k losses without a gain: 2^-(k + 1)
    if pairs < fewest or drop_power_needs(1.0, discordance, alpha) > pairs:
        return None
    low, high = 0.0, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        if drop_power_needs(middle, discordance, alpha) > pairs:
            low = middle
        else:
            high = middle
    return max(high, fewest / pairs)


def smallest_mean_drop(spread: Spread, clusters: int, alpha: float) -> float | None:
    """Return the same for shares, scores and clusters, by the standard error.

    Never below what single changes among `clusters` independent items would need: where nothing
    has changed yet, the error alone would promise too much.
    """
    if clusters < math.ceil(math.log2(1 / alpha)):  # exact sign flips reach 2^-clusters at best
        return None
    floor = smallest_drop(clusters, 0.0, alpha)
    drop = (spread.quantile(1 - alpha) + spread.quantile(POWER)) * spread.error
    return None if floor is None or drop > 1 else max(drop, floor)


def cases_to_see(spread: Spread, drop: float, alpha: float) -> int:
    """Return how many cases like these find `drop` with 80 % power.

    They vary as those that were seen, and at least as if one pair in ten differed: few pairs, or
    pairs without a change, would promise too much.
    """
    share = max(ASSUMED_DISCORDANCE, spread.squares / spread.total)
    return math.ceil(drop_power_needs(drop, share, alpha))


def cases_to_decide(spread: Spread, *, margin: float, alpha: float) -> int | None:
    """Return how many more cases would decide, if difference and spread stay as they are.

    Towards a pass while the drop is within the margin, else towards a regression; None where no
    reasonable number does, as when the drop equals the margin.
    """
    n, room = spread.total, spread.delta + margin
    if room > POWER_ROUNDING:
        z = spread.quantile(0.95)
        needed = (z / room) ** 2 * (spread.squares / n + spread.piece * room)
    elif room < -POWER_ROUNDING:
        needed = (spread.quantile(1 - alpha) / spread.delta) ** 2 * spread.squares / n
    else:
        return None
    more = math.ceil(needed) - n if needed < MOST_MORE_CASES else MOST_MORE_CASES
    return None if more >= MOST_MORE_CASES else max(1, more)
