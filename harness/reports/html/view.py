"""What the page's template is given: decisions, suites and the cases to look at first."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from itertools import islice
from typing import Any, TextIO

from markupsafe import Markup

from harness.common import HUMAN, JsonValue, VariantRole, joined, percent, plural
from harness.reports.document import ScorecardDocument, embedded, publish
from harness.reports.drawing import DeltaScale, delta_strip, rate_strip
from harness.reports.history import basis_of
from harness.reports.html.cases import FIELDS, Shortener, asked, case_row
from harness.reports.lines import changed_in, day, line_of, points_of, scale_of
from harness.reports.scorecard import Scorecard, VariantVerdict
from harness.reports.sections import SECTIONS
from harness.reports.templates import asset, content_policy, page_style, template
from harness.reports.words import answered, drawn, enough, sight
from harness.results import Outcome, PairJudgement, Past, Result, SuiteInfo, SuiteResult, Verdict

_NAMED = 3  # candidates that a headline names
FIRST = 3  # cases to look at first: what a reader takes in within a minute
LONGEST = 200  # characters of what broke; the case has it whole
PORTION = 5_000  # results that a browser reads at once: a tenth of a second
MOST_FIRST = 1_000  # cases that are read before all others, and again with them
_DECISIONS = {  # the name of the candidate follows
    "deploy": "Deploy",
    "small": "No loss found in",
    "reached": "Bars reached by",
    "refuse": "Do not deploy",
    "open": "No decision on",
    "broken": "The run broke, no decision on",
}
PACKAGE = "harness.reports.html"
SCRIPTS = ("data.js", "differences.js", "panel.js", "list.js")


class Spotlight:
    """The first cases of each suite and variant that are worth a look.

    Keeps a few names per suite, variant and kind, however many results it sees.
    """

    def __init__(self) -> None:
        self._names: defaultdict[tuple[str, str, str], list[str]] = defaultdict(list)
        self._broken: dict[tuple[str, str], str] = {}

    def see(self, result: Result) -> None:
        """Take one result."""
        if result.outcome not in (Outcome.FAIL, Outcome.ERROR):
            return
        if result.outcome is Outcome.ERROR:
            self._broken.setdefault((result.suite, result.variant), result.reason)
        kinds = [result.outcome.value] + (["required"] if result.required else [])
        for kind in kinds:
            names = self._names[result.suite, result.variant, kind]
            if len(names) < FIRST and result.case not in names:
                names.append(result.case)

    def cases(self, suite: str, variant: str, verdict: Verdict, baseline: str) -> tuple[str, ...]:
        """Return at most three: errors, also the baseline's, where they decide; else failures."""
        kinds = [(variant, kind) for kind in ("required", "fail", "error")]
        if verdict is Verdict.ERROR:
            kinds = [(variant, "error"), (baseline, "error"), *kinds]
        names = [name for who, kind in kinds for name in self._names[suite, who, kind]]
        return tuple(dict.fromkeys(names))[:FIRST]

    def broken(self, suite: str, *variants: str) -> str:
        """Return the first error of these variants, in its own words; empty where there is none."""
        reasons = (self._broken[key] for who in variants if (key := (suite, who)) in self._broken)
        first = " ".join(next(reasons, "").split())
        return first if len(first) <= LONGEST else first[:LONGEST] + " …"


@dataclass(frozen=True, slots=True)
class CaseLink:
    """A case to open in the page."""

    suite: str
    case: str
    variant: str

    @property
    def href(self) -> str:
        """The fragment that the page's script opens; all three names are free of odd letters."""
        return f"#case/{self.suite}/{self.case}/{self.variant}"


@dataclass(frozen=True, slots=True)
class Blocking:
    """A suite that stands in a candidate's way; `broken` says what machinery said, if it broke."""

    row: SuiteResult
    cases: tuple[CaseLink, ...]
    more: int
    broken: str


