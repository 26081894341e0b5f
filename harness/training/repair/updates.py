"""One round of learning from rewards: answers, update, look, again; every part on the disk."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import Any

from harness.common import InputError, from_dicts
from harness.training.repair.gathering import Gathering
from harness.training.repair.rewards import (
    FRESH,
    TRAINED,
    RewardLoop,
    Watched,
    hacked,
    prompts_of,
    rollouts_of,
    watched,
    watched_from_json,
)
from harness.training.repair.rounds import (
    Body,
    NothingToLearnError,
    Rounds,
    guard_of,
    stage_name,
    train_config,
)
from harness.training.repair.values import RoundReport, SourceReport, TrainingReport
from harness.training.sft import conversations, train
from harness.training.values import Rollout

# An update takes each answer once, whatever is said of longer trainings.
ONCE: dict[str, Any] = {
    "epochs": 1,
    "max_steps": None,
    "schedule": "constant",
    "warmup": 0.0,
    "keep": "last",
    "checkpoint_every": None,
    "keep_checkpoints": 1,
}


def learn_from_rewards(rounds: Rounds, number: int, start: str = "") -> RoundReport:
    """Do round `number`: update by update from the adapter `start`, until a watch stops it.

    Raise NothingToLearnError where the checks reward nothing that could be learned.
    """
    plan, loop = rounds.plan, reward_loop(rounds, number)
    looks: list[Watched] = []
    adapters, steps, tokens, seconds, taught = [start], 0, 0, 0.0, 0
    sources: list[SourceReport] = []
    guard: Body | None = None
    settings: dict[str, Any] = {}
    stopped = ""
    for update in range(plan.fix.rewards.updates + 1):
        body = _look(rounds, loop, number, update, adapters[-1])
        looks.append(watched_from_json(body["watched"]))
        if update:
            stopped = hacked(looks[0], looks[-2], looks[-1], plan.fix.rewards.gap)
        seen = body["guard"]
        if guard is not None:  # both looks were held against the same cases
            counted = {key: guard[key] + seen[key] for key in ("read", "kept", "hits")}
            seen = {
                **seen,
                **counted,
                "by_kind": dict(Counter(guard["by_kind"]) + Counter(seen["by_kind"])),
            }
        guard = seen
        if stopped or update == plan.fix.rewards.updates or not body["rollouts"]:
            break
        rollouts = tuple(
            Rollout(**{**row, "prompt": from_dicts(row["prompt"])}) for row in body["rollouts"]
        )
        offered = len(rollouts) + sum(body["left_out"].values())
        label = f"answers of update {update + 1}"
        sources.append(SourceReport(label, offered, len(rollouts), False, body["left_out"]))
        made = _update(rounds, number, update, rollouts, adapters[-1], guard)
        adapters.append(made["adapter"])
        steps, taught = steps + made["steps"], taught + len(rollouts)
        tokens, seconds = tokens + made["tokens"], seconds + made["seconds"]
        settings = made["settings"]
    # The last one that a watch did not stop; without one the stopped, which nobody will use.
    adapter = adapters[-2] if stopped and len(adapters) > 1 and adapters[-2] else adapters[-1]
    return RoundReport(
        number=number,
        sources=tuple(sources),
        teaching=taught,
        replay=0,
        cleaning={"read": taught, "kept": taught, "by_reason": {}},
        guard=guard or {},
        training=TrainingReport(steps, round(seconds, 3), tokens, settings=settings),
        dev=rounds.dev(number, adapter),
        adapter=adapter,
        method="grpo",
        start=start,
        lessons={"rewards": [asdict(look) for look in looks]},
        stopped=stopped,
    )


def reward_loop(rounds: Rounds, number: int) -> RewardLoop:
    """Return the prompts of a round; raise NothingToLearnError where there are none."""
    plan = rounds.plan
    gathering = Gathering(plan, rounds.settings, rounds.stages.home)
    trained, fresh = {}, {}
    for target in plan.targets:
        name = target.suite.name
        some = gathering.practice(target, number, TRAINED)
        others = gathering.practice(target, number, FRESH)
        try:
            trained[name], fresh[name] = prompts_of(target, some, others, plan.fix.rewards.fresh)
        except InputError as error:
            raise NothingToLearnError(*error.problems) from None
    return RewardLoop(plan, rounds.settings, trained, fresh)


def _look(rounds: Rounds, loop: RewardLoop, number: int, update: int, adapter: str) -> Body:
    """Let the model answer, score it, and guard what it would learn from."""

    def make() -> Body:
        look = loop.look(adapter, update, rounds.watchers.answers)
        try:
            rollouts, left = rollouts_of(look.trained, binary=loop.rules.binary)
        except InputError as error:
            if update == 0:
                raise NothingToLearnError(*error.problems) from None
            rollouts, left = (), {}  # mastered: what is watched still counts
        rows = conversations(rollouts)
        guarded = guard_of(rounds.plan, rounds.settings).check(rows)
        clean = {id(row) for row in guarded.rows}
        kept = [rollout for rollout, row in zip(rollouts, rows, strict=True) if id(row) in clean]
        if hits := len(rollouts) - len(kept):
            left["held a piece of a case"] = hits
        return {
            "watched": asdict(watched(look)),
            "rollouts": [asdict(rollout) for rollout in kept],
            "left_out": left,
            "guard": guarded.report.as_json(),
        }

    told = f"round {number}: the model answers, and is watched ({update} updates behind it)"
    return rounds.stages.once(stage_name(number, f"update-{update}/answers"), make, told)


def _update(
    rounds: Rounds,
    number: int,
    update: int,
    rollouts: tuple[Rollout, ...],
    start: str,
    guard: Body,
) -> Body:
    """Train on answers with rewards, once, from the adapter that gave them."""
    plan = rounds.plan

    def make() -> Body:
        home = rounds.stages.home / stage_name(number, f"update-{update}")
        config = train_config(plan, rounds.settings, home, "grpo", start)
        told = config.grpo.model_copy(update={"temperature": plan.fix.rewards.temperature})
        config = config.model_copy(update={**ONCE, "grpo": told})
        repairs = [target.suite.name for target in plan.targets]
        notes = {"guard": guard, "loop": plan.id, "repairs": repairs}
        cache = rounds.settings.path(rounds.settings.store).parent
        made = train(config, rollouts, notes=notes, observer=rounds.watchers.training, cache=cache)
        facts = made.manifest["run"]
        return {
            "adapter": str(made.path),
            "steps": made.steps,
            "seconds": float(facts["seconds"]),
            "tokens": int(facts["tokens"]),
            "settings": config.recipe,
        }

    told = f"round {number}: update {update + 1} on {len(rollouts)} answers"
    return rounds.stages.once(stage_name(number, f"update-{update}/training"), make, told)
