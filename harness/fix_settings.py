"""Where a repair of a suite gets its training rows, and what it may cost: the `fix:` block."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, Strict

SELF = "self"  # the teacher that is the model under repair

# `data/pool.jsonl`, or `data/pool.jsonl#500` for at most so many of its rows.
PoolName = Annotated[str, Field(min_length=1, max_length=1000)]
Pools = Annotated[tuple[PoolName, ...], Strict(False)]


class _Keys(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)  # a text is no number


class GenerateSettings(_Keys):
    """Rows from the suite's own generators: never its cases, always other seeds or other rows.

    `seeds`: new haystacks for every length and depth of a family. `rows`: for a data file under
    `from_file`, another file whose rows go through the same templates.
    """

    seeds: int = Field(default=2, ge=0, le=1000)
    rows: dict[str, PoolName] = Field(default_factory=dict)


class TeacherSettings(_Keys):
    """Who answers generated prompts; an answer is kept only where the suite's checks pass it.

    `name` is `self`, the model under repair, or a model under `[tool.harness.teachers.NAME]`. It
    answers `samples` times; `paraphrases` of each bad case are asked for, if any.
    """

    name: str = Field(default=SELF, pattern=r"^[A-Za-z0-9_.-]+$", max_length=200)
    samples: int = Field(default=4, ge=1, le=64)
    temperature: float = Field(default=0.8, ge=0.0, le=10.0)
    top_p: float = Field(default=0.95, gt=0.0, le=1.0)


class ReplaySettings(_Keys):
    """Rows that keep what the model can do: `share` of all rows, from `pools`.

    Without pools, the base's own answers to generated prompts of the other suites are taken, where
    those suites' checks pass them.
    """

    share: float = Field(default=0.30, ge=0.0, lt=1.0)
    pools: Pools = ()


class FixSettings(_Keys):
    """How a suite may be repaired. Shares and drops: 0.10 is ten percentage points.

    `holdout`: the share of its cases, by hash, that no round sees and that promotion is judged on.
    `max_drop`: what any other suite may lose at most, shown by its one-sided 95 % bound. `rounds`:
    how often rows are made and an adapter is trained, at most. `rows`: most rows that teach, each
    round. `train` overrides the trainer's settings, under the trainer's own names.
    """

    pools: Pools = ()
    generate: GenerateSettings | None = None
    teacher: TeacherSettings | None = None
    replay: ReplaySettings = ReplaySettings()
    rows: int = Field(default=1000, ge=1, le=1_000_000)
    max_drop: float = Field(default=0.10, gt=0.0, le=1.0)
    holdout: float = Field(default=0.5, gt=0.0, lt=1.0)
    rounds: int = Field(default=1, ge=1, le=20)
    train: dict[str, Any] = Field(default_factory=dict)
