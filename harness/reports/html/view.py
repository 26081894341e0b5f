"""What the page's template is given: decisions, suites and the cases to look at first."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import TextIO

from markupsafe import Markup

from harness.common import VariantRole
from harness.gate import Verdict
from harness.reports.html.cases import FIELDS, Shortener, case_row
from harness.reports.html.drawing import DeltaScale, delta_strip, rate_strip, sparkline
from harness.reports.scorecard import Category, Gate, Scorecard, SuiteCard, VariantCard, embedded
from harness.reports.sections import all_sections
from harness.reports.templates import asset, content_policy, page_style, template
from harness.reports.words import drawn, listed, plural, sight
from harness.results import Outcome, Result

_NAMED = 3  # candidates that a headline names
FIRST = 3  # cases to look at first: what a reader takes in within a minute
LONGEST = 200  # characters of what broke; the case has it whole


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
        """At most three: errors, also the baseline's, where they decide; else failures."""
        kinds = [(variant, kind) for kind in ("required", "fail", "error")]
        if verdict is Verdict.ERROR:
            kinds = [(variant, "error"), (baseline, "error"), *kinds]
        names = [name for who, kind in kinds for name in self._names[suite, who, kind]]
        return tuple(dict.fromkeys(names))[:FIRST]

    def broken(self, suite: str, *variants: str) -> str:
        """The first error of these variants, in its own words; empty where there is none."""
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

    suite: str
    gate: Gate
    cases: tuple[CaseLink, ...]
    more: int
    broken: str


_DECISIONS = {  # the name of the candidate follows
    "deploy": "Deploy",
    "refuse": "Do not deploy",
    "open": "No decision on",
    "broken": "The run broke, no decision on",
}