@dataclass(frozen=True, slots=True)
class CandidateView:
    """One candidate: the decision in words, and why. `kind` is a key of `_DECISIONS`.

    `better` names the suites in which it is better than the baseline by its 95 % interval.
    """

    card: VariantVerdict
    kind: str
    blocking: tuple[Blocking, ...]
    facts: tuple[str, ...]
    cases: tuple[CaseLink, ...]
    warnings: tuple[str, ...]
    better: tuple[str, ...] = ()

    @property
    def decision(self) -> str:
        """The decision; the name follows."""
        return _DECISIONS[self.kind]


@dataclass(frozen=True, slots=True)
class RowView:
    """One variant in one suite; `history` are its rates in earlier runs and in this one."""

    row: SuiteResult
    baseline_rate: float | None
    standing: str
    history: HistoryView | None = None


@dataclass(frozen=True, slots=True)
class HistoryView:
    """Rates over time, as a line and in words."""

    drawing: Markup
    summary: str
    spoken: str


@dataclass(frozen=True, slots=True)
class SuiteView:
    """One suite: its bars and its sampling in words, and a row per variant."""

    suite: SuiteInfo
    demands: str
    sampling: str
    rows: tuple[RowView, ...]


@dataclass(frozen=True, slots=True)
class PageView:
    """Everything above the cases.

    `matrix` holds a row for each suite, with the result of each of the candidates, None where it
    has none; it is empty for fewer than two.
    """

    headline: tuple[str, ...]
    candidates: tuple[CandidateView, ...]
    suites: tuple[SuiteView, ...]
    scale: DeltaScale
    matrix: tuple[tuple[str, tuple[SuiteResult | None, ...]], ...] = ()

    @property
    def named_first(self) -> dict[tuple[str, str], tuple[str, ...]]:
        """The cases that the page names, by candidate and suite in its way; "" for a pass."""
        named = {}
        for candidate in self.candidates:
            name = candidate.card.name
            if not candidate.blocking:
                named[name, ""] = tuple(link.case for link in candidate.cases)
            for block in candidate.blocking:
                named[name, block.row.suite] = tuple(link.case for link in block.cases)
        return named


def suites_markup(scorecard: Scorecard) -> Markup:
    """Return the suites of a scorecard as its page draws them: rates, changes and reasons."""
    view = page_view(scorecard, Spotlight())
    drawing = {"rate_strip": rate_strip, "delta_strip": delta_strip}
    return Markup(
        template(PACKAGE, "suites.html.jinja").render(view=view, card=scorecard, **drawing)
    )


def headline_of(scorecard: Scorecard) -> str:
    """Return the decision in one line: "Deploy new; better in invoices"."""
    return "; ".join(page_view(scorecard, Spotlight()).headline)


def page_view(scorecard: Scorecard, spotlight: Spotlight) -> PageView:
    """Return the view of a scorecard: suites that stand in somebody's way come first."""
    candidates = tuple(_candidate(card, scorecard, spotlight) for card in scorecard.candidates())
    blocked = {suite for card in scorecard.variants for suite in card.blocked_by}
    suites = sorted(scorecard.run.suites, key=lambda suite: suite.name not in blocked)
    matrix = [
        (
            suite.name,
            tuple(
                next(iter(scorecard.rows(suite=suite.name, variant=each.card.name)), None)
                for each in candidates
            ),
        )
        for suite in suites
    ]
    return PageView(
        matrix=tuple(matrix) if len(candidates) > 1 else (),
        headline=_headline(candidates, scorecard.run.baseline),
        candidates=candidates,
        suites=tuple(_suite(suite, scorecard) for suite in suites),
        scale=DeltaScale.of(scorecard.gate.suites),
    )


