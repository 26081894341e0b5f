"""Which languages a variant answers in, and whether an item passes in all of its languages."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from markupsafe import Markup

from harness.common import joined
from harness.reports.sections.base import (
    SHOWN,
    Figures,
    Frozen,
    Key,
    Section,
    heat_cell,
    judged,
    key_of,
    legend,
    share,
    table,
)
from harness.results import Outcome, Result, RunInfo

UNKNOWN = "cannot tell"


class WantedLanguage(Frozen):
    """Answers that should be in `language`: `kept` of `n` were, the others were in `instead`.

    Beside languages `instead` has `mixed`, where too little is in the wanted one, and `cannot
    tell`. The most frequent comes first.
    """

    language: str
    n: int
    kept: int
    instead: dict[str, int]


class PartialItem(Frozen):
    """An item that passes in some of its languages, and those in which it fails."""

    item: str
    fails: tuple[str, ...]


class LanguageParity(Frozen):
    """Items in two languages or more: those that pass in all of them, in none and in some.

    An item is a cluster of cases. The language of a case is the one that its `language` checks
    want, whichever variant's answer says so; a case without one stands under its id.
    """

    items: int
    in_all: int
    in_none: int
    in_some: tuple[PartialItem, ...]


class LanguagesRow(Figures):
    """Each wanted language by itself; `parity` is null where no item is in two languages."""

    languages: tuple[WantedLanguage, ...]
    parity: LanguageParity | None


@dataclass(slots=True)
class _Answers:
    n: int = 0
    kept: int = 0
    instead: Counter[str] = field(default_factory=Counter)


class LanguageSection(Section[LanguagesRow]):
    """One table per suite; every cell says its figure, and what the other answers were in.

    Below the tables: whether the same item passes in all of its languages.
    """

    name = "languages"
    figures = LanguagesRow
    title = "Languages"

    def __init__(self) -> None:
        self._answers: dict[Key, defaultdict[str, _Answers]] = {}
        # Whether each case of a cluster passed in all of its repeats.
        self._items: defaultdict[Key, defaultdict[str, dict[str, bool]]] = defaultdict(
            lambda: defaultdict(dict)
        )
        self._wanted: defaultdict[tuple[str, str], set[str]] = defaultdict(set)  # of a suite's case

    def see(self, result: Result) -> None:
        """Count the checks of a language that say which one was expected.

        An empty answer or an error in one language must not make an item pass in all of them;
        only what was skipped is left out.
        """
        if result.cluster is not None and result.outcome is not Outcome.SKIPPED:
            item = self._items[key_of(result)][result.cluster]
            passed = result.outcome is Outcome.PASS
            item[result.case] = item.get(result.case, True) and passed
        for check in result.checks:
            expected = check.detail.get("expected")
            if check.check != "language" or not isinstance(expected, str):
                continue
            self._wanted[result.suite, result.case].add(expected)
            if judged(result):
                answers = self._answers.setdefault(key_of(result), defaultdict(_Answers))[expected]
                answers.n += 1
                if check.passed:
                    answers.kept += 1
                else:
                    found = check.detail.get("language")
                    word = "mixed" if found == expected else str(found) if found else UNKNOWN
                    answers.instead[word] += 1

    def rows(self) -> Iterator[LanguagesRow]:
        """Yield a row for each variant of the suites in which an answer's language was checked."""
        suites = {suite for suite, _ in self._answers}
        for suite, variant in dict.fromkeys([*self._answers, *self._items]):
            parity = self._parity(suite, variant)
            answers: Mapping[str, _Answers] = self._answers.get((suite, variant), {})
            if suite in suites and (answers or parity):
                yield LanguagesRow(
                    suite=suite,
                    variant=variant,
                    languages=tuple(
                        WantedLanguage(
                            language=language,
                            n=found.n,
                            kept=found.kept,
                            instead=dict(found.instead.most_common()),
                        )
                        for language, found in sorted(answers.items())
                    ),
                    parity=parity,
                )

    def _parity(self, suite: str, variant: str) -> LanguageParity | None:
        """Count the variant's items in two languages or more by where they pass."""
        items: dict[str, dict[str, bool]] = {}
        for name, cases in sorted(self._items.get((suite, variant), {}).items()):
            wanted = {case: sorted(self._wanted[suite, case]) for case in cases}
            if len({language for languages in wanted.values() for language in languages}) > 1:
                item = items.setdefault(name, {})
                for case, passed in cases.items():
                    label = "/".join(wanted[case]) or case
                    item[label] = item.get(label, True) and passed
        if not items:
            return None
        return LanguageParity(
            items=len(items),
            in_all=sum(all(item.values()) for item in items.values()),
            in_none=sum(not any(item.values()) for item in items.values()),
            in_some=tuple(
                PartialItem(item=name, fails=tuple(sorted(k for k, ok in item.items() if not ok)))
                for name, item in items.items()
                if len(set(item.values())) > 1
            ),
        )

    @classmethod
    def markup(cls, rows: Sequence[LanguagesRow], run: RunInfo) -> Markup:
        """Return a table per suite, in the order of the run, and their parities below."""
        by_key = {(row.suite, row.variant): row for row in rows}
        tables, parities = [], []
        for suite in (suite.name for suite in run.suites):
            mine = [by_key[suite, v.name] for v in run.variants if (suite, v.name) in by_key]
            if mine:
                tables.append(_heat_map(suite, [row for row in mine if row.languages]))
                parities.append(_parity_table(suite, mine))
        return Markup(
            '<p class="legend">Share of answers in the language that was wanted (down), by '
            "variant (across), and what the others were in.</p>"
            '<div class="heats">{}</div>{}'
        ).format(Markup("").join(tables), Markup("").join(parities))


