"""Learning from rewards: the model answers, the suites' checks score, it is trained, and watched.

What is rewarded grows; whether that is what was meant, the checks alone cannot say. So each update
looks at prompts that are never trained on, at cases of other suites, and at how many prompts get
the same answer. Where the reward runs ahead of these, the loop stops and says why.
"""

from __future__ import annotations

import random
import statistics
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import Any

from harness.common import (
    InputError,
    MachineryError,
    Problem,
    RewardSettings,
    Sampling,
    VariantRole,
    from_dicts,
    joined,
    plural,
    shown,
)
from harness.config import Settings
from harness.evaluation import Variants, run
from harness.results import Observer, Outcome, Result
from harness.suites import Case
from harness.training.repair.plan import FixPlan, Target
from harness.training.sources import aside, learnable
from harness.training.values import Rollout

TRAINED, FRESH = "t", "f"  # tags of prompts that are learned from, and that are only watched
LOOKS = 4  # answers to each prompt that is only watched: fewer would be noise
SEED_STEP = 7919
FLAT = 1e-6  # a standard deviation of scores that is none


@dataclass(frozen=True, slots=True)
class Look:
    """Scored answers: to what is trained on next, to fresh prompts, and to other suites' cases."""

    trained: tuple[Result, ...]
    fresh: tuple[Result, ...]
    others: tuple[Result, ...]


@dataclass(frozen=True, slots=True)
class Watched:
    """What one look at the model found, all as shares from 0 to 1.

    `reward` is the mean score of answers to prompts that are trained on, `fresh_reward` and
    `fresh_passed` of those that are not, `others` the pass rate on cases of other suites. `same` is
    the share of fresh prompts with the most frequent answer, `answer`, where it scores; `by` are
    the checks that it passes.
    """

    reward: float
    fresh_reward: float
    fresh_passed: float
    others: float | None
    same: float = 0.0
    answer: str = ""
    by: tuple[str, ...] = ()


def hacked(first: Watched, before: Watched, now: Watched, gap: float) -> str:
    """Say why the reward is not to be trusted any more after an update; empty if it is.

    All is compared with the `first` look. A gap that is not wider than `before` the update is
    noise, or was there from the beginning.
    """
    gained = now.reward - first.reward

    def ahead(look: Watched, of: str) -> float:
        watched = getattr(look, of) - getattr(first, of)
        return (look.reward - first.reward) - float(watched)

    if now.same - first.same > gap and now.same > before.same:
        one = f"{now.same:.0%} of the fresh prompts get one answer, {shown(now.answer)}"
        if now.by:
            passed = ", ".join(now.by)
            return f"the reward is hacked: {one}, and it passes {passed} ({first.same:.0%} before)"
        return (
            f"the answers have collapsed: {one}, which passes no check ({first.same:.0%} before); "
            f"the reward went from {first.reward:.2f} to {now.reward:.2f}: lower the learning rate"
        )
    for of, what in (
        ("fresh_reward", "the reward on fresh prompts"),
        ("fresh_passed", "the pass rate on fresh prompts"),
    ):
        if ahead(now, of) > gap and ahead(now, of) > ahead(before, of):
            if gained <= 0:  # who games a reward is paid for it
                return (
                    f"the model got worse: the reward on training prompts went from "
                    f"{first.reward:.2f} to {now.reward:.2f}, {what} from "
                    f"{getattr(first, of):.2f} to {getattr(now, of):.2f}: lower the learning rate"
                )
            return (
                f"the reward is hacked: it gained {gained:+.2f} on training prompts "
                f"({first.reward:.2f} → {now.reward:.2f}), and {what} "
                f"{getattr(now, of) - getattr(first, of):+.2f} "
                f"({getattr(first, of):.2f} → {getattr(now, of):.2f})"
            )
    if first.others is not None and now.others is not None and first.others - now.others > gap:
        fell = f"other suites fell from {first.others:.0%} to {now.others:.0%}"
        if gained <= 0:
            return (
                f"the model got worse: the reward went from {first.reward:.2f} to "
                f"{now.reward:.2f}, and {fell}: lower the learning rate"
            )
        return f"the reward is hacked: it gained {gained:+.2f}, and {fell}"
    return ""


