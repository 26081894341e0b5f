"""A judge beside people, on the same answers: what is asked, what was said, and what it comes to.

Labels come from a file or from the reviews of a run. Each becomes an item: one answer, or a pair of
answers, with all that people said of it. The judge is asked as a run asks it, so that replies of a
run are found in the store; what has arrived stays there, however this ends.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean

from harness import __version__
from harness.backends import Completion, Request
from harness.common import InputError, MachineryError, Problem, digest, first_of, plural, shown
from harness.common.reading import first_problems
from harness.config import Settings
from harness.evaluation.completions import CompletionSource, Limits
from harness.evaluation.executor import Counts
from harness.evaluation.judges import (
    Judge,
    JudgeRequests,
    no_reply,
    not_configured,
    open_judge,
    unreadable,
)
from harness.evaluation.labelled import (
    ItemError,
    JudgeFilter,
    LabelledItem,
    LabelledRun,
    OtherStandardError,
    TextItems,
)
from harness.evaluation.labels import (
    FAIL,
    LABELS,
    PASS,
    Label,
    LabelKind,
    label_of,
    read_labels,
)
from harness.evaluation.standing import Standard, identity_of, rubrics_of
from harness.gate import (
    LINEAR,
    Favour,
    agree,
    by_rater,
    calibration_name,
    consistency,
    length_bias,
    position_bias,
    replaced,
    save_calibration,
)
from harness.results import (
    TIE,
    Agreement,
    Calibration,
    CalibrationRow,
    Estimate,
    Finished,
    JudgeKind,
    Observer,
    Planned,
    ignore,
)
from harness.scorers import UnreadableError, read_judgement, read_preference
from harness.store import Store, existing_store, find_run, judgements_of

FITTING: Mapping[JudgeKind, tuple[LabelKind, ...]] = {
    "judge": ("pass", "rating"),
    "prefer": ("choice",),
    "refuses": ("refusal",),
}
REFUSING = {"refuses": "refuses", "partial": "refuses", "complies": "complies"}


@dataclass(frozen=True, slots=True)
class CalibrateOptions:
    """What is calibrated, on whose labels.

    Without a file of `labels` they are those of reviews of the `run`, the newest by default; rows
    that name a case are about its answers. `wanted` says which judge and rubric, where there are
    several; `pool` takes several rubrics together. `repeats`: how often the judge is asked the
    same. `out`: the file, in the place of one of the project's calibrations.
    """

    labels: Path | None = None
    run: str = ""
    suites: tuple[str, ...] = ()
    check: JudgeKind | None = None
    judge: str | None = None
    rubric: str = ""
    grade: str | None = None
    minimum: int | None = None
    pool: bool = False
    repeats: int = 1
    out: Path | None = None


@dataclass(frozen=True)
class CalibrationReport:
    """A calibration that was made, where it is kept, and what should be known beside it.

    `before` is the one whose place it takes, if there was one that can be read. `saved` is false
    where that one stays: the new one has no kappa, and no run could pass by it any more.
    """

    calibration: Calibration
    path: Path
    notes: tuple[str, ...]
    counts: Counts
    before: Calibration | None = None
    saved: bool = True


def calibrate(
    settings: Settings, options: CalibrateOptions, *, observer: Observer = ignore
) -> CalibrationReport:
    """Ask the judge what people were asked, compare, and keep what was found in a file.

    Raises InputError for labels that are wrong or about no answer, and for rubrics that have to be
    told apart; MachineryError where the judge broke: what it replied stays in the store.
    """
    labels, source = _labels(settings, options)
    own = labels[0].kind
    kind: JudgeKind = next(kind for kind, kinds in FITTING.items() if own in kinds)
    if options.check not in (None, kind):
        assert options.check is not None
        raise InputError(
            Problem(
                f"the labels are none for --check {options.check}",
                str(options.labels or ""),
                labels[0].line,
                found=f"{own}: {labels[0].value}",
                expected=" or ".join(", ".join(LABELS[one]) for one in FITTING[options.check]),
            )
        )
    if options.judge and (problem := not_configured(settings, options.judge)):
        raise InputError(problem)
    wanted = JudgeFilter(kind, options.judge, options.rubric, options.grade, options.minimum)
    with ExitStack() as stack:
        place = settings.path(settings.store)
        places = [label for label in labels if not label.texts]
        store = stack.enter_context(existing_store(place) if places else Store(place))
        items, notes = _items(settings, options, wanted, labels, store)
        standards = _one_group([item.standard for item in items], options)
        judge = None
        if kind != "refuses":
            judge = open_judge(settings, standards[0].backend)
            stack.callback(judge.backend.close)
        if labels[0].kind == "rating" and standards[0].grade == "correct":
            raise InputError(
                Problem(
                    "people gave ratings, and the judge says CORRECT or INCORRECT",
                    str(options.labels or ""),
                    hint="label the answers good or bad",
                )
            )
        asked = _ask(settings, items, labels[0].kind, judge, store, observer, options.repeats)
        identity = identity_of(standards, judge)
    rows = [
        CalibrationRow(
            item.answer, item.group, item.people, asked.said.get(number, ""), asked.why(number)
        )
        for number, item in enumerate(items)
    ]
    calibration = _measure(labels[0].kind, standards[0], items, rows, asked, options.repeats)
    calibration = replace(
        calibration,
        identity=replace(identity, rubrics=rubrics_of(standards) if judge else {}),
        source=source,
    )
    if asked.lost:
        number, why = next(iter(asked.lost.items()))
        notes.append(
            f"{plural(len(asked.lost), 'answer')} without a verdict, in no figure; "
            f"for example {items[number].answer}: {why}"
        )
    folder = settings.path(settings.calibrations)
    path = options.out or folder / calibration_name(calibration)
    before = replaced(path)
    unknown = calibration.weakest.kappa.low is None
    if unknown and before is not None and before.weakest.kappa.low is not None:
        return CalibrationReport(calibration, path, tuple(notes), asked.counts, before, saved=False)
    save_calibration(path, calibration)
    if path.resolve().parent != folder.resolve():
        notes.append(f"runs look for calibrations in {folder} alone (calibrations in the settings)")
    return CalibrationReport(calibration, path, tuple(notes), asked.counts, before)


def _labels(settings: Settings, options: CalibrateOptions) -> tuple[list[Label], str]:
    """Return the labels, and where they are from."""
    if options.labels is not None:
        return read_labels(options.labels), options.labels.name
    with existing_store(settings.path(settings.store)) as store:
        info = find_run(store, options.run or "latest")
        labels = [label_of(row) for row in judgements_of(store, info.id)]
    if not labels:
        raise InputError(
            Problem(
                f"nobody has judged an answer of run {info.id}",
                hint=f"judge some: harness review {info.id}; or name a file of labels: "
                "harness judge calibrate LABELS.jsonl",
            )
        )
    kinds = dict.fromkeys(label.kind for label in labels)
    if options.check:
        labels = [label for label in labels if label.kind in FITTING[options.check]]
    elif len(kinds) > 1:
        raise InputError(
            Problem(
                f"reviews of run {info.id} hold scores and preferences",
                hint="say which: --check judge for the scores, --check prefer for the preferences",
            )
        )
    if not labels:
        raise InputError(
            Problem(
                f"no review of run {info.id} holds labels for {options.check}",
                hint="name a file of labels: harness judge calibrate LABELS.jsonl "
                f"--check {options.check}",
            )
        )
    return labels, f"reviews of run {info.id}"


def _items(
    settings: Settings,
    options: CalibrateOptions,
    wanted: JudgeFilter,
    labels: Sequence[Label],
    store: Store,
) -> tuple[list[LabelledItem], list[str]]:
    """Return the answers that were labelled, each once, with the labels of all raters."""
    texts = None
    run = None
    if any(label.texts for label in labels):
        texts = TextItems(settings, wanted, options.suites)
    if cases := frozenset(label.case for label in labels if not label.texts):
        info = find_run(store, options.run or "latest")
        run = LabelledRun(settings, store, info, wanted, options.suites, cases)
    path = str(options.labels or "")
    found: dict[str, LabelledItem] = {}
    problems: list[Problem] = []
    others: dict[str, int] = {}
    same = 0
    for label in labels:
        try:
            source = texts if label.texts else run
            assert source is not None
            item, value = source.item(label)
        except OtherStandardError:
            by = shown(label.criterion or label.case)
            others[by] = others.get(by, 0) + 1
            continue
        except ItemError as error:
            if label.judgement:  # what else was reviewed in this run
                others[error.problem.message] = others.get(error.problem.message, 0) + 1
            else:
                problems.append(replace(error.problem, path=path, line=label.line))
            continue
        key = item.answer
        if label.texts:
            key = digest([label.prompt, list(label.texts), label.system, label.reference])
        item = found.setdefault(key, item)
        before = item.people.get(label.rater)
        if before is None:
            item.people[label.rater], item.lines[label.rater] = value, label.line
        elif before == value:
            same += 1
        elif not label.line:  # of a review: by two criteria that mean one rubric
            said = f"{before}, {value}"
            problems.append(Problem(f"{label.rater} said two things of {key}", found=said))
        else:
            problems.append(
                Problem(
                    f"{label.rater} labelled this answer twice, and differently",
                    path,
                    label.line,
                    found=f"{value}, and {before} at line {item.lines[label.rater]}",
                    hint="keep one of the two rows; other people are other raters: rater",
                )
            )
    if problems:
        raise InputError(*first_problems(problems, path))
    if not found:
        raise InputError(
            Problem(
                "no label is about the judge and rubric that are calibrated",
                path,
                found=f"{plural(sum(others.values()), 'label')} about something else: "
                + first_of(others, 3),
                hint="name another --rubric or --judge, or neither; where the rubric has changed "
                "since, the answers have to be judged again",
            )
        )
    notes = []
    if others:
        left = plural(sum(others.values()), "label")
        notes.append(f"{left} left out, about something else: {first_of(others, 3)}")
    if same:
        notes.append(f"{plural(same, 'label')} stood twice, and counted once")
    return list(found.values()), notes


def _one_group(standards: Sequence[Standard], options: CalibrateOptions) -> list[Standard]:
    """Return the standards that are calibrated together, each once. Raises InputError."""
    distinct = list(dict.fromkeys(standards))
    if len({each.group for each in distinct}) > 1:
        said = [
            f"{shown(each.rubric)} (judge {each.backend or 'default'}"
            + (f", min {each.minimum})" if each.minimum else ")")
            for each in distinct
        ]
        raise InputError(
            Problem(
                "the labels are about several judges, or about ratings with several `min`",
                str(options.labels or ""),
                found=first_of(said),
                hint="name one: --judge NAME, or --rubric 'ITS BEGINNING'",
            )
        )
    if len(distinct) > 1 and not options.pool:
        raise InputError(
            Problem(
                f"the labels are about {len(distinct)} rubrics",
                str(options.labels or ""),
                found=first_of([shown(each.rubric) for each in distinct]),
                hint="name one: --rubric 'ITS BEGINNING'; or take them together, where they ask "
                "for the same kind of thing: --pool",
            )
        )
    return distinct


@dataclass(frozen=True, slots=True)
class _Said:
    """What a judge said, by the number of the item: `said` the first time, `every` each time.

    `orders` are its choices in both orders. `lost` says why there is no verdict.
    """

    said: Mapping[int, str]
    every: Mapping[int, tuple[str, ...]]
    orders: Mapping[int, tuple[str, str]]
    lost: Mapping[int, str]
    counts: Counts

    def why(self, number: int) -> str:
        return self.lost.get(number, "")


def _ask(
    settings: Settings,
    items: Sequence[LabelledItem],
    kind: LabelKind,
    judge: Judge | None,
    store: Store,
    observer: Observer,
    repeats: int,
) -> _Said:
    """Ask the judge about all items, as often as it is asked; raises MachineryError."""
    said = {number: item.verdict for number, item in enumerate(items) if item.verdict}
    lost = {number: item.why for number, item in enumerate(items) if item.why}
    counts = Counts()
    requests: dict[tuple[int, int], list[Request]] = {}
    every: dict[int, list[str]] = {}
    orders: dict[int, tuple[str, str]] = {}
    if judge is not None:
        writer = JudgeRequests({items[0].standard.backend: judge})
        for number, item in enumerate(items):
            for again in range(repeats if item.questions else 0):
                of_item = []
                for question, address in zip(item.questions, item.at, strict=True):
                    placed = replace(address, turn=address.turn + again * item.apart)
                    request = writer.asked_at(placed, question, again)
                    if isinstance(request, str):
                        lost[number] = request
                    else:
                        of_item.append(request)
                if number not in lost:
                    requests[number, again] = of_item
        flat = [request for of_item in requests.values() for request in of_item]
        observer(Planned(len(items), len(flat)))
        limits = Limits(run=settings.time_limit)
        replies = CompletionSource(judge.backend, store, observer, limits)
        answers = replies.all_of(flat)
        counts = Counts(replies.generated, replies.cached, replies.tokens, replies.broken)
        observer(Finished(counts.generated, counts.cached))
        if replies.broken or (flat and not answers):
            problem = Problem("the judge gave no reply")
            problem = replies.broken.problems[0] if replies.broken else problem
            have = f"the judge stopped after {len(answers)} of {len(flat)} replies"
            raise MachineryError(
                replace(
                    problem,
                    message=f"{have}: {problem.message}",
                    hint="what it replied is kept: run the same command again",
                )
            )
        for (number, again), of_item in requests.items():
            try:
                label, both = _read(items[number], kind, [answers[r.key] for r in of_item])
            except _LostError as error:
                if not again:
                    lost[number] = str(error)
                continue
            every.setdefault(number, []).append(label)
            if not again:
                said[number] = label
                if both:
                    orders[number] = both
    return _Said(said, {n: tuple(each) for n, each in every.items()}, orders, lost, counts)


class _LostError(Exception):
    """There is no verdict of the judge."""


def _read(
    item: LabelledItem, kind: LabelKind, replies: Sequence[Completion]
) -> tuple[str, tuple[str, str] | None]:
    """Return what a judge said of an item, as people say it; of a pair in both orders too."""
    try:
        for reply in replies:
            if missing := no_reply(reply):
                raise _LostError(missing)
        if item.args is None:
            first, second = (read_preference(reply.text)[0] for reply in replies)
            value = {"A": "A", "B": "B", "TIE": TIE}[first]
            turned = {"A": "B", "B": "A", "TIE": TIE}[second]
            return (value if value == turned else TIE), (first, second)
        finding = read_judgement(replies[0].text, item.args)
        if kind == "rating":
            return str(finding.detail["rating"]), None
        return (PASS if finding.passed else FAIL), None
    except UnreadableError as error:
        raise _LostError(unreadable(error)) from None


def _measure(
    kind: LabelKind,
    standard: Standard,
    items: Sequence[LabelledItem],
    rows: Sequence[CalibrationRow],
    asked: _Said,
    repeats: int,
) -> Calibration:
    """Return all figures; who judged is filled in by the caller."""
    labels: Sequence[str] = LABELS[kind]
    rule = standard.kind == "refuses"
    decided: list[CalibrationRow] | None = None
    if kind == "rating":
        least = standard.minimum or 0

        def passes(label: str) -> str:
            return PASS if int(label) >= least else FAIL

        decided = [_relabelled(row, passes) for row in rows]
    elif kind == "refusal":
        decided = [_relabelled(row, REFUSING.__getitem__) for row in rows]
        if not any("partial" in row.people.values() for row in rows):
            # Nobody used the label between: what is partial refuses, as the check has it.
            rows, labels, decided = decided, ("refuses", "complies"), None
    weights = LINEAR if kind == "rating" else ""
    decision: Agreement | None = None
    if decided is not None:
        outcomes = (PASS, FAIL) if kind == "rating" else ("refuses", "complies")
        decision = agree(decided, outcomes)
    length = Estimate(reason="a rule that labels refusals favours no answer")
    position = None
    if kind == "choice":
        groups = [items[number].group for number in asked.orders]
        position = position_bias(groups, list(asked.orders.values()))
    if not rule:
        length = length_bias(
            [
                favour
                for item, row in zip(items, rows, strict=True)
                if row.judge and (favour := _favour(kind, item, row))
            ],
            pairs=kind == "choice",
        )
    told = None
    if repeats > 1 and not rule:
        names = {items[number].answer: said for number, said in asked.every.items()}
        told = consistency(repeats, names, {item.answer: item.group for item in items})
    return Calibration(
        identity=identity_of([standard], None),
        name=standard.backend,
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        harness_version=__version__,
        source="",
        answers=len(rows),
        groups=len({row.group for row in rows}),
        raters=len({rater for row in rows for rater in row.people}),
        scale=agree(rows, labels, weights),
        decision=decision,
        by_rater=by_rater(rows, labels, weights),
        length=length,
        position=position,
        consistency=told,
        rows=tuple(rows),
    )


def _relabelled(row: CalibrationRow, word: Callable[[str], str]) -> CalibrationRow:
    """Return the same row in other labels."""
    people = {rater: word(label) for rater, label in row.people.items()}
    return replace(row, people=people, judge=word(row.judge) if row.judge else "")


def _favour(kind: LabelKind, item: LabelledItem, row: CalibrationRow) -> Favour | None:
    """Return how far judge and people favour an answer, or the longer of two."""
    if not item.lengths:
        return None
    if kind != "choice":
        scale = {PASS: 1.0, FAIL: 0.0, **{str(n): (n - 1) / 4 for n in range(1, 6)}}
        people = fmean(scale[label] for label in row.people.values())
        return Favour(item.group, scale[row.judge], people, item.lengths[0])
    first, second = item.lengths
    longer = {"A": 1.0, "B": 0.0, TIE: 0.5} if first > second else {"A": 0.0, "B": 1.0, TIE: 0.5}
    people = fmean(longer[label] for label in row.people.values())
    return Favour(item.group, longer[row.judge], people, abs(first - second))
