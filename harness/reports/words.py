"""How verdicts and figures of a run are said: once for the terminal, Markdown and HTML."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from harness.common import joined, percent, plural, relative, relative_span, span
from harness.gate.sentences import judge_name, kappa
from harness.results import (
    JudgeStanding,
    Measure,
    PairJudgement,
    Preference,
    RunInfo,
    Slice,
    SuiteResult,
    Verdict,
)

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
    """Return symbol and word, so that nothing hangs on colour: "✗ regressed"."""
    return "· no verdict" if verdict is None else f"{SYMBOL[verdict]} {WORD[verdict]}"


def sight(smallest: Mapping[str, float | None]) -> str:
    """Say how sharp the gate is, from the smallest drop that each suite can see; None sees none."""
    known = [f"{drop * 100:.0f}" for drop in sorted(d for d in smallest.values() if d is not None)]
    if not known:
        return ""
    size = " to ".join(dict.fromkeys([known[0], known[-1]]))
    by_suite = ", depending on the suite," if known[0] != known[-1] else ""
    return (
        f"Suites of this size notice a true drop of {size} points{by_suite} four times in five; "
        "a smaller one may slip through."
    )


def enough(rows: Iterable[SuiteResult]) -> str:
    """Say how many cases would see a drop of five points, over the suites that see less."""
    needed = sorted(
        seen.enough
        for row in rows
        if (seen := row.comparison) and seen.enough and (seen.sees is None or seen.sees > 0.05)
    )
    if not needed:
        return ""
    counts = " to ".join(dict.fromkeys(f"{_rounded(n):,}" for n in (needed[0], needed[-1])))
    return f"About {counts} cases in a suite would find a drop of 5 points four times in five."


def _rounded(count: int) -> int:
    """Return two digits of a count: more would look as if it were known so well."""
    step = int(10 ** max(0, len(str(count)) - 2))
    return -(-count // step) * step


def because(reasons: Sequence[str], against: int = 0, verdict: Verdict | None = None) -> str:
    """Say what stands in the way in one sentence, two reasons at least; the JSON lists all.

    Of an error only what stands in the way: what is known beside it is not to be relied on.
    """
    least = 1 if verdict is Verdict.ERROR else 2
    most = min(max(least, against), MOST_REASONS)
    text = "; ".join(reason.rstrip(".") for reason in reasons[:most])
    return f"{text}." if text else ""


def answered(run: RunInfo) -> str:
    """Say where the answers of a run come from: "42 answers generated, 18 from the store"."""
    made = "read" if run.backend == "replay" else "generated"
    return f"{plural(run.generated, 'answer')} {made}, {run.cached:,} from the store"


def noise(suite: str, flip_rate: float, pairs: int, flaky: Sequence[str]) -> str:
    """Say the noise floor of a suite in one line: "format 2.5 % of 40 cases (a-01)"."""
    named = f" ({joined(flaky)})" if flaky else ""
    return f"{suite} {percent(flip_rate)} of {plural(pairs, 'case')}{named}"


def several_tries(row: SuiteResult) -> str:
    """Say what the gate is on beside the pass rate: "pass@3 95.0 % (86–98) of 60 cases"."""
    tries = row.tries
    if tries is None:
        return ""
    if tries.estimate is None:
        return f"{row.on} undefined: {tries.reason}"
    return f"{row.on} {percent(tries.estimate)} ({span(tries.ci)}) of {plural(tries.n, 'case')}"


def preferred(row: Preference) -> str:
    """Say how a candidate's answers stood against the baseline's, in one line."""
    share = f", {percent(row.share)} ({span(row.ci)})" if row.share is not None else ""
    counts = f"{row.wins} won, {row.ties} tied, {row.losses} lost"
    parts = [f"answers against {row.baseline}: {counts}{share}"]
    if row.flip_rate is not None:
        parts.append(f"orders disagree in {percent(row.flip_rate)}")
    if row.errors:
        parts.append(f"{plural(row.errors, 'case')} not judged")
    return "; ".join(parts)


def judged_by(row: JudgeStanding) -> str:
    """Say how far a judge is known to agree with people, in one line."""
    who = judge_name(row)
    if not row.file:
        return f"{who}: not calibrated against people"
    if row.differs:
        return f"{who}: not as calibrated in {row.file}, {', '.join(row.differs)} differs"
    if row.accuracy.value is None:
        return f"{who}: {row.kappa.reason or row.accuracy.reason} ({row.file})"
    parts = [f"agrees with people by kappa {kappa(row.kappa)}"]
    parts.append(f"in {percent(row.accuracy.value)} ({span(row.accuracy.ci)}) of answers")
    if row.people.value is not None:
        parts.append(f"people with each other {kappa(row.people)}")
    return f"{who}: {', '.join(parts)} ({row.file})"


def told_of(pair: PairJudgement) -> str:
    """Say how one pair of answers was judged: "won", "lost", "tied: the orders disagree"."""
    if pair.value is None:
        return f"not judged: {pair.error or pair.left_out}"
    if pair.identical:
        return "tied: the same answer"
    if pair.flipped:
        return "tied: the orders disagree"
    return {1: "won", 0: "tied", -1: "lost"}[pair.value]


def slice_sight(row: Slice) -> str:
    """Say what the pairs of a slice can see: "drops above 36 points", or nothing at all."""
    if row.shift is None or row.sees is None:
        pairs = plural(row.shift.pairs if row.shift else 0, "pair")
        return f"no drop: {pairs}"
    return f"drops above {row.sees * 100:.0f} points"


def by_tag(row: SuiteResult, most: int = 3) -> str:
    """Say in one line how the tags changed that lost a case; declared ones have their verdict.

    Empty where no tag did. A tag that every case has is the suite itself.
    """
    whole = row.rate.n
    told = [each for each in row.slices if each.verdict or (each.worse and each.rate.n < whole)]
    parts = [
        f"{each.tag} {each.shift}" + (f" {label(each.verdict)}" if each.verdict else "")
        for each in told[:most]
    ]
    if len(told) > most:
        parts.append(f"{plural(len(told) - most, 'more tag')}")
    free = any(each.verdict is None for each in told)
    head = "by tag, exploratory" if free else "by tag"
    return f"{head}: {', '.join(parts)}" if parts else ""


def behaved(row: SuiteResult) -> str:
    """Say how much longer or slower answers are than the baseline's, where that matters.

    Where the suite has a bar on it, or where the length has clearly changed by more than a tenth.
    Times without a bar are left out: what else the machine did is in them.
    """
    parts = []
    tokens, characters = row.measured(Measure.TOKENS), row.measured(Measure.CHARACTERS)
    length = tokens if tokens and tokens.growth and tokens.growth.pairs else characters
    for each in (length, row.measured(Measure.SECONDS)):
        seen = each.growth if each else None
        if each is None or seen is None or seen.growth is None:
            continue
        clear = seen.ci is not None and (seen.ci[0] > 0 or seen.ci[1] < 0)
        if seen.bar is not None or (each is length and clear and abs(seen.growth) > 0.1):
            change = f"{relative(seen.growth)} ({relative_span(seen.ci)})"
            parts.append(f"{each.amount(seen.after)}, {change}")
    return f"answers of {'; '.join(parts)}" if parts else ""


def drawn(sampling: Mapping[str, Any]) -> str:
    """Say a suite's sampling: "greedy, up to 64 tokens", "temperature 0.7, top_p 0.9, ..."."""
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
