"""The plan before the bill: what a run will ask, take and be able to see. Nothing is generated."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from harness.backends import Backend, common_prefix, estimate_tokens
from harness.common import Prices, Variant
from harness.evaluation.noise import recalled_noise
from harness.evaluation.plan import Plan, make_plan
from harness.evaluation.rates import Rates
from harness.evaluation.rendering import prompt_of
from harness.evaluation.trial import Trial, messages_of, sampling_of
from harness.evaluation.variants import Variants
from harness.evaluation.verdict import judge_run
from harness.gate import (
    ASSUMED_DISCORDANCE,
    Sight,
    all_of,
    foresee,
    likely_discordance,
    repeated_drop,
)
from harness.results import NoiseFloor, RunInfo
from harness.store import Store, Usage, count_results, usage_of
from harness.suites import Suite

REPEATS = (1, 3, 5)
MOST_COMPARED = 200_000  # results of an earlier run: more take longer to read than a plan may
ROW_BYTES = 1_000  # of an answer and its result beside their texts, as measured on echo
NO_RATES = "no rates: measure them with `python -m bench.rates FILE`, then add --rate FILE"
NO_NOISE = "not known how often a model disagrees with itself: `harness run --aa` measures it"


@dataclass(frozen=True, slots=True)
class Repeated:
    """What `repeats` answers to each case would change; a figure that nobody can tell is None."""

    repeats: int
    answers: int
    mde: float | None
    pass_all: float | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class SuiteForecast:
    """One suite. Tokens are those of all variants and repeats; `prompt_tokens_once` counts a
    prefix that prompts of one variant share once.

    `answer_source` says where the length of answers is from, `discordance_source` where the share
    of pairs that differ is from.
    """

    suite: str
    cases: int
    requests: int
    prompt_tokens: int
    prompt_tokens_once: int
    answer_tokens: int
    answer_source: str
    sight: Sight
    discordance_source: str
    repeated: tuple[Repeated, ...]


@dataclass(frozen=True, slots=True)
class Bill:
    """Time and GPU hours on so many replicas; None where no rates are known, with the reason."""

    replicas: int
    seconds: float | None
    gpu_hours: float | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Forecast:
    """A whole run. `store_bytes` is what it adds to the store.

    `costs` is what its tokens cost, by currency; empty where no variant has prices. `unpriced` are
    the variants without, which are not in it.
    """

    variants: tuple[str, ...]
    suites: tuple[SuiteForecast, ...]
    requests: int
    prompt_tokens: int
    prompt_tokens_once: int
    answer_tokens: int
    store_bytes: int
    bills: tuple[Bill, ...]
    notes: tuple[str, ...]
    costs: Mapping[str, float] = field(default_factory=dict)
    unpriced: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Earlier:
    """What earlier runs of the store say of one suite."""

    usage: Usage | None = None
    discordance: float | None = None
    rate: float | None = None
    noise: float | None = None
    run: str = ""


def forecast(
    suites: Sequence[Suite],
    variants: Variants,
    backend: Backend,
    store: Store | None = None,
    *,
    rates: Rates | None = None,
    repeats: int | None = None,
    replicas: int = 8,
    prices: Mapping[str, Prices] | None = None,
) -> Forecast:
    """Plan as a run does, and count. `store` is looked into, and not written.

    `prices` are those of variants; a prompt costs the same whether or not its beginning was seen
    before, and whether or not its answer is in the store.

    `repeats` overrides those of all cases. Loads a tokenizer at most, and generates nothing.
    """
    if repeats is not None:
        suites = [
            replace(suite, cases=tuple(replace(case, repeats=repeats) for case in suite.cases))
            for suite in suites
        ]
    plan = make_plan(suites, tuple(variants), backend, baseline=variants.baseline)
    trials: defaultdict[str, list[Trial]] = defaultdict(list)
    for trial in plan.trials:
        trials[trial.case.suite].append(trial)
    earlier = earlier_of(store, [suite.name for suite in suites]) if store else {}
    estimated = False
    costs: defaultdict[str, float] = defaultdict(float)
    rows = []
    for suite in suites:
        known, mine = earlier.get(suite.name, Earlier()), trials[suite.name]
        limit = sum(sampling_of(t).max_new_tokens * len(t.case.turns) for t in mine)
        answers, source = limit, "the limits (max_new_tokens): no earlier run in the store"
        if known.usage is not None and known.usage.results:
            mean = known.usage.completion_tokens / known.usage.results
            answers, source = round(mean * len(mine)), f"run {known.run}"
        each = answers / max(len(mine), 1)
        whole = once = 0
        for variant in variants:
            asked = [trial for trial in mine if trial.variant.name == variant.name]
            own, own_once, guessed = prompt_tokens(plan, asked, backend, each)
            whole, once, estimated = whole + own, once + own_once, estimated or guessed
            if price := (prices or {}).get(variant.name):
                costs[price.currency] += price.cost(own, each * len(asked))
        clusters = {case.cluster or ("", case.id) for case in suite.cases}
        discordance, of = known.discordance, f"run {known.run}"
        if discordance is None:
            discordance, of = ASSUMED_DISCORDANCE, f"assumed: {ASSUMED_DISCORDANCE:.0%} differ"
        per_case = len(mine) / max(sum(case.repeats for case in suite.cases), 1)
        rows.append(
            SuiteForecast(
                suite=suite.name,
                cases=len(suite.cases),
                requests=sum(len(trial.case.turns) for trial in mine),
                prompt_tokens=whole,
                prompt_tokens_once=once,
                answer_tokens=answers,
                answer_source=source,
                sight=foresee(len(clusters), discordance, suite.gate.alpha, len(suites)),
                discordance_source=of,
                repeated=tuple(
                    Repeated(
                        repeats=k,
                        answers=round(per_case * k * len(suite.cases)),
                        mde=None
                        if known.noise is None
                        else repeated_drop(
                            len(clusters), discordance, known.noise, k, suite.gate.alpha
                        ),
                        pass_all=None
                        if known.noise is None or known.rate is None
                        else all_of(known.rate, known.noise, k),
                        reason=NO_NOISE if known.noise is None else "",
                    )
                    for k in REPEATS
                ),
            )
        )
    once, answers = sum(r.prompt_tokens_once for r in rows), sum(r.answer_tokens for r in rows)
    texts = 4 * sum(row.prompt_tokens + 2 * row.answer_tokens for row in rows)  # answers: twice
    steps = sorted({*(2**n for n in range(replicas.bit_length()) if 2**n <= replicas), replicas})
    bills = []
    for n in steps:
        if rates is None:
            bills.append(Bill(n, None, None, NO_RATES))
            continue
        seconds = rates.seconds(once, answers, n)
        bills.append(Bill(n, seconds, seconds * n * rates.gpus / 3600))
    notes = [*backend.notes, *plan.notes]
    if estimated:
        notes.append("prompt tokens are estimates: this engine counts none")
    if any(case.cluster for suite in suites for case in suite.cases):
        notes.append("a cluster counts as one case in what a suite sees: its cases may go together")
    if plan.skipped:
        notes.append(f"{len(plan.skipped)} trials do not fit the context and are not asked")
    return Forecast(
        variants=tuple(variant.name for variant in variants),
        suites=tuple(rows),
        requests=sum(row.requests for row in rows),
        prompt_tokens=sum(row.prompt_tokens for row in rows),
        prompt_tokens_once=once,
        answer_tokens=answers,
        store_bytes=texts + ROW_BYTES * len(plan.trials),
        bills=tuple(bills),
        notes=tuple(dict.fromkeys(notes)),
        costs=dict(costs),
        unpriced=tuple(v.name for v in variants if prices and v.name not in prices),
    )


def prompt_tokens(
    plan: Plan, trials: Iterable[Trial], backend: Backend, answer_tokens: float
) -> tuple[int, int, bool]:
    """Return the tokens of all prompts, those that are left when each shared prefix of a variant
    counts once, and whether they are estimates.

    A later turn's prompt holds the turns before it, with answers of `answer_tokens` each, and
    computes only what is new.
    """
    whole = once = 0
    estimated = False
    firsts: defaultdict[tuple[str, str | None, str | None], list[Trial]] = defaultdict(list)
    for trial in trials:
        variant = trial.variant
        firsts[variant.name, variant.system, variant.chat_template].append(trial)
    for group in firsts.values():
        prompts = []
        for trial in group:
            messages = messages_of(trial, (), plan.haystacks)
            prompt = prompt_of(backend, messages, trial.variant, trial.case)
            estimated = estimated or prompt.estimated or prompt.token_ids is None
            turns = [estimate_tokens(turn.user) for turn in trial.case.turns[1:]]
            length = prompt.tokens
            whole += length
            for turn in turns:
                length += round(answer_tokens / len(trial.case.turns)) + turn
                whole += length
            if trial.repeat == 0:  # a repeat asks the same
                once += sum(turns)
                said = "\n".join(f"{m.role}\n{m.content}" for m in prompt.messages)
                prompts.append((prompt.token_ids or tuple(map(ord, said)), prompt.tokens))
        before: tuple[int, ...] = ()
        for ids, tokens in sorted(prompts):
            shared = common_prefix(before, ids)
            once += round(tokens * (1 - shared / len(ids))) if ids else 0
            before = ids
    return whole, once, estimated


def earlier_of(store: Store, suites: Sequence[str]) -> dict[str, Earlier]:
    """Return what the newest finished run of each suite says; noise is the newest measured."""
    found: dict[str, Earlier] = {}
    noise: dict[str, NoiseFloor] = {}
    for info in store.runs():
        for floor in recalled_noise(store, info.id):
            noise.setdefault(floor.suite, floor)
        missing = {suite.name for suite in info.suites} & set(suites) - found.keys()
        if info.finished and missing:
            found.update({name: e for name, e in _said(store, info).items() if name in missing})
    return {
        name: replace(said, noise=noise[name].flip_rate if name in noise else None)
        for name, said in found.items()
    }


def _said(store: Store, info: RunInfo) -> dict[str, Earlier]:
    usage = {used.suite: used for used in usage_of(store, info.id)}
    discordance: dict[str, float] = {}
    rates: dict[str, float] = {}
    if not info.source and count_results(store, info.id) <= MOST_COMPARED:
        for row in judge_run(info, store.results(info.id)).suites:
            if row.rate.n:
                rates.setdefault(row.suite, row.rate.pass_rate)
            if row.comparison is not None:
                differ = len(row.comparison.worse) + len(row.comparison.better)
                share = likely_discordance(differ, row.comparison.pairs)
                discordance[row.suite] = max(share, discordance.get(row.suite, 0.0))
    return {
        name: Earlier(used, discordance.get(name), rates.get(name), run=info.id)
        for name, used in usage.items()
    }


def hypothetical(variants: Variants, candidates: int) -> Variants:
    """Return the first variant and so many that ask as it does: adapters that do not exist yet."""
    base = variants.members[0]
    others = (Variant(f"candidate-{n}", base.model) for n in range(1, candidates + 1))
    return Variants((base, *others), variants.earlier)