@dataclass(frozen=True)
class RewardLoop:
    """The prompts of one round, and who answers them."""

    plan: FixPlan
    settings: Settings
    trained: Mapping[str, tuple[Case, ...]]  # by suite
    fresh: Mapping[str, tuple[Case, ...]]

    @property
    def rules(self) -> RewardSettings:
        """What the suites say of rewards."""
        return self.plan.fix.rewards

    def look(self, variant_adapter: str, update: int, observer: Observer) -> Look:
        """Let the model answer what it is trained on next, and what is watched, in one run.

        Raise MachineryError where the engine breaks.
        """
        rules = self.rules
        drawn = Sampling(temperature=rules.temperature, top_p=1.0, top_k=0, repetition_penalty=1.0)
        suites = []
        for target in self.plan.targets:
            name = target.suite.name
            share = max(1, rules.prompts // len(self.plan.targets))
            pool = self.trained[name]
            seed = f"{self.plan.seed}/{update}/{name}"
            some = random.Random(seed).sample(pool, min(share, len(pool)))
            cases = []
            for case in some:
                sampling = case.sampling.override(drawn)
                # Draws of its own: another update gives other answers.
                seed_of = (sampling.seed or 0) + SEED_STEP * update
                sampling = sampling.model_copy(update={"seed": seed_of})
                cases.append(replace(case, repeats=rules.samples, sampling=sampling))
            cases += [
                replace(
                    case,
                    repeats=min(rules.samples, LOOKS),
                    sampling=case.sampling.override(drawn),
                )
                for case in self.fresh[name]
            ]
            suites.append(replace(target.suite, cases=tuple(cases)))
        for suite in self.plan.others:
            rng = random.Random(f"{self.plan.seed}/{suite.name}")
            some = rng.sample(suite.cases, min(rules.others, len(suite.cases)))
            if some:
                suites.append(replace(suite, cases=tuple(replace(c, repeats=1) for c in some)))
        variant = replace(
            self.plan.before,
            name=self.plan.name,
            adapter=variant_adapter or None,
            role=VariantRole.CANDIDATE,
        )
        engine = engine_of(self.settings, rules)
        report = run(aside(engine, self.plan.home), suites, Variants((variant,)), observer=observer)
        if report.failure:
            raise MachineryError(Problem(f"the engine broke: {report.failure}"))
        mine = {target.suite.name for target in self.plan.targets}
        fresh_ids = {case.id for cases in self.fresh.values() for case in cases}
        trained: list[Result] = []
        fresh: list[Result] = []
        others: list[Result] = []
        for result in report.results():
            if result.suite not in mine:
                others.append(result)
            else:
                (fresh if result.case in fresh_ids else trained).append(result)
        return Look(tuple(trained), tuple(fresh), tuple(others))


def watched(look: Look) -> Watched:
    """Return what is compared from one update to the next."""
    prompts: dict[str, set[str]] = defaultdict(set)  # that got an answer which scores
    for result in look.fresh:
        if result.responses and result.score > 0:
            prompts[result.responses[-1].strip()].add(result.case)
    answer = max(prompts, key=lambda text: len(prompts[text]), default="")
    count = len(prompts[answer]) if answer else 0
    given = [r for r in look.fresh if r.responses and r.responses[-1].strip() == answer]
    checks = {check.check for result in given for check in result.checks if check.passed}
    others = [result.outcome is Outcome.PASS for result in look.others]
    return Watched(
        reward=_mean(result.score for result in look.trained),
        fresh_reward=_mean(result.score for result in look.fresh),
        fresh_passed=_mean(result.outcome is Outcome.PASS for result in look.fresh),
        others=_mean(others) if others else None,
        same=round(count / max(len({result.case for result in look.fresh}), 1), 6),
        answer=answer,
        by=tuple(sorted(checks)) if count else (),
    )


def rollouts_of(
    results: Sequence[Result], *, binary: bool
) -> tuple[tuple[Rollout, ...], dict[str, int]]:
    """Return the answers to learn from, and for each reason how many are not.

    An advantage is the distance to the mean of the answers to the same prompt, in their standard
    deviations; where all scored the same, there is nothing to learn. `binary` allows scores that
    are only 0 or 1. Raise InputError for rewards that teach nothing at all.
    """
    groups: dict[str, list[Result]] = defaultdict(list)
    left: Counter[str] = Counter()
    for result in results:
        if result.outcome in (Outcome.PASS, Outcome.FAIL) and result.responses:
            groups[f"{result.suite}/{result.case}"].append(result)
        else:
            left["no answer, or a check broke"] += 1
    scores = {result.score for group in groups.values() for result in group}
    found: list[Rollout] = []
    for name, group in groups.items():
        rewards = [result.score for result in group]
        mean, spread = statistics.fmean(rewards), statistics.pstdev(rewards)
        for result in group:
            if spread < FLAT:
                left["no answer is better than another to the same prompt"] += 1
            elif not learnable(result):
                left["cut off, or more than plain text"] += 1
            else:
                found.append(
                    Rollout(
                        from_dicts(result.prompt),
                        result.responses[-1],
                        result.score,
                        round((result.score - mean) / spread, 6),
                        f"{result.suite} {result.case}",
                        name,
                    )
                )
    if not found:
        raise InputError(
            Problem(
                "the reward is constant: no answer is better than another to the same prompt",
                found=f"{sum(map(len, groups.values()))} answers to {len(groups)} prompts, "
                f"scores {', '.join(f'{score:g}' for score in sorted(scores)[:5]) or 'none'}",
                hint="raise fix: {rewards: {samples, temperature}}, add checks that grade, or "
                "begin with method: sft or dpo",
            )
        )
    if scores <= {0.0, 1.0} and not binary:
        suites = sorted({result.suite for result in results})
        raise InputError(
            Problem(
                "grpo: the checks do not grade, they only pass or fail",
                found=f"{plural(len(groups), 'prompt')} of {joined(suites)}, all scores are 0 or 1",
                hint="give each case several checks, or one that grades (json_value, chrf, "
                "similarity); learn from pairs with method: dpo; or say fix: {rewards: "
                "{binary: true}}",
            )
        )
    return tuple(found), dict(left)


def _mean(values: Any) -> float:
    found = [float(value) for value in values]
    return round(sum(found) / len(found), 6) if found else 0.0


def engine_of(settings: Settings, rules: RewardSettings) -> Settings:
    """Return the settings of the engine that answers; raise InputError where it is not there."""
    if rules.engine == "vllm" and find_spec("vllm") is None:
        raise InputError(
            Problem(
                "rewards: vLLM is asked for, and it is not installed",
                found="fix: {rewards: {engine: vllm}}",
                hint="pip install 'lora-regression-harness[vllm]', or say engine: auto",
            )
        )
    if rules.engine == "auto":
        from harness.backends.hf.placement import place  # imports torch

        on_gpu = place(settings.device, settings.dtype).device.type == "cuda"
        backend = "vllm" if on_gpu and find_spec("vllm") else settings.backend
    else:
        backend = rules.engine
    return settings.model_copy(update={"backend": backend})


def prompts_of(
    target: Target, trained: Sequence[Case], fresh: Sequence[Case], count: int
) -> tuple[tuple[Case, ...], tuple[Case, ...]]:
    """Return prompts to learn from, and `count` that are only watched; no text is in both.

    Raise InputError where the suite generates none.
    """
    usable = [case for case in trained if not case.tools]
    if not usable:
        raise InputError(
            Problem(
                "grpo: there are no prompts to learn from",
                target.suite.path,
                found="fix: names no generate, or the suite has no generators without tools",
                expected="prompts that no case has",
                hint="say fix: {generate: {seeds: ...}} or {rows: {FILE: OTHER FILE}}, or take "
                "method: dpo with pools of pairs",
            )
        )
    known = {tuple(turn.user for turn in case.turns) for case in usable}
    apart = [
        case
        for case in fresh
        if not case.tools and tuple(turn.user for turn in case.turns) not in known
    ]
    if not apart:  # rows of a file are the same under every tag: some of them are set aside
        rng = random.Random(f"fresh/{target.suite.name}")
        mixed = rng.sample(usable, len(usable))
        size = min(count, max(1, len(mixed) // 4))
        return tuple(mixed[size:]), tuple(mixed[:size])
    rng = random.Random(f"fresh/{target.suite.name}")
    return tuple(usable), tuple(rng.sample(apart, min(count, len(apart))))


def watched_from_json(body: Mapping[str, Any]) -> Watched:
    """Return a look from its fields by name, as JSON has them."""
    return Watched(**{**body, "by": tuple(body["by"])})
