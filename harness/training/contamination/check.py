"""Training rows against every case of every gating suite."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.common import InputError, Problem, digest, encodable, plural, shown
from harness.suites import Suite
from harness.training.contamination.index import (
    OWN_WORDS,
    WHOLE,
    Index,
    Pieces,
    runs_in,
    template_texts,
)
from harness.training.contamination.ordinary import MISSING, is_known
from harness.training.contamination.rewordings import Rewordings
from harness.training.contamination.values import Guarded, GuardReport, GuardSettings, Hit, Kind
from harness.training.contamination.words import (
    Words,
    length,
    ngrams,
    shingles,
    spaced,
    squeezed,
    words,
)
from harness.training.values import TrainingRow

# So much of a text is shown in a hit.
_SHOWN = 200
Found = tuple[Kind, str, Sequence[int]]


class Guard:
    """Knows all that the gating cases say; `check` takes rows apart and looks for it.

    Cases that were retired from their suites do not gate: they may be trained on.
    """

    def __init__(self, suites: Iterable[Suite], settings: GuardSettings | None = None) -> None:
        self.suites = tuple(suites)
        self.settings = settings or GuardSettings()
        cases = [Pieces(case) for suite in self.suites for case in suite.cases]
        frames = [text for suite in self.suites for text in template_texts(suite)]
        self._index = Index(cases, self.settings, frames)
        self._rewordings: Rewordings | None = None
        if self.settings.model is not None:
            gating = [pieces.case for pieces in cases]
            self._rewordings = Rewordings(gating, self.settings.model, self.settings.reworded)

    def check(self, rows: Sequence[TrainingRow]) -> Guarded:
        """Return the rows that hold nothing of any case, and the finding.

        Raise InputError where so many are hit that the rows come from the cases.
        """
        hits = {at: hit for at, row in enumerate(rows) if (hit := self.hit(row))}
        kept = tuple(row for at, row in enumerate(rows) if at not in hits)
        reworded: dict[int, Hit] = {}
        if self._rewordings is not None:
            reworded = self._rewordings.hits(kept)
            kept = tuple(row for at, row in enumerate(kept) if at not in reworded)
        report = GuardReport(
            read=len(rows),
            kept=len(kept),
            cases=len(self._index.cases),
            cases_hash=digest(sorted(pieces.case.hash for pieces in self._index.cases)),
            suites=tuple(suite.name for suite in self.suites),
            hits=tuple(hits.values()),
            rewordings=None if self._rewordings is None else tuple(reworded.values()),
            notes=() if is_known() else (MISSING,),
        )
        count, settings = len(report.hits), self.settings
        if count > settings.max_hits and count > settings.max_share * report.read:
            often = Counter((hit.kind, hit.case, hit.text) for hit in report.hits).most_common(3)
            found = "; ".join(
                f"{kind} of case {case} in {times} rows: {shown(text)}"
                for (kind, case, text), times in often
            )
            raise InputError(
                Problem(
                    f"{count} of {report.read} training rows hold pieces of gating cases",
                    path=report.hits[0].source,
                    found=found,
                    expected=f"at most {settings.max_share:.0%}",
                    hint="take the rows from elsewhere, or give those cases to the pool with "
                    "retire:",
                )
            )
        return Guarded(kept, report)

    def hit(self, row: TrainingRow) -> Hit | None:
        """Return the strongest sign that a row holds a piece of a case, or None."""
        said = [words(text) for text in _texts(row)]
        signs = (  # the strongest first
            self._same_text(row),
            self._hidden(row, said),
            self._same_words(said),
            self._same_letters(row),
        )
        found = [sign for each in signs for sign in each]
        if not found:
            return None
        kind, text, cases = found[0]
        also = dict.fromkeys(at for _, _, others in found for at in others if at != cases[0])
        case = self._index.cases[cases[0]].case
        names = tuple(self._index.cases[at].case.id for at in also)
        return Hit(row.source, case.suite, case.id, kind, text[:_SHOWN], names)

    def _same_text(self, row: TrainingRow) -> Iterator[Found]:
        users = [message.content for message in row.messages if message.role == "user"]
        system = next((m.content for m in row.messages if m.role == "system"), "")
        whole = squeezed("\n".join(users))
        found = self._index.texts.get((squeezed(system), whole), [])
        # All that the user says, and each turn and each beginning that is no small talk.
        parts = [*users, *("\n".join(users[:count]) for count in range(2, len(users)))]
        texts = [whole, *(squeezed(part) for part in parts if length(words(part)) >= OWN_WORDS)]
        found = [*found, *(at for text in texts for at in self._index.loose.get(text, ()))]
        for at in dict.fromkeys(found):
            case = self._index.cases[at].case
            same = [turn.user for turn in case.turns] == users
            yield "exact" if same else "normalised", "\n".join(users), [at]

    def _hidden(self, row: TrainingRow, said: Sequence[Words]) -> Iterator[Found]:
        """Find hidden values; what a case's system prompt gives away, rows with it may say."""
        told = spaced(said[0]) if row.messages[0].role == "system" else ""
        for part in said:
            for value, cases in runs_in(part, self._index.values):
                if value not in self._index.given or spaced(words(value)) not in told:
                    yield "hidden_value", value, cases

    def _same_words(self, said: Iterable[Words]) -> Iterator[Found]:
        own = self._index.grams
        for part in said:
            for text, cases in runs_in(part, self._index.short):
                yield "n-gram", text, cases
            for gram in ngrams(part, self.settings.ngram):
                if gram in own:
                    yield "n-gram", " ".join(gram), [own[gram]]

    def _same_letters(self, row: TrainingRow) -> Iterator[Found]:
        own = self._index.shingles
        letters = squeezed("\n".join(_texts(row)))
        found = shingles(letters)
        shared = Counter(own[one] for one in found if one in own)
        for at, count in shared.most_common():
            size = self._index.sizes.get(at)
            if not size or count / size < self.settings.near:
                continue
            pieces = self._index.cases[at]
            if len(pieces.shingles & found) / len(pieces.shingles) >= WHOLE:
                yield "near_duplicate", "\n".join(pieces.asked), [at]