def _headline(candidates: tuple[CandidateView, ...], baseline: str | None) -> tuple[str, ...]:
    """Say the decision in one line: by name for a few candidates, by number for many."""
    if not candidates:
        return ("Nothing was gated",)
    if len(candidates) == 1:
        (only,) = candidates
        better = f"better in {joined(only.better)}" if only.better else ""
        return tuple(filter(None, (f"{only.decision} {only.card.name}", better, only.card.sight)))
    names = {kind: [v.card.name for v in candidates if v.kind == kind] for kind in _DECISIONS}
    undecided = names["open"] + names["broken"]
    few = names["small"] + names["reached"]
    deploy = f"replace {baseline}" if baseline else "be deployed"
    found = "no loss found in" if baseline else "bars reached by"
    if len(candidates) > _NAMED:
        count = len(names["deploy"]) or "None"
        parts = [f"{count} of {len(candidates)} candidates may {deploy}"]
        if few:
            parts.append(f"{found} {len(few)} more, on few cases")
        return tuple(parts)
    refused = f"must not {'' if names['deploy'] else deploy}".strip()
    parts = [
        f"{joined(names['deploy'])} may {deploy}" if names["deploy"] else "",
        f"{found} {joined(few)}, on few cases" if few else "",
        f"{joined(names['refuse'])} {refused}" if names["refuse"] else "",
        f"no decision on {joined(undecided)}" if undecided else "",
    ]
    first, *others = filter(None, parts)
    if first in (parts[1], parts[3]):  # a sentence; the others begin with a name
        first = first[0].upper() + first[1:]
    return (first, *others)


def _candidate(card: VariantVerdict, scorecard: Scorecard, spotlight: Spotlight) -> CandidateView:
    """Say what was decided on a candidate, and which cases to look at.

    Of a regression those that got worse tell most; else those that fail or broke. Of a pass: what
    got worse, then gains that a warning doubts, then what fails.
    """
    name, baseline = card.name, scorecard.run.baseline or ""
    rows = {row.suite: row for row in scorecard.rows(variant=name)}
    decided = [row for row in rows.values() if row.verdict is not None]
    kind = "broken" if card.verdict is Verdict.ERROR else "open"
    if {row.verdict for row in decided} & {Verdict.REGRESSED, Verdict.BELOW_THRESHOLD}:
        kind = "refuse"
    if card.verdict is Verdict.PASS:
        kind = "deploy"
        if card.sight:
            kind = "small" if baseline else "reached"
    blocking = []
    for row in (rows[suite] for suite in card.blocked_by):
        assert row.verdict is not None
        told = row.verdict in (Verdict.REGRESSED, Verdict.INCONCLUSIVE)
        worse = row.got_worse if told else ()
        names = worse
        if row.verdict is not Verdict.REGRESSED:
            found = spotlight.cases(row.suite, name, row.verdict, baseline)
            names = tuple(dict.fromkeys((*worse, *found)))
        broke = row.verdict is Verdict.ERROR
        blocking.append(
            Blocking(
                row=row,
                cases=tuple(CaseLink(row.suite, case, name) for case in names[:FIRST]),
                more=max(0, len(worse) - FIRST),
                broken=spotlight.broken(row.suite, name, baseline) if broke else "",
            )
        )
    compared = {row.suite: row.comparison for row in decided if row.comparison}
    facts = []
    if compared:  # what a pass is worth: how much changed, and what could have stayed unseen
        better = sum(len(seen.better) for seen in compared.values())
        lost = sum(len(seen.worse) for seen in compared.values())
        facts = [
            f"{plural(better, 'case')} got better, {lost:,} got worse.",
            enough(decided)
            if card.sight
            else sight({suite: seen.sees for suite, seen in compared.items()}),
        ]
    facts += [
        f"{row.suite}: a judge preferred {name} in {plural(seen.wins, 'pair')} of answers and "
        f"{seen.baseline} in {seen.losses}, {seen.ties} {'was' if seen.ties == 1 else 'were'} tied."
        for row in decided
        if (seen := row.preference)
    ]
    doubted = {row.suite for row in decided if row.warnings}
    look = dict.fromkeys(
        [
            *((suite, case) for suite, seen in compared.items() for case in seen.worse),
            *((s, case) for s, seen in compared.items() if s in doubted for case in seen.better),
            *(
                (row.suite, case)
                for row in decided
                if row.verdict is not None
                for case in spotlight.cases(row.suite, name, row.verdict, "")
            ),
        ]
    )
    return CandidateView(
        card=card,
        kind=kind,
        blocking=tuple(blocking),
        facts=tuple(filter(None, facts)),
        cases=tuple(CaseLink(suite, case, name) for suite, case in look)[:FIRST],
        better=tuple(suite for suite, seen in compared.items() if seen.low > 0),
        warnings=tuple(
            f"{row.suite}: {text}" for row in rows.values() for text in scorecard.warnings_of(row)
        ),
    )


