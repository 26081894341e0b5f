"""How numbers and verdicts are said: one spelling for the terminal, Markdown and HTML."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from harness.results import RunInfo, Verdict

SYMBOL = {
    Verdict.PASS: "✓",
    Verdict.REGRESSED: "✗",
    Verdict.BELOW_THRESHOLD: "✗",
    Verdict.INCONCLUSIVE: "?",
    Verdict.ERROR: "!",
}
MOST_REASONS = 4
WORD = {verdict: verdict.value.replace("_", " ") for verdict in Verdict}
COLOUR = {
    Verdict.PASS: "green",
    Verdict.REGRESSED: "red",
    Verdict.BELOW_THRESHOLD: "red",
    Verdict.INCONCLUSIVE: "yellow",
    Verdict.ERROR: "magenta",
}


def label(verdict: Verdict | None) -> str:
    """Symbol and word, so that nothing hangs on colour: "✗ regressed"."""
    return "· no verdict" if verdict is None else f"{SYMBOL[verdict]} {WORD[verdict]}"


def finite(number: float | None) -> float | None:
    """The number, or None where it is NaN or infinite: JSON has neither."""
    return number if number is not None and math.isfinite(number) else None


def percent(rate: float | None, digits: int = 1) -> str:
    """A share as a percentage: "86.7 %"."""
    return "–" if rate is None else f"{rate * 100:.{digits}f} %"


def span(interval: Sequence[float] | None) -> str:
    """An interval of shares in whole percent: "76–93"."""
    return "" if interval is None else f"{interval[0] * 100:.0f}–{interval[1] * 100:.0f}"


def points(delta: float | None, digits: int = 1) -> str:
    """A difference of shares in percentage points, with its sign: "−35.0", "+5.0", "0.0"."""
    if delta is None:
        return "–"
    text = f"{abs(delta) * 100:.{digits}f}"
    if float(text) == 0:
        return text
    return ("−" if delta < 0 else "+") + text


def points_span(interval: Sequence[float] | None) -> str:
    """An interval of differences in whole points: "−47 to −22"."""
    return "" if interval is None else f"{points(interval[0], 0)} to {points(interval[1], 0)}"


def probability(p: float | None) -> str:
    """A p value as a reader needs it: "0.020", "< 0.001"."""
    if p is None:
        return "–"
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def listed(names: Sequence[str], most: int = 4) -> str:
    """Names in a sentence: "a", "a and b", "a, b and 5 more"."""
    shown = list(names) if len(names) <= most else [*names[: most - 1]]
    if len(shown) < len(names):
        shown.append(f"{len(names) - len(shown)} more")
    if len(shown) < 2:
        return "".join(shown)
    return ", ".join(shown[:-1]) + " and " + shown[-1]


def sight(smallest: Mapping[str, float | None]) -> str:
    """How sharp the gate is, from the smallest drop that each suite can see; None sees none."""
    known = [f"{drop * 100:.0f}" for drop in sorted(d for d in smallest.values() if d is not None)]
    if not known:
        return ""
    size = " to ".join(dict.fromkeys([known[0], known[-1]]))
    by_suite = ", depending on the suite," if known[0] != known[-1] else ""
    return (
        f"Suites of this size notice a true drop of {size} points{by_suite} four times in five; "
        "a smaller one may slip through."
    )


def because(reasons: Sequence[str], against: int = 0, verdict: Verdict | None = None) -> str:
    """What stands in the way as one sentence, two reasons at least; the JSON lists all.

    Of an error only what stands in the way: what is known beside it is not to be relied on.
    """
    least = 1 if verdict is Verdict.ERROR else 2
    most = min(max(least, against), MOST_REASONS)
    text = "; ".join(reason.rstrip(".") for reason in reasons[:most])
    return f"{text}." if text else ""


def plural(count: int, noun: str) -> str:
    """A count with its noun: "1 case", "7 cases", "1,204 cases"."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def answered(run: RunInfo) -> str:
    """Say where the answers of a run come from: "42 answers generated, 18 from the store"."""
    made = "read" if run.backend == "replay" else "generated"
    return f"{plural(run.generated, 'answer')} {made}, {run.cached:,} from the store"


def noise(suite: str, flip_rate: float, pairs: int, flaky: Sequence[str]) -> str:
    """The noise floor of a suite in one line: "format 2.5 % of 40 cases (a-01)"."""
    named = f" ({listed(flaky)})" if flaky else ""
    return f"{suite} {percent(flip_rate)} of {plural(pairs, 'case')}{named}"


def drawn(sampling: Mapping[str, Any]) -> str:
    """A suite's sampling in words: "greedy, up to 64 tokens", "temperature 0.7, top_p 0.9, ..."."""
    if not sampling:
        return ""
    temperature = sampling.get("temperature")
    parts = ["greedy"] if temperature == 0 else [_setting("temperature", temperature)]
    usual = {"top_p": 1.0, "top_k": 0, "repetition_penalty": 1.0, "seed": 0, "repeats": 1}
    parts += [_setting(k, sampling.get(k, v)) for k, v in usual.items() if sampling.get(k, v) != v]
    tokens = sampling.get("max_new_tokens")
    parts.append("lengths by case" if tokens is None else f"up to {tokens:,} tokens")
    if sampling.get("stop", []) != []:
        parts.append(_setting("stop", sampling.get("stop")))
    return ", ".join(parts)


def _setting(name: str, value: Any) -> str:
    return f"{name} by case" if value is None else f"{name} {value}"


def moment(started: str) -> str:
    """A time of ISO 8601 for people: "21 Nov 2026, 10:33 UTC"; other text as it is."""
    try:
        when = datetime.fromisoformat(started)
    except ValueError:
        return started
    zone = " UTC" if when.utcoffset() == timedelta(0) else ""
    return f"{when.day} {_MONTHS[when.month - 1]} {when:%Y, %H:%M}{zone}"


# Not strftime("%b"): a report does not change with the locale of the machine.
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def duration(seconds: float) -> str:
    """A time span as people say it: "8 s", "3 min 20 s", "2 h 05 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


_PLAIN = str.maketrans(
    {"✓": "+", "✗": "x", "·": "-", "−": "-", "–": "-", "≥": ">=", "≤": "<=", "×": "x", "…": "..."}
)


def encodable(text: str, encoding: str) -> str:
    """`text` for a terminal whose encoding may know neither "✓" nor "−"."""
    try:
        text.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        plain = text.translate(_PLAIN)
        return plain.encode("ascii", "replace").decode("ascii")
    return text