@dataclass(frozen=True, slots=True)
class CandidateView:
    """One candidate: the decision in words, and why. `kind` is a key of `_DECISIONS`."""

    card: VariantCard
    kind: str
    decision: str
    blocking: tuple[Blocking, ...]
    facts: tuple[str, ...]
    cases: tuple[CaseLink, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RowView:
    """One variant in one suite."""

    row: Category
    baseline_rate: float | None
    standing: str


@dataclass(frozen=True, slots=True)
class SuiteView:
    """One suite: its bars and its sampling in words, and a row per variant."""

    suite: SuiteCard
    demands: str
    sampling: str
    rows: tuple[RowView, ...]


@dataclass(frozen=True, slots=True)
class PageView:
    """Everything above the cases."""

    headline: tuple[str, ...]
    candidates: tuple[CandidateView, ...]
    suites: tuple[SuiteView, ...]
    scale: DeltaScale


def page_view(scorecard: Scorecard, spotlight: Spotlight) -> PageView:
    """The view of a scorecard."""
    candidates = tuple(_candidate(card, scorecard, spotlight) for card in scorecard.candidates())
    return PageView(
        headline=_headline(candidates, scorecard.run.baseline),
        candidates=candidates,
        suites=tuple(_suite(suite, scorecard) for suite in _blocked_first(scorecard)),
        scale=DeltaScale.of(scorecard),
    )


def named_first(view: PageView) -> dict[tuple[str, str], tuple[str, ...]]:
    """The cases that the page names, by candidate and suite in its way; of a pass, by "" alone."""
    named = {}
    for candidate in view.candidates:
        name = candidate.card.name
        if not candidate.blocking:
            named[name, ""] = tuple(link.case for link in candidate.cases)
        for block in candidate.blocking:
            named[name, block.suite] = tuple(link.case for link in block.cases)
    return named


def _headline(candidates: tuple[CandidateView, ...], baseline: str | None) -> tuple[str, ...]:
    """The decision in one line: by name for a few candidates, by number for many."""
    if not candidates:
        return ("Nothing was gated",)
    if len(candidates) == 1:
        return (f"{candidates[0].decision} {candidates[0].card.name}",)
    names = {kind: [v.card.name for v in candidates if v.kind == kind] for kind in _DECISIONS}
    undecided = names["open"] + names["broken"]
    deploy = f"replace {baseline}" if baseline else "be deployed"
    if len(candidates) > _NAMED:
        count = len(names["deploy"]) or "None"
        return (f"{count} of {len(candidates)} candidates may {deploy}",)
    parts = [
        f"{listed(names['deploy'])} may {deploy}" if names["deploy"] else "",
        f"{listed(names['refuse'])} must not" if names["refuse"] else "",
        f"no decision on {listed(undecided)}" if undecided else "",
    ]
    if not names["deploy"] and names["refuse"]:
        parts[1] = f"{listed(names['refuse'])} must not {deploy}"
    return tuple(part for part in parts if part)


def _candidate(card: VariantCard, scorecard: Scorecard, spotlight: Spotlight) -> CandidateView:
    rows = scorecard.rows(variant=card.name)
    gates = {row.suite: row.gate for row in rows if row.gate}
    kind = _kind(card, gates)
    against = scorecard.run.baseline or ""
    return CandidateView(
        card=card,
        kind=kind,
        decision=_DECISIONS[kind],
        blocking=tuple(
            _blocking(suite, gates[suite], card.name, spotlight, against)
            for suite in card.blocked_by
        ),
        facts=_facts(gates),
        cases=_worth_a_look(card, gates, spotlight),
        warnings=tuple(f"{r.suite}: {text}" for r in rows for text in scorecard.warnings_of(r)),
    )


def _kind(card: VariantCard, gates: dict[str, Gate]) -> str:
    found = {gate.verdict for gate in gates.values()}
    if card.verdict is Verdict.PASS:
        return "deploy"
    if found & {Verdict.REGRESSED, Verdict.BELOW_THRESHOLD}:
        return "refuse"
    return "broken" if card.verdict is Verdict.ERROR else "open"


def _blocking(
    suite: str, gate: Gate, variant: str, spotlight: Spotlight, baseline: str
) -> Blocking:
    """Of a regression the cases that got worse tell most; else those that fail or broke."""
    worse = gate.worse if gate.verdict in (Verdict.REGRESSED, Verdict.INCONCLUSIVE) else ()
    names = worse
    if gate.verdict is not Verdict.REGRESSED:
        found = spotlight.cases(suite, variant, gate.verdict, baseline)
        names = tuple(dict.fromkeys((*worse, *found)))
    return Blocking(
        suite=suite,
        gate=gate,
        cases=tuple(CaseLink(suite, case, variant) for case in names[:FIRST]),
        more=max(0, len(worse) - FIRST),
        broken=spotlight.broken(suite, variant, baseline) if gate.verdict is Verdict.ERROR else "",
    )


def _facts(gates: dict[str, Gate]) -> tuple[str, ...]:
    """What a pass is worth: how much changed, and what could have stayed unseen."""
    compared = {suite: gate for suite, gate in gates.items() if gate.delta is not None}
    if not compared:
        return ()
    better = sum(len(gate.better) for gate in compared.values())
    worse = sum(len(gate.worse) for gate in compared.values())
    facts = [f"{plural(better, 'case')} got better, {worse:,} got worse."]
    facts.append(sight({suite: gate.sees for suite, gate in compared.items()}))
    return tuple(filter(None, facts))


def _worth_a_look(
    card: VariantCard, gates: dict[str, Gate], spotlight: Spotlight
) -> tuple[CaseLink, ...]:
    """Of a pass: what got worse, then gains that a warning doubts, then what fails."""
    worse = [(suite, case) for suite, gate in gates.items() for case in gate.worse]
    doubted = [(s, case) for s, gate in gates.items() if gate.warnings for case in gate.better]
    failing = [
        (suite, case)
        for suite, gate in gates.items()
        for case in spotlight.cases(suite, card.name, gate.verdict, "")
    ]
    found = dict.fromkeys([*worse, *doubted, *failing])
    return tuple(CaseLink(suite, case, card.name) for suite, case in found)[:FIRST]


def _blocked_first(scorecard: Scorecard) -> list[SuiteCard]:
    blocked = {suite for card in scorecard.variants for suite in card.blocked_by}
    return sorted(scorecard.run.suites, key=lambda suite: suite.name not in blocked)


def _suite(suite: SuiteCard, scorecard: Scorecard) -> SuiteView:
    rows = scorecard.rows(suite=suite.name)
    baseline = next((r.pass_rate for r in rows if r.role is VariantRole.BASELINE), None)
    return SuiteView(
        suite=suite,
        demands=_demands(suite),
        sampling=drawn(suite.sampling),
        rows=tuple(RowView(row, baseline if row.gate else None, _standing(row)) for row in rows),
    )


def _standing(row: Category) -> str:
    if row.role is not VariantRole.CANDIDATE:
        return row.role.value
    return f"partial: {row.partial}" if row.partial else "no verdict"


def _demands(suite: SuiteCard) -> str:
    gate = suite.gate
    parts = []
    if gate.min_pass_rate is not None:
        parts.append(f"at least {gate.min_pass_rate * 100:g} % must pass")
    if gate.policy == "non_inferiority":
        parts.append(f"must be shown to lose less than {gate.margin * 100:g} points")
    elif gate.margin:
        parts.append(f"may lose up to {gate.margin * 100:g} points")
    else:
        parts.append("must not get worse")
    return "; ".join(parts)


PACKAGE = "harness.reports.html"
SCRIPTS = ("data.js", "differences.js", "panel.js", "list.js")


class Page:
    """The page of a run: sees all results, then writes them; it never holds them all."""

    def __init__(self, scorecard: Scorecard) -> None:
        self._card = scorecard
        self._spotlight, self._shortener = Spotlight(), Shortener()
        self._sections = all_sections(scorecard)

    def see(self, result: Result) -> None:
        """Take one result."""
        self._spotlight.see(result)
        self._shortener.see(result)
        for section in self._sections:
            section.see(result)

    def named_first(self) -> dict[tuple[str, str], tuple[str, ...]]:
        """The cases that it names, once all results were seen, as `view.named_first` has them."""
        return named_first(page_view(self._card, self._spotlight))

    def write(self, file: TextIO, results: Iterable[Result]) -> None:
        """Write the page; `results` are those that were seen, in the same order."""
        style, script = page_style(), _script()
        parts = template(PACKAGE, "page.html.jinja").generate(
            view=page_view(self._card, self._spotlight),
            card=self._card,
            scorecard_json=Markup(embedded(self._card.model_dump(mode="json"))),
            cases_json=_cases(self._card, results, self._shortener),
            cut=self._shortener.limit if self._shortener.cuts else None,
            sections=[section for section in self._sections if section.filled],
            style=Markup(style),
            script=Markup(script),
            policy=content_policy(style, script),
            rate_strip=rate_strip,
            delta_strip=delta_strip,
            sparkline=sparkline,
        )
        for part in parts:
            file.write(part)


def write_page(file: TextIO, scorecard: Scorecard, results: Callable[[], Iterable[Result]]) -> None:
    """Write the page; `results` gives all results from the start each time it is called."""
    page = Page(scorecard)
    for result in results():
        page.see(result)
    page.write(file, results())


def _cases(
    scorecard: Scorecard, results: Iterable[Result], shortener: Shortener
) -> Iterator[Markup]:
    """The embedded cases, piece by piece."""
    suites = [suite.name for suite in scorecard.run.suites]
    variants = [variant.name for variant in scorecard.variants]
    yield Markup('{"fields":' + embedded(list(FIELDS)) + ',"rows":[\n')
    for number, result in enumerate(results):
        row = case_row(result, suites, variants, shortener.earlier(number), shortener)
        yield Markup((",\n" if number else "") + embedded(row))
    yield Markup("\n]}")


@cache
def _script() -> str:
    body = "\n".join(asset(PACKAGE, name) for name in SCRIPTS)
    return f'(() => {{\n"use strict";\n{body}\n}})();'
