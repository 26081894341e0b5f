"""How far a judge agrees with people: the figures, and what they were measured on.

A calibration is made by `harness judge calibrate`, kept in a file, and stated by every run whose
checks it speaks of.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from harness.common import JsonValue, digest

JudgeKind = Literal["judge", "prefer", "refuses"]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure over `n` labelled answers, with its 95 % interval.

    All three are None where nobody can tell, and `reason` says why.
    """

    value: float | None = None
    low: float | None = None
    high: float | None = None
    n: int = 0
    reason: str = ""

    @property
    def ci(self) -> tuple[float, float] | None:
        """The interval, where there is one."""
        return None if self.low is None or self.high is None else (self.low, self.high)


@dataclass(frozen=True, slots=True)
class Agreement:
    """What people and a judge said of the same answers.

    `table` has a row for each of the `labels` that people gave, and a column for each that the
    judge gave, in answers: where several people labelled one answer, each of them counts for a
    part of it. `unread` are answers, by people's label, without a verdict of the judge: they are
    in no figure. `kappa` is Cohen's, with "linear" weights or without any (""); `people` is that of
    one person with another, and more cannot be asked of a judge.
    """

    labels: tuple[str, ...]
    table: tuple[tuple[float, ...], ...]
    unread: tuple[float, ...]
    weights: str
    accuracy: Estimate
    kappa: Estimate
    people: Estimate

    def __post_init__(self) -> None:
        """Raise ValueError for a table of another shape than its labels give: files hold them."""
        sizes = {len(self.table), len(self.unread), *map(len, self.table)}
        if len(self.labels) < 2 or sizes != {len(self.labels)}:
            raise ValueError(f"a table of {len(self.labels)} labels has as many rows and columns")


@dataclass(frozen=True, slots=True)
class RaterAgreement:
    """The judge beside one of the people: kappa over the answers that this one labelled."""

    rater: str
    kappa: Estimate


@dataclass(frozen=True, slots=True)
class PositionBias:
    """Whether a judge of two answers leans to a place, over pairs that it saw in both orders.

    `first` is the share of its single replies that named the answer shown first, of those that
    named one: a half without a lean. `flips` is the share of pairs whose orders disagree.
    """

    first: Estimate
    flips: Estimate


@dataclass(frozen=True, slots=True)
class Consistency:
    """How often the judge says the same again: the share of equal pairs among `repeats` replies.

    `unstable` names answers of which it did not always say the same.
    """

    repeats: int
    same: Estimate
    unstable: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class JudgeIdentity:
    """What a calibration is bound to: whoever judges otherwise has to be calibrated anew.

    `weights`, `adapter` and `environment` are those of completions' keys, so that a server's model
    is known by its served name and address. `rubrics` are texts by their digests. `version` is
    that of the check or of the prompt, `grade` and `minimum` how the check decides; `model` is for
    people alone, as a folder may be called otherwise elsewhere. A rule (`refuses`) has a version
    and nothing else.
    """

    kind: JudgeKind
    version: int
    model: str = ""
    weights: str = ""
    adapter: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    sampling: Mapping[str, JsonValue] = field(default_factory=dict)
    grade: str = ""
    minimum: int | None = None
    rubrics: Mapping[str, str] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """A hash of all of it but the model's name."""
        return digest(
            {
                "kind": self.kind,
                "version": self.version,
                "weights": self.weights,
                "adapter": self.adapter,
                "environment": dict(self.environment),
                "sampling": dict(self.sampling),
                "grade": self.grade,
                "minimum": self.minimum,
                "rubrics": sorted(self.rubrics),
            },
            16,
        )

    def differs(self, calibrated: JudgeIdentity) -> tuple[str, ...]:
        """Return, in words, what is not as it was calibrated; a part of its rubrics is enough."""
        found = []
        if (self.weights, self.adapter) != (calibrated.weights, calibrated.adapter):
            old, new = calibrated.model, self.model
            if old == new:
                old, new = (f"weights {one.weights[:8]}" for one in (calibrated, self))
            found.append(f"model ({old} → {new})")
        for name, mine, other in (
            ("environment", self.environment, calibrated.environment),
            ("sampling", self.sampling, calibrated.sampling),
        ):
            keys = [key for key in sorted({*mine, *other}) if mine.get(key) != other.get(key)]
            if keys:
                changes = (f"{k} {_plain(other.get(k))} → {_plain(mine.get(k))}" for k in keys)
                found.append(f"{name} ({', '.join(changes)})")
        if not self.rubrics.keys() <= calibrated.rubrics.keys():
            found.append("rubric")
        for name in ("grade", "minimum"):
            mine, other = getattr(self, name), getattr(calibrated, name)
            if mine != other:
                word = "min" if name == "minimum" else name
                found.append(f"{word} ({_plain(other)} → {_plain(mine)})")
        if self.version != calibrated.version:
            found.append(f"version of the check ({calibrated.version} → {self.version})")
        return tuple(found)


def _plain(value: object) -> str:
    return str(value)[:40] if value not in (None, "") else "none"


@dataclass(frozen=True, slots=True)
class CalibrationRow:
    """One answer, or pair of answers, that people labelled, with what the judge said of it.

    `people` holds the label of each rater. `judge` is empty where it has no verdict, and `why`
    says so. Labels are in `group` where the answers are to one question.
    """

    answer: str
    group: str
    people: Mapping[str, str]
    judge: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class Calibration:
    """A judge measured against people.

    `scale` is over all labels; `decision` over what the check makes of them, pass or fail, where
    that is something else. `length` is how much more the judge favours longer answers than people
    do, as a difference of shares. `position` and `consistency` are None where they were not asked.
    """

    identity: JudgeIdentity
    name: str
    made: str
    harness_version: str
    source: str
    answers: int
    groups: int
    raters: int
    scale: Agreement
    decision: Agreement | None
    by_rater: tuple[RaterAgreement, ...]
    length: Estimate
    position: PositionBias | None
    consistency: Consistency | None
    rows: tuple[CalibrationRow, ...] = ()

    @property
    def weakest(self) -> Agreement:
        """What `min_agreement` is held against: the one whose kappa has the smaller lower bound.

        A check's finding rests on both; one that nobody knows is the smallest.
        """
        both = (self.decision, self.scale) if self.decision else (self.scale,)
        return min(both, key=lambda one: -2.0 if one.kappa.low is None else one.kappa.low)


@dataclass(frozen=True, slots=True)
class JudgeStanding:
    """What is known of a judge that scored a part of a suite, as the scorecard states it.

    `judge` is its name in the configuration, empty for the default one; `rubric` one of its
    `rubrics`. `file` is the calibration, or the nearest one where it `differs`; empty without any.
    The figures are those of the scale, or of pass and fail where that kappa has the smaller lower
    bound; `people` is the kappa of one person with another. `min_agreement` is what the suite
    demands, None where it demands nothing.
    """

    kind: JudgeKind
    judge: str
    rubric: str
    rubrics: int
    min_agreement: float | None = None
    file: str = ""
    differs: tuple[str, ...] = ()
    kappa: Estimate = Estimate()
    accuracy: Estimate = Estimate()
    people: Estimate = Estimate()
    raters: int = 0

    @property
    def calibrated(self) -> bool:
        """Whether these figures are about this judge with these rubrics."""
        return bool(self.file) and not self.differs

    @property
    def enough(self) -> bool:
        """Whether its agreement is what the suite demands, if it demands any."""
        if self.min_agreement is None:
            return True
        low = self.kappa.low
        return self.calibrated and low is not None and low >= self.min_agreement
