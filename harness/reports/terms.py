"""The words of statistics on a page: each explains itself on hover, on focus and by touch."""

from __future__ import annotations

import re
from dataclasses import dataclass

from markupsafe import Markup, escape


@dataclass(frozen=True, slots=True)
class Term:
    """A word, how it is found in a sentence, and what it means in one or two plain sentences."""

    key: str
    word: str
    pattern: str
    meaning: str


TERMS = {
    term.key: term
    for term in (
        Term(
            "p",
            "p",
            "equal models",
            "How often two models that are equally good give a result this bad or worse, by chance "
            "alone. At 0.05 or less, after Holm, chance is no explanation any more.",
        ),
        Term(
            "holm",
            "Holm",
            "after Holm",
            "Each suite is a question, and who asks six questions is fooled by chance more often "
            "than who asks one. Holm’s correction raises every p so that the whole set of a "
            "candidate’s suites gives a false alarm in at most 5 % of runs.",
        ),
        Term(
            "detects",
            "detects",
            "smallest drop|four times in five",
            "The smallest true loss, in percentage points, that so many cases find four times in "
            "five, after Holm. A smaller loss may pass unseen; more cases see more.",
        ),
        Term(
            "interval",
            "95 % interval",
            "one-sided 95 % bound",
            "The range in which the true figure lies, as far as so many cases can tell: it is "
            "wrong in 5 of 100 such ranges.",
        ),
        Term(
            "max_drop",
            "max_drop",
            "max_drop",
            "The loss that the suite’s author accepts, in its gate. Without it no loss is accepted "
            "that chance does not explain.",
        ),
        Term(
            "min_pass_rate",
            "min_pass_rate",
            "min_pass_rate",
            "The share of cases that the suite’s author demands, in its gate, whatever the "
            "baseline does.",
        ),
        Term(
            "exploratory",
            "exploratory",
            "exploratory",
            "Looked at after the fact, without a test of its own: among many tags some always look "
            "bad. A slice that its suite declares under gate: slices is tested.",
        ),
    )
}
_FOUND = re.compile("|".join(f"(?P<{term.key}>{term.pattern})" for term in TERMS.values()))


def term(key: str, shown: str = "") -> Markup:
    """Return a term that explains itself; `shown` stands for its word."""
    one = TERMS[key]
    return Markup(
        '<button type="button" class="term" data-tip="{}" aria-describedby="word-{}">{}</button>'
    ).format(one.meaning, key, shown or one.word)


def explained(text: str) -> Markup:
    """Return escaped text in which the first of each known term explains itself."""
    parts, end, seen = [], 0, set()
    for found in _FOUND.finditer(text):
        key = found.lastgroup or ""
        if key not in seen:
            seen.add(key)
            parts += [escape(text[end : found.start()]), term(key, found[0])]
            end = found.end()
    return Markup("").join([*parts, escape(text[end:])])