def _history(
    row: SuiteResult, scorecard: Scorecard, scale: tuple[float, float]
) -> HistoryView | None:
    """Return a row's line: the earlier runs, and this one where it has a rate."""
    trend, run = scorecard.trend(row), scorecard.run
    if trend is None:
        return None
    past = list(trend.points)
    if row.rate.n and not row.rate.broken and not row.partial:
        now = basis_of(scorecard, row)
        past.append(Past(run.id, run.started, row.rate.pass_rate, row.verdict, now))
    if len(past) < 2:
        return None
    bar = next(suite.gate.min_pass_rate for suite in run.suites if suite.name == row.suite)
    days = day(past[0].started), day(past[-1].started)
    return HistoryView(
        drawing=line_of(points_of(past), scale, bar=None if row.tries else bar, days=days),
        summary="; ".join(filter(None, (f"{len(past)} runs", changed_in(past)))),
        spoken=", ".join(percent(each.pass_rate, 0) for each in past),
    )


def _suite(suite: SuiteInfo, scorecard: Scorecard) -> SuiteView:
    """Say what a suite demands, and how each variant stands without a verdict."""
    kept = [point.pass_rate for trend in scorecard.history for point in trend.points]
    shown = {(trend.suite, trend.variant) for trend in scorecard.history}
    kept += [r.rate.pass_rate for r in scorecard.gate.suites if (r.suite, r.variant) in shown]
    scale = scale_of(kept)  # one for the page
    gate, demands = suite.gate, []
    if gate.min_pass_rate is not None:
        what = f"{gate.on} of at least" if gate.tries else "at least"
        end = "" if gate.tries else " must pass"
        demands.append(f"{what} {gate.min_pass_rate * 100:g} %{end}")
    elif gate.tries:
        demands.append(f"judged by {gate.on}")
    if gate.on == HUMAN:
        demands.insert(0, f"decided by people, who judge at least {gate.min_judged} cases")
    if gate.policy == "non_inferiority":
        demands.append(f"must be shown to lose less than {gate.margin * 100:g} points")
    elif gate.margin:
        demands.append(f"may lose up to {gate.margin * 100:g} points")
    else:
        demands.append("must not get worse")
    found = scorecard.rows(suite=suite.name)
    bases = [row.rate for row in found if row.role is VariantRole.BASELINE]
    baseline = bases[0].pass_rate if bases and bases[0].n else None
    rows = []
    for row in found:
        standing = f"partial: {row.partial}" if row.partial else "no verdict"
        if row.role is not VariantRole.CANDIDATE:
            standing = row.role.value
        known = baseline if row.verdict else None
        rows.append(RowView(row, known, standing, _history(row, scorecard, scale)))
    return SuiteView(suite, "; ".join(demands), drawn(suite.sampling), tuple(rows))


