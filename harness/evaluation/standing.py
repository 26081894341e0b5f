"""By what judges decide, and how far each is known to agree with people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.common import digest
from harness.config import Settings
from harness.evaluation.judges import Judge, Judges
from harness.evaluation.keys import environment_of
from harness.gate import load_calibrations, standing_of
from harness.results import JudgeIdentity, JudgeKind, JudgeStanding
from harness.scorers import PREFERENCE_VERSION, Check, JudgeArgs
from harness.suites import Case, Prefer

RULES = ("refuses", "complies")  # the checks whose label a rule gives


@dataclass(frozen=True, slots=True)
class Standard:
    """By what a judge decides, in a check of a case: what a calibration is about.

    `grade` and `minimum` are those of a `judge` check. `version` is that of the check, or of the
    prompt that compares two answers.
    """

    kind: JudgeKind
    version: int
    backend: str = ""
    rubric: str = ""
    grade: str = ""
    minimum: int | None = None

    @property
    def group(self) -> Standard:
        """The same without its rubric: standards of one group may be calibrated together."""
        return replace(self, rubric="")


def standard_of(check: Check | Prefer) -> Standard:
    """Return by what a check is decided, or a comparison of two answers."""
    if isinstance(check, Prefer):
        return Standard("prefer", PREFERENCE_VERSION, check.backend, check.rubric.strip())
    version, args = check.scorer.version, check.args
    if not isinstance(args, JudgeArgs):
        return Standard("refuses", version)
    minimum = args.min if args.grade == "rating" else None
    return Standard("judge", version, args.backend, args.rubric.strip(), args.grade, minimum)


def judging_checks(case: Case, turn: int) -> Iterator[Check]:
    """Yield the checks of a turn that a judge or the rule of refusals decides, nested ones too."""
    pending = list(case.turns[turn].checks)
    while pending:
        check = pending.pop(0)
        if check.name in ("judge", *RULES):
            yield check
        pending += check.inner


def identity_of(standards: Sequence[Standard], judge: Judge | None) -> JudgeIdentity:
    """Return what a calibration is bound to; the standards are of one group.

    `judge` is None for a rule. Hashes the judge's weights, where nobody has yet.
    """
    first = standards[0]
    if judge is None:
        return JudgeIdentity(first.kind, first.version)
    prints, model = judge.backend.fingerprint(judge.variant), judge.variant.model
    return JudgeIdentity(
        kind=first.kind,
        version=first.version,
        # The folder of a model has another path on another machine.
        model=Path(model).name if Path(model).is_dir() else model,
        weights=prints.weights,
        adapter=prints.adapter,
        environment=environment_of(judge.variant, judge.backend)[1],
        sampling=judge.sampling.model_dump(mode="json"),
        grade=first.grade,
        minimum=first.minimum,
        rubrics=rubrics_of(standards),
    )


def rubrics_of(standards: Iterable[Standard]) -> dict[str, str]:
    """Return the rubrics by their digests."""
    return {digest(one.rubric, 16): one.rubric for one in standards}


def standings(
    settings: Settings, cases: Iterable[Case], judges: Judges
) -> dict[str, tuple[JudgeStanding, ...]]:
    """Return what is known of the judges of each suite: one row for rubrics that share all of it.

    The rule of refusals is stated where it was calibrated. Of several demands on one judge the
    strictest counts. Raises InputError for a calibration of the project that is none, or not whole.
    """
    asked: dict[tuple[str, Standard], float] = {}  # by suite, with what is demanded
    for case in cases:
        wanted: list[tuple[Standard, float | None]] = []
        for turn in range(len(case.turns)):
            for check in judging_checks(case, turn):
                least = check.args.min_agreement if isinstance(check.args, JudgeArgs) else None
                wanted.append((standard_of(check), least))
        if case.prefer:
            wanted.append((standard_of(case.prefer), case.prefer.min_agreement))
        for standard, least in wanted:
            key = (case.suite, standard)
            asked[key] = max(asked.get(key, 0.0), least or 0.0)
    if not asked:
        return {}
    calibrations = load_calibrations(settings.path(settings.calibrations))
    folder = settings.calibrations.as_posix()
    groups: dict[Standard, JudgeIdentity] = {}
    # Rubrics with one outcome stand in one row: those of a calibration, and those of none.
    rows: dict[tuple[str, Standard, str, tuple[str, ...]], list[tuple[Standard, float]]] = {}
    for (suite, standard), least in asked.items():
        judge = judges.get(standard.backend)
        if standard.kind != "refuses" and judge is None:  # its cases take no part
            continue
        if standard.group not in groups:
            rule = standard.kind == "refuses"
            groups[standard.group] = identity_of([standard], None if rule else judge)
        identity = replace(groups[standard.group], rubrics=rubrics_of([standard]))
        known = standing_of(identity, "", None, calibrations, folder)
        key_of_row = (suite, standard.group, known.file, known.differs)
        rows.setdefault(key_of_row, []).append((standard, least))
    found: dict[str, list[JudgeStanding]] = {}
    for (suite, *_), members in rows.items():
        first = members[0][0]
        several = [standard for standard, _ in members]
        rubrics = {} if first.kind == "refuses" else rubrics_of(several)
        identity = replace(groups[first.group], rubrics=rubrics)
        least = max(demanded for _, demanded in members)
        row = standing_of(identity, first.backend, least or None, calibrations, folder)
        if row.file or first.kind != "refuses":
            found.setdefault(suite, []).append(row)
    return {suite: tuple(several) for suite, several in found.items()}