def _texts(row: TrainingRow) -> list[str]:
    """Return what each message says, with the arguments of its calls."""
    return [
        "\n".join(
            [
                message.content,
                message.reasoning,
                *(json.dumps(call.arguments, ensure_ascii=False) for call in message.tool_calls),
            ]
        )
        for message in row.messages
    ]


# So many hits are listed; all of them are in the JSON.
LISTED = 10


def print_guard(console: Console, report: GuardReport) -> None:
    """Print how many rows were held against how many cases, and a line for each hit."""
    found = plural(len(report.hits), "row") if report.hits else "no row"
    against = plural(report.cases, "gating case")
    line = f"Guard: {found} of {report.read} removed, held against {against}."
    console.print(line, markup=False, highlight=False)
    _print_hits(console, report.hits, "shared text")
    if report.rewordings is not None:
        found = plural(len(report.rewordings), "row") if report.rewordings else "no row"
        line = f"Second guard: {found} removed that may ask a case's question in other words."
        console.print(line, markup=False, highlight=False)
        _print_hits(console, report.rewordings, "cosine and question")
    for note in report.notes:
        console.print(f"note: {note}", markup=False, highlight=False)


def _print_hits(console: Console, hits: Sequence[Hit], what: str) -> None:
    if not hits:
        return
    table = Table("row", "case", "kind", what, box=None, pad_edge=False)
    for hit in hits[:LISTED]:
        cells = (hit.source, hit.case, hit.kind.replace("_", " "), shown(hit.text))
        table.add_row(*(Text(encodable(cell, console.encoding)) for cell in cells))
    console.print(table)
    if len(hits) > LISTED:
        rest = f"... and {len(hits) - LISTED} more"
        console.print(rest, markup=False, highlight=False)
