"""The same item in several languages: where it passes, and where it does not."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

from markupsafe import Markup

from harness.reports.sections.table import Cell, legend, share, table
from harness.reports.words import listed
from harness.results import Outcome, Result

_SHOWN = 8  # items of a row
_HEAD = ("Variant", "Passes in all languages", "in none", "in some", "Fails in")
_Item = dict[str, bool]  # whether each case of a cluster passed, in all of its repeats


class Parity:
    """Clusters with cases in two languages or more, by suite and variant.

    The language of a case is the one that its `language` checks want, whichever variant's answer
    says so. A case without one stands for itself: an empty answer or an error in one language
    must not make the item pass in all.
    """

    def __init__(self) -> None:
        self._items: dict[tuple[str, str], defaultdict[str, _Item]] = {}
        self._languages: defaultdict[tuple[str, str], set[str]] = defaultdict(set)

    def see(self, result: Result) -> None:
        """Take one result; what was skipped is left out."""
        if result.cluster is None or result.outcome is Outcome.SKIPPED:
            return
        items = self._items.setdefault((result.suite, result.variant), defaultdict(dict))
        item, passed = items[result.cluster], result.outcome is Outcome.PASS
        item[result.case] = item.get(result.case, True) and passed
        for check in result.checks:
            wanted = check.detail.get("expected")
            if check.check == "language" and isinstance(wanted, str):
                self._languages[result.suite, result.case].add(wanted)

    def markup(self, suite: str, variants: list[str]) -> Markup:
        """A table of the suite's variants; nothing where no item is in two languages."""
        rows = [
            _row(variant, items)
            for variant in variants
            if (items := dict(self._parallel(suite, variant)))
        ]
        if not rows:
            return Markup("")
        intro = f"The same item in several languages, in {suite}: an item is a cluster of cases."
        return legend(intro) + table(f"Parity of {suite}", _HEAD, rows)

    def _parallel(self, suite: str, variant: str) -> Iterator[tuple[str, _Item]]:
        """Each item in two languages or more, by language."""
        for name, cases in sorted(self._items.get((suite, variant), {}).items()):
            known = {language for case in cases for language in self._languages[suite, case]}
            if len(known) > 1:
                item: _Item = {}
                for case, passed in cases.items():
                    label = "/".join(sorted(self._languages[suite, case])) or case
                    item[label] = item.get(label, True) and passed
                yield name, item


def _row(variant: str, items: Mapping[str, _Item]) -> tuple[Cell, ...]:
    n = len(items)
    whole = sum(all(item.values()) for item in items.values())
    none = sum(not any(item.values()) for item in items.values())
    some = {name: item for name, item in items.items() if len(set(item.values())) > 1}
    fails = [
        f"{name} ({listed(sorted(k for k, passed in item.items() if not passed), 6)})"
        for name, item in some.items()
    ]
    shares = (share(whole / n, n), share(none / n, n), share(len(some) / n, n))
    return (variant, *shares, listed(fails, _SHOWN) or "–")
