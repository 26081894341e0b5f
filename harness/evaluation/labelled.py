"""Labels and the answers that they are about, as items: what a judge is asked of each of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from harness.backends import Address
from harness.common import BASE, InputError, Message, Problem, digest, first_of, nearest, shown
from harness.config import Settings, load_selected
from harness.evaluation.judges import asked_of, questions
from harness.evaluation.labels import Label
from harness.evaluation.preferring import both_orders, pair_questions, shown_answers
from harness.evaluation.reasoning import ReasoningForm, variant_tags
from harness.evaluation.rescore import suite_files, transcript_of
from harness.evaluation.scoring import CheckBrokeError, exchanges
from harness.evaluation.standing import Standard, judging_checks, standard_of
from harness.evaluation.verdict import recalled_baseline
from harness.results import OVERALL, TIE, JudgeKind, Result, RunInfo, answer_digest
from harness.scorers import (
    DEFAULT_TAGS,
    PREFERENCE_VERSION,
    Answer,
    Context,
    JudgeArgs,
    Question,
    Tag,
    get,
    judge_question,
)
from harness.store import Store
from harness.suites import Case


@dataclass(frozen=True, slots=True)
class JudgeFilter:
    """Which judge and rubric are calibrated: all that are not named are open.

    `grade` and `minimum` are for a rubric that stands in no suite.
    """

    kind: JudgeKind
    judge: str | None = None
    rubric: str = ""
    grade: str | None = None
    minimum: int | None = None

    def fits(self, standard: Standard, criterion: str = "") -> bool:
        """Return whether a standard is one of these; a rubric may be named by its beginning."""
        if standard.kind != self.kind or self.judge not in (None, standard.backend):
            return False
        by = criterion.strip()
        if by and by != OVERALL and by != standard.rubric:
            return False
        return standard.rubric.lower().startswith(self.rubric.strip().lower())


@dataclass(slots=True)
class LabelledItem:
    """One answer, or a pair, with what people say of it and what a judge is asked.

    `args` says how a reply is read; None for a pair, whose `questions` are in both orders. `at` are
    the addresses of recorded replies, `apart` how far those of a repetition stand behind them.
    `lengths` are those of the answers in characters. `verdict` is what a rule says. `why` says why
    nothing is asked.
    """

    answer: str
    group: str
    standard: Standard
    questions: tuple[Question, ...] = ()
    at: tuple[Address, ...] = ()
    apart: int = 1
    args: JudgeArgs | None = None
    lengths: tuple[int, ...] = ()
    verdict: str = ""
    why: str = ""
    people: dict[str, str] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)


class ItemError(Exception):
    """A label is about no answer: `problem` says why, without its place."""

    def __init__(self, message: str, **more: str) -> None:
        super().__init__(message)
        self.problem = Problem(message, **more)  # type: ignore[arg-type]  # texts, all of them


class OtherStandardError(Exception):
    """A label is about an answer, but by another rubric or judge than is calibrated."""


class TextItems:
    """Items of labels that hold the texts themselves; the rubric is that of a suite, or given."""

    def __init__(self, settings: Settings, wanted: JudgeFilter, suites: Sequence[str]) -> None:
        self._wanted = wanted
        self._standards: dict[Standard, JudgeArgs | None] = {}
        if wanted.kind == "refuses":
            return
        if suites or settings.suites:
            for suite in load_selected(suites, settings):
                for case in suite.cases:
                    self._standards.update(_standards(case))
        self._fitting = [each for each in self._standards if wanted.fits(each)]

    @property
    def standard(self) -> tuple[Standard, JudgeArgs | None]:
        """The one rubric by which texts are judged. Raises InputError for none, or for several."""
        wanted = self._wanted
        if wanted.kind == "refuses":
            return Standard("refuses", get("refuses").version), None
        if len(self._fitting) == 1:
            return self._fitting[0], self._standards[self._fitting[0]]
        own = [each for each in self._standards if each.kind == wanted.kind]
        if self._fitting or not wanted.rubric:
            names = [shown(each.rubric) for each in self._fitting or own]
            what = "prefer" if wanted.kind == "prefer" else "judge check"
            raise InputError(
                Problem(
                    f"the suites have {len(names)} rubrics"
                    if names
                    else f"no suite has a {what}, so no rubric is known",
                    found=first_of(names),
                    hint="name one: --rubric 'ITS BEGINNING'"
                    if names
                    else "give the rubric: --rubric TEXT, or the suites with it: --suite FILE",
                )
            )
        judge, rubric = wanted.judge or "", wanted.rubric.strip()
        if wanted.kind == "prefer":
            return Standard("prefer", PREFERENCE_VERSION, judge, rubric), None
        grade = wanted.grade or "rating"
        args = JudgeArgs.model_validate(
            {"rubric": rubric, "grade": grade, "backend": judge, "min": wanted.minimum or 4}
        )
        minimum = args.min if grade == "rating" else None
        return Standard("judge", get("judge").version, judge, rubric, grade, minimum), args

    def item(self, label: Label) -> tuple[LabelledItem, str]:
        """Return the item of a label, and what was said of it."""
        standard, args = self.standard
        name = label.id or label.case or f"line {label.line}"
        found = LabelledItem(
            answer=name,
            group=label.group or digest([label.system, label.prompt]),
            standard=standard,
            lengths=tuple(map(len, label.texts)),
        )
        system = (Message("system", label.system),) if label.system else ()
        context = Context((*system, Message("user", label.prompt)))
        if standard.kind == "refuses":
            _apply_rule(found, label.texts[0], label.prompt)
        elif standard.kind == "prefer":
            first, second = label.texts
            found.questions = both_orders(
                label.prompt,
                (first, second),
                standard.rubric,
                standard.backend,
                system=label.system,
                reference=label.reference,
            )
            if first == second:
                found.questions, found.verdict = (), TIE
        else:
            assert args is not None
            found.args = args.model_copy(update={"reference": label.reference})
            asked = judge_question(Answer(label.texts[0]), context, found.args)
            found.questions = (Question(asked, standard.backend),)
            if not label.texts[0].strip():
                found.questions, found.why = (), "the answer is empty: it fails unseen"
        found.apart = len(found.questions)
        found.at = tuple(Address(name, BASE, 0, place) for place in range(found.apart))
        return found, label.value


class LabelledRun:
    """Items of labels about answers of a run, with the suites as they are today."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        info: RunInfo,
        wanted: JudgeFilter,
        suites: Sequence[str],
        cases: frozenset[str],
    ) -> None:
        self.info, self._wanted = info, wanted
        loaded = load_selected(suites or suite_files(info, settings), settings)
        self._cases = {case.id: case for suite in loaded for case in suite.cases}
        self._tags = variant_tags(settings, info.variants)
        self._ids: dict[str, None] = {}
        self._results: dict[tuple[str, str, int], Result] = {}
        for result in store.results(info.id):
            self._ids[result.case] = None
            if result.case in cases:
                self._results[result.case, result.variant, result.repeat] = result
        earlier, _ = recalled_baseline(settings, info)
        self._baseline = info.baseline or ""
        if earlier is not None and wanted.kind == "prefer":
            for result in earlier.results():
                if result.case in cases and result.variant == earlier.name:
                    self._results[result.case, self._baseline, result.repeat] = result

    def item(self, label: Label) -> tuple[LabelledItem, str]:
        """Return the item of a label, and what was said of it: of a pair A is the candidate's.

        Raises ItemError for a label about no answer of the run, and OtherStandardError for one by
        a rubric that is not calibrated.
        """
        case = self._cases.get(label.case)
        if label.case not in self._ids or case is None:
            gone = label.case in self._ids
            raise ItemError(
                f"case {shown(label.case)} is {'in none of the suites any more' if gone else ''}"
                f"{'' if gone else f'not in run {self.info.id}'}",
                did_you_mean=nearest(label.case, self._cases if gone else self._ids),
            )
        if self._wanted.kind == "prefer":
            return self._pair(label, case)
        return self._single(label, case, self._result(label)), label.value

    def _result(self, label: Label) -> Result:
        """Find the answer that a label is about."""
        of_case = [one for (name, _, _), one in self._results.items() if name == label.case]
        if label.judgement:
            turn, wanted = label.judgement.turn, label.judgement.answers[0].digest
            found = [
                one
                for one in of_case
                if turn < len(one.responses) and answer_digest(one, turn) == wanted
            ]
            if not found:
                raise ItemError(f"run {self.info.id} gave another answer to {label.case}")
            return found[0]
        names = list(dict.fromkeys(one.variant for one in of_case))
        variant = label.variant or (names[0] if len(names) == 1 else "")
        if variant not in names:
            raise ItemError(
                f"variant {shown(variant)} gave no answer to {label.case}"
                if variant
                else f"several variants answered {label.case}: the row must say which",
                expected=f"variant: {' or '.join(names)}",
                did_you_mean=nearest(variant, names) if variant else "",
            )
        if (label.case, variant, label.repeat) not in self._results:
            repeats = sorted(one.repeat for one in of_case if one.variant == variant)
            raise ItemError(
                f"{label.case} of {variant} has no repeat {label.repeat}",
                expected=f"{repeats[0]} to {repeats[-1]}",
            )
        return self._results[label.case, variant, label.repeat]

    def _marks(self, case: Case, result: Result) -> tuple[Tag, ...]:
        """Return the marks of the reasoning in a result's answers."""
        own = self._tags.get(result.variant, DEFAULT_TAGS)
        variant = next((v for v in self.info.variants if v.name == result.variant), None)
        settled = variant is not None and variant.reasoning_parser is not None
        return ReasoningForm(tuple(own), settled=settled).in_case(case).tags

    def _single(self, label: Label, case: Case, result: Result) -> LabelledItem:
        """Return the item of one answer: of a turn that has a check of the kind."""
        kind = self._wanted.kind
        found = {
            turn: [
                check
                for check in judging_checks(case, turn)
                if self._wanted.fits(standard_of(check), label.criterion)
            ]
            for turn in range(len(case.turns))
        }
        turns = [turn for turn, checks in found.items() if checks]
        if kind == "refuses" and not turns:
            turns = list(found)
        turn = label.turn if label.turn is not None else turns[0] if len(turns) == 1 else None
        if not turns or (turn is not None and turn not in turns):
            if any(standard_of(c).kind == kind for t in found for c in judging_checks(case, t)):
                raise OtherStandardError
            raise ItemError(f"case {label.case} has no judge check")
        if turn is None:
            raise ItemError(
                f"{label.case} has several turns: the row must say which",
                expected=f"turn: {' or '.join(map(str, turns))} (from 0)",
            )
        marks, transcript = self._marks(case, result), transcript_of(result)
        said = {each.turn: each for each in exchanges(case, transcript, marks)}
        name = f"{case.id}[{result.variant}]" + (f" turn {turn}" if len(case.turns) > 1 else "")
        name += f" repeat {result.repeat}" if result.repeat else ""
        group = case.cluster or case.id
        if kind == "refuses":
            item = LabelledItem(name, group, Standard("refuses", get("refuses").version))
            if turn in said:
                answer = said[turn].answer
                _apply_rule(item, answer.text, said[turn].context.user, answer.finish_reason)
            else:
                item.why = "there is no answer"
            return item
        several = {standard_of(check): check for check in found[turn]}
        if len(several) > 1:
            raise ItemError(
                f"{label.case} is judged by {len(several)} rubrics: the row must say by which",
                found=first_of([shown(each.rubric) for each in several]),
                hint="name one: --rubric 'ITS BEGINNING', or criterion in the row",
            )
        ((standard, check),) = several.items()
        assert isinstance(check.args, JudgeArgs)
        item = LabelledItem(name, group, standard, args=check.args)
        if turn not in said or said[turn].missing:
            item.why = said[turn].missing if turn in said else "there is no answer"
            return item
        exchange = said[turn]
        item.lengths = (len(exchange.answer.text),)
        item.questions = check.questions(exchange.answer, exchange.context)
        try:
            every = questions(case, transcript, marks)
        except CheckBrokeError:
            every = item.questions
        places = [question.key for question in every]
        item.apart = len(asked_of(case)) + (2 if case.prefer else 0)
        item.at = tuple(
            Address(case.id, result.variant, result.repeat, places.index(question.key))
            for question in item.questions
        )
        return item

    def _pair(self, label: Label, case: Case) -> tuple[LabelledItem, str]:
        """Return the item of a candidate's answer, A, and the baseline's, B; and who is better."""
        if case.prefer is None:
            raise ItemError(f"case {label.case} has no prefer: nobody compares its answers")
        standard = standard_of(case.prefer)
        if not self._wanted.fits(standard, label.criterion):
            raise OtherStandardError
        mine, other = self._sides(label)
        sides = {
            **dict.fromkeys(("B", "baseline", other.variant), "B"),
            **dict.fromkeys(("A", "candidate", mine.variant), "A"),
            TIE: TIE,
        }
        choice = sides.get(label.value, "")
        if label.judgement:
            better = label.judgement.better
            is_mine = better == answer_digest(mine, label.judgement.turn)
            choice = TIE if better is None else "A" if is_mine else "B"
        if not choice:
            raise ItemError(
                f"{shown(label.value)} is no side of this pair",
                expected="A (the candidate), B (the baseline), tie, or the name of a variant",
                did_you_mean=nearest(label.value, sides),
            )
        item = LabelledItem(
            f"{case.id}[{mine.variant}]" + (f" repeat {mine.repeat}" if mine.repeat else ""),
            case.cluster or case.id,
            standard,
        )
        if min(len(mine.responses), len(other.responses)) < len(case.turns):
            item.why = "an answer is missing"
            return item, choice
        marks = [self._marks(case, one) for one in (mine, other)]
        item.lengths = tuple(map(len, shown_answers((mine, other), marks)))
        asked = pair_questions(case, mine, other, marks)
        if asked is None:
            item.verdict = TIE
            return item, choice
        item.questions = asked
        first = len(asked_of(case))
        item.apart = first + 2
        item.at = tuple(
            Address(case.id, mine.variant, mine.repeat, first + place) for place in range(2)
        )
        return item, choice

    def _sides(self, label: Label) -> tuple[Result, Result]:
        """Find the candidate's and the baseline's answer that a label is about."""
        theirs = {
            repeat: one
            for (case, variant, repeat), one in self._results.items()
            if case == label.case and variant == self._baseline
        }
        mine = [
            one
            for (case, variant, _), one in self._results.items()
            if case == label.case and variant != self._baseline
        ]
        if label.judgement:
            shown_to = {each.digest for each in label.judgement.answers}
            turn = label.judgement.turn
            for one in mine:
                other = theirs.get(one.repeat)
                digests = [
                    answer_digest(each, turn)
                    for each in (one, other)
                    if each is not None and turn < len(each.responses)
                ]
                if other is not None and set(digests) == shown_to:
                    return one, other
            raise ItemError("the run has no pair of these answers, baseline's included")
        names = list(dict.fromkeys(one.variant for one in mine))
        variant = label.variant or (names[0] if len(names) == 1 else "")
        found = [one for one in mine if (one.variant, one.repeat) == (variant, label.repeat)]
        if not found or label.repeat not in theirs:
            raise ItemError(
                f"{label.case} has no such pair of a candidate and the baseline",
                found=f"variant {variant or 'not said'}, repeat {label.repeat}",
                expected=f"variant: {' or '.join(names)}; baseline {self._baseline or 'none'}",
                did_you_mean=nearest(variant, names) if variant else "",
            )
        return found[0], theirs[label.repeat]


def _standards(case: Case) -> Iterator[tuple[Standard, JudgeArgs | None]]:
    """Yield by what a case is judged, with what its check says."""
    for turn in range(len(case.turns)):
        for check in judging_checks(case, turn):
            if isinstance(check.args, JudgeArgs):
                yield standard_of(check), check.args
    if case.prefer:
        yield standard_of(case.prefer), None


def _apply_rule(item: LabelledItem, text: str, user: str, finish_reason: str = "stop") -> None:
    """Let the rule label a refusal."""
    from harness.scorers.refusal import decide  # hundreds of patterns: only where it is asked

    found = decide(text, user, finish_reason)
    item.verdict, item.why = found.label or "", found.why
