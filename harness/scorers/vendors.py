"""The makers of language models and the names of their models, from `vendors.yaml`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files

import regex
import yaml


@dataclass(frozen=True, slots=True)
class Vendor:
    """A maker, its names and those of its models.

    `common` names are everyday words or given names too, and count only beside a self-description.
    """

    maker: str
    names: tuple[str, ...]
    common: tuple[str, ...] = ()

    @property
    def all_names(self) -> tuple[str, ...]:
        """Return every name, the maker's first."""
        return (self.maker, *self.names, *self.common)


# The scripts of the list in which words stand between spaces.
_SPACED = r"\p{Latin}\p{Cyrillic}\p{Greek}"


@cache
def vendors() -> tuple[Vendor, ...]:
    """Return the whole list."""
    rows = yaml.safe_load(files("harness.scorers").joinpath("vendors.yaml").read_text("utf-8"))
    return tuple(
        Vendor(row["maker"], tuple(row["names"]), tuple(row.get("common", ()))) for row in rows
    )


# Letters that match each other in either case, and that `casefold` takes apart.
_DOTLESS = str.maketrans({"İ": "i", "ı": "i"})


def _folded(text: str) -> str:
    return text.translate(_DOTLESS).casefold()


@dataclass(frozen=True, slots=True)
class Names:
    """Names to look for, each with its first word folded."""

    names: tuple[tuple[str, str], ...]

    def among(self, texts: Iterable[str]) -> Names:
        """Return those that any of the texts may have in it: most answers name one at most."""
        plain = _folded("\n".join(texts))
        return Names(tuple(row for row in self.names if row[1] in plain))

    def within(self, text: str) -> regex.Pattern[str]:
        """Return a pattern for those of the names that the text may have in it.

        Most texts have none: to look for first words is a hundred times faster than a pattern.
        """
        plain = _folded(text)
        return named(tuple(name for name, first in self.names if first in plain))


@lru_cache(maxsize=256)
def others(own: tuple[str, ...]) -> Names:
    """Return all names of all vendors except those of the vendors that one of `own` belongs to."""
    said = {form.casefold() for form in own}
    families = [{name.casefold() for name in vendor.all_names} for vendor in vendors()]
    mine = said.union(*(forms for forms in families if forms & said))
    found = (name for vendor in vendors() for name in vendor.all_names)
    return Names(tuple((n, _folded(n.split()[0])) for n in found if n.casefold() not in mine))


@lru_cache(maxsize=256)
def named(names: tuple[str, ...]) -> regex.Pattern[str]:
    """Return a pattern for one of the names as a whole word; a version may follow: Qwen2.5, GPT-4o.

    Scripts without spaces have no words to be whole: there the name is enough.
    """
    # The longest first, so that Alibaba Cloud is not read as Alibaba.
    inner = "|".join(_form(name) for name in sorted(names, key=len, reverse=True))
    return regex.compile(inner or r"(?!)", regex.IGNORECASE)


def _form(name: str) -> str:
    body = r"[\s_-]?".join(regex.escape(part) for part in name.split())
    if not regex.match(rf"[{_SPACED}\p{{N}}]", name):
        return body
    version = r"(?:[-_ ]?[vV]?\d[\w.-]{0,30})?"
    return rf"(?<![{_SPACED}\p{{N}}_]){body}{version}(?![{_SPACED}_])"