def _heat_map(suite: str, rows: Sequence[LanguagesRow]) -> Markup:
    """Return the grid of wanted languages and variants."""
    head = Markup("").join(Markup('<th scope="col">{}</th>').format(r.variant) for r in rows)
    grids = [{each.language: each for each in row.languages} for row in rows]
    lines = []
    for language in sorted({language for grid in grids for language in grid}):
        cells = []
        for answers in (grid.get(language) for grid in grids):
            if answers is None:
                cells.append(heat_cell(0, 0))
                continue
            others = [f"{name} {count}" for name, count in answers.instead.items()]
            instead = Markup("<span>{}</span>").format(joined(others, 3)) if others else ""
            cells.append(heat_cell(answers.kept, answers.n, instead))
        lines.append(
            Markup('<tr><th scope="row">{}</th>{}</tr>').format(language, Markup("").join(cells))
        )
    return Markup(
        '<div class="scroll" tabindex="0" role="region" aria-label="Languages of {}">'
        '<table class="heat"><caption>{}</caption><thead><tr><th scope="col">'
        '<span class="unseen">wanted</span></th>{}</tr></thead><tbody>{}</tbody></table></div>'
    ).format(suite, suite, head, Markup("").join(lines))


def _parity_table(suite: str, rows: Sequence[LanguagesRow]) -> Markup:
    """Return a table of the suite's variants; nothing where no item is in two languages."""
    cells = []
    for row in rows:
        if parity := row.parity:
            n, some = parity.items, len(parity.in_some)
            shares = share(parity.in_all / n, n), share(parity.in_none / n, n), share(some / n, n)
            fails = [f"{each.item} ({joined(each.fails, 6)})" for each in parity.in_some]
            cells.append((row.variant, *shares, joined(fails, SHOWN) or "–"))
    if not cells:
        return Markup("")
    intro = f"The same item in several languages, in {suite}: an item is a cluster of cases."
    head = ("Variant", "Passes in all languages", "in none", "in some", "Fails in")
    return legend(intro) + table(f"Parity of {suite}", head, cells)
