"""Results as the page embeds them: short rows, each prompt once, texts cut to a budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.common import JsonValue
from harness.reports.words import told_of
from harness.results import CheckResult, PairJudgement, Result

# A browser opens some 50 MB of text without complaint; a page that large can still be mailed round.
BUDGET = 48_000_000
LIMITS = (32_000, 8_000, 2_000, 500, 120)
DETAIL_LIMIT = 400

FIELDS = (
    "suite",
    "case",
    "variant",
    "repeat",
    "outcome",
    "score",
    "responses",
    "checks",
    "reason",
    "finish",
    "tokens",
    "tags",
    "flags",
    "judged",
    "reasoning",
    "prompt",  # the last: the page finds it there
)


def asked(result: Result) -> list[tuple[str, str]]:
    """Role and text of the system prompt and the user turns.

    What the model answered in between, and what its calls of tools gave back, is left out: it is
    in the responses, and without it the prompt is the same for all variants.
    """
    return [
        (str(message["role"]), str(message["content"]))
        for message in result.prompt
        if message["role"] not in ("assistant", "tool")
    ]


class Shortener:
    """Finds the largest limit per text with which the page stays below its budget."""

    def __init__(self, budget: int = BUDGET) -> None:
        self._budget = budget
        self._sums = [0] * len(LIMITS)
        self._short = 0
        self._longest = 0
        self._prompt: list[tuple[str, str]] = []

    def see(self, result: Result) -> None:
        """Count one result's texts."""
        texts, turns = [*result.said, *result.thought], asked(result)
        if turns != self._prompt:  # the variants of a case stand together, and share theirs
            texts += [content for _, content in turns]
            self._prompt = turns
        for text in texts:
            length = len(text)
            self._longest = max(self._longest, length)
            if length <= LIMITS[-1]:  # counts in full under each limit
                self._short += length
                continue
            for number, limit in enumerate(LIMITS):
                self._sums[number] += min(length, limit)

    @property
    def limit(self) -> int:
        """Most characters of one text."""
        left = self._budget - self._short
        fits = (limit for limit, total in zip(LIMITS, self._sums, strict=True) if total < left)
        return next(fits, LIMITS[-1])

    @property
    def cuts(self) -> bool:
        """Whether any text is cut."""
        return self._longest > self.limit

    def cut(self, text: str) -> str:
        """Return the text, or its beginning and end with a mark in between."""
        if len(text) <= LIMITS[-1] or len(text) <= (limit := self.limit):
            return text
        head, tail = limit * 3 // 4, limit // 4
        left_out = len(text) - head - tail
        return f"{text[:head]}\n[… {left_out:,} characters left out here …]\n{text[-tail:]}"


def case_row(
    result: Result,
    suites: Sequence[str],
    variants: Sequence[str],
    earlier: int | None,
    shortener: Shortener,
    judged: PairJudgement | None = None,
) -> list[JsonValue]:
    """Return a row in the order of `FIELDS`; suites, variants and earlier prompts by number.

    `earlier` is the row of the same portion that has this prompt, if one has.
    `judged` is what a judge said of this answer beside the baseline's.
    """
    prompt: JsonValue = earlier
    if earlier is None:
        prompt = [[role, shortener.cut(content)] for role, content in asked(result)]
    return [
        suites.index(result.suite),
        result.case,
        variants.index(result.variant),
        result.repeat,
        result.outcome.value,
        round(result.score, 4),
        [shortener.cut(text) for text in result.said],
        [_check(check) for check in result.checks],
        result.reason,
        result.finish_reason,
        [result.prompt_tokens, result.completion_tokens, result.reasoning_tokens],
        list(result.tags),
        (1 if result.required else 0) | (2 if result.cached else 0),
        [told_of(judged), shortener.cut(judged.why)] if judged else None,
        [shortener.cut(text) for text in result.thought],
        prompt,
    ]


def _check(check: CheckResult) -> list[JsonValue]:
    row: list[JsonValue] = [
        check.title,
        check.turn,
        check.passed,
        round(check.score, 4),
        check.reason,
    ]
    if check.detail and not check.passed:
        detail = "; ".join(_plain(name, value) for name, value in sorted(check.detail.items()))
        row.append(detail if len(detail) <= DETAIL_LIMIT else detail[:DETAIL_LIMIT] + "…")
    return row


def _plain(name: str, value: JsonValue) -> str:
    """Return a detail of a check for people: "expected: fr", "missing: a, b"; no JSON."""
    if isinstance(value, Mapping):
        return ", ".join(_plain(f"{name}.{key}", part) for key, part in value.items())
    if isinstance(value, list | tuple):
        plain = not any(isinstance(part, Mapping | list | tuple) for part in value)
        parts = value if plain else [_plain(str(n), part) for n, part in enumerate(value, start=1)]
        return f"{name}: {', '.join(map(str, parts)) or 'none'}"
    if value is None or isinstance(value, bool) or value == "":
        value = {None: "not known", True: "yes", False: "no", "": "empty"}[value]
    return f"{name}: {value}"