class ScorecardPage:
    """The page of a run: sees all results, then writes them; it never holds them all."""

    def __init__(
        self,
        scorecard: Scorecard,
        document: ScorecardDocument | None = None,
        judgements: Iterable[PairJudgement] = (),
    ) -> None:
        self._card, self._document = scorecard, document or publish(scorecard)
        self._judged = {(j.suite, j.case, j.variant, j.repeat): j for j in judgements}
        self._spotlight, self._shortener = Spotlight(), Shortener()
        self._suites = [suite.name for suite in scorecard.run.suites]
        self._variants = [variant.name for variant in scorecard.variants]
        self._candidates = {card.name for card in scorecard.candidates()}
        self._failing: dict[tuple[str, str], None] = {}
        self._seen = 0

    def see(self, result: Result) -> None:
        """Take one result."""
        self._spotlight.see(result)
        self._shortener.see(result)
        self._seen += 1
        failed = result.outcome in (Outcome.FAIL, Outcome.ERROR)
        if failed and result.variant in self._candidates and len(self._failing) < MOST_FIRST:
            self._failing[result.suite, result.case] = None

    def named_first(self) -> dict[tuple[str, str], tuple[str, ...]]:
        """Return the cases that it names, once all results were seen, as in `PageView`."""
        return page_view(self._card, self._spotlight).named_first

    def write(self, file: TextIO, results: Iterable[Result]) -> None:
        """Write the page; `results` are those that were seen, in the same order."""
        card, style = self._card, page_style()
        tried = tuple(row for row in card.gate.suites if row.pass_at_k)
        figures: dict[str, tuple[Any, ...]] = {
            **card.extras,
            "noise": card.noise,
            "tries": tried,
            "prefer": tuple(row for row in card.gate.suites if row.preference),
            "slices": tuple(row for row in card.gate.suites if row.slices),
            "behaviour": tuple(row for row in card.gate.suites if row.behaviour),
            "judged": tuple(suite for suite in card.run.suites if suite.judged),
        }
        parts = template(PACKAGE, "page.html.jinja").generate(
            view=page_view(card, self._spotlight),
            card=card,
            answered=answered(card.run),
            scorecard_json=Markup(embedded(self._document.to_value())),
            portions=self._cases(results),
            cut=self._shortener.limit if self._shortener.cuts else None,
            sections=[
                (kind.title, kind.markup(rows, card.run))
                for kind in SECTIONS
                if (rows := figures.get(kind.name))
            ],
            style=Markup(style),
            script=Markup(_script()),
            policy=content_policy(style, _script()),
            rate_strip=rate_strip,
            delta_strip=delta_strip,
        )
        for part in parts:
            file.write(part)

    def _cases(self, results: Iterable[Result]) -> Iterator[Markup]:
        """Yield the elements with the cases, piece by piece, a portion each.

        Where there are several, one more holds the cases again that a reader wants first, to be
        shown before the browser has read the others.
        """
        portion, number, last = _Portion("cases-data", self._row), 0, None
        first = _Portion("cases-first", self._row)
        wanted = self._wanted_first() if self._seen > PORTION else set()
        kept = []
        for result in results:
            case = (result.suite, result.case)
            if portion.rows >= PORTION and case != last:
                yield portion.end()
                number += 1
                portion = _Portion(f"cases-data-{number}", self._row)
            yield portion.add(result)
            last = case
            if case in wanted:
                kept.append(first.add(result))
        yield portion.end()
        if kept:
            yield from kept
            yield first.end()

    def _row(self, result: Result, earlier: int | None) -> list[JsonValue]:
        judged = self._judged.get((result.suite, result.case, result.variant, result.repeat))
        return case_row(result, self._suites, self._variants, earlier, self._shortener, judged)

    def _wanted_first(self) -> set[tuple[str, str]]:
        """Return suites and cases: what got worse, what fails for a candidate, what got better."""
        compared = [(row.suite, row.comparison) for row in self._card.gate.suites if row.comparison]
        worse = [(suite, case) for suite, found in compared for case in found.worse]
        better = [(suite, case) for suite, found in compared for case in found.better]
        wanted = dict.fromkeys([*worse, *self._failing, *better])
        return set(islice(wanted, MOST_FIRST))


class _Portion:
    """An element with results that the browser reads together; each prompt stands in it once."""

    def __init__(self, name: str, row: Callable[[Result, int | None], list[JsonValue]]) -> None:
        self._name, self._row = name, row
        self._prompts: dict[bytes, int] = {}  # by their hash: no text is kept
        self.rows = 0

    def add(self, result: Result) -> Markup:
        """Return the next piece, with one result more."""
        number, text = self.rows, repr(asked(result))
        prompt = blake2b(text.encode(), digest_size=16).digest()
        before = ",\n" if number else self._head()
        earlier = self._prompts.setdefault(prompt, number)
        self.rows += 1
        return Markup(before + embedded(self._row(result, None if earlier == number else earlier)))

    def end(self) -> Markup:
        """Return the last piece."""
        return Markup(("" if self.rows else self._head()) + "\n]}</script>\n")

    def _head(self) -> str:
        opened = f'<script type="application/json" class="cases" id="{self._name}">'
        return f'{opened}{{"fields":{embedded(list(FIELDS))},"rows":[\n'


@cache
def _script() -> str:
    body = "\n".join(asset(PACKAGE, name) for name in SCRIPTS)
    return f'(() => {{\n"use strict";\n{body}\n}})();'
