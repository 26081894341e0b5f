"""A conversation: the messages that go into a model."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    Strict,
    WithJsonSchema,
    model_serializer,
    model_validator,
)

from harness.common.wording import shown

Role = Literal["system", "user", "assistant", "tool"]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call of a tool, as a model wrote it.

    `arguments` is a JSON object; a text where what the model wrote is none: the call is malformed,
    and this is its text. `id` is the one that a server or a script gave it.
    """

    name: str
    arguments: Mapping[str, Any] | str
    id: str = ""

    def __str__(self) -> str:
        """Return it in one line for people: `get_weather(city="Paris")`."""
        if isinstance(self.arguments, str):
            return f"a malformed call {shown(self.arguments)}"
        named = (
            f"{key}={json.dumps(value, ensure_ascii=False)[:100]}"
            for key, value in self.arguments.items()
        )
        line = f"{self.name}({', '.join(named)})"
        return line if len(line) <= 200 else f"{line[:200]}..."

    @property
    def malformed(self) -> bool:
        """Return whether what was written is no call."""
        return isinstance(self.arguments, str)

    def as_json(self) -> dict[str, Any]:
        """Return it as results and recorded answers hold it; `raw` is a malformed one's text."""
        given = {"raw": self.arguments} if self.malformed else {"arguments": self.arguments}
        return {**({"id": self.id} if self.id else {}), "name": self.name, **given}

    @classmethod
    def read(cls, value: object) -> ToolCall:
        """Return a call in that form, or in OpenAI's: `{id, function: {name, arguments: text}}`."""
        whole = value if isinstance(value, Mapping) else {}
        inner = whole.get("function", whole)
        call = inner if isinstance(inner, Mapping) else {}
        name, given = call.get("name"), call.get("arguments", call.get("raw"))
        known = name if isinstance(name, str) else ""
        call_id = whole.get("id") if isinstance(whole.get("id"), str) else ""
        if isinstance(given, str) and "raw" not in call:
            try:
                parsed = json.loads(given, parse_constant=_no_constant)
            except (ValueError, RecursionError):
                parsed = None
            given = parsed if isinstance(parsed, dict) else given
        if known and isinstance(given, Mapping):
            return cls(known, given, call_id or "")
        written = given if isinstance(given, str) else json.dumps(value, default=str)
        return cls(known, written, call_id or "")


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON value")


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation.

    `tool_calls` are those of an assistant's turn, `tool_call_id` and `name` say which of them a
    turn of the role `tool` answers. `reasoning` is that of an assistant's turn, for templates that
    read it.
    """

    role: Role
    content: str
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""
    name: str = ""
    reasoning: str = ""


Messages = tuple[Message, ...]


def as_dicts(messages: Messages, *, written: bool = False) -> list[dict[str, Any]]:
    """Return the form that chat templates and OpenAI-compatible servers take.

    written: arguments of calls as JSON text, as servers and a few templates (DeepSeek) want them.
    """
    found: list[dict[str, Any]] = []
    for message in messages:
        row: dict[str, Any] = {"role": message.role, "content": message.content}
        if message.reasoning:
            row["reasoning_content"] = message.reasoning
        if message.tool_calls:
            row["tool_calls"] = [
                {
                    "id": call.id,
                    "type": "function",
                    "function": {
                        "name": call.name,
                        "arguments": json.dumps(call.arguments, ensure_ascii=False)
                        if written
                        else call.arguments,
                    },
                }
                for call in message.tool_calls
            ]
        if message.tool_call_id:
            row["tool_call_id"] = message.tool_call_id
        if message.name:
            row["name"] = message.name
        found.append(row)
    return found


def from_dicts(rows: Iterable[Mapping[str, Any]]) -> Messages:
    """Return the messages of which `as_dicts` made these rows."""
    return tuple(
        Message(
            row["role"],
            row["content"],
            tuple(ToolCall.read(call) for call in row.get("tool_calls", ())),
            row.get("tool_call_id", ""),
            row.get("name", ""),
            row.get("reasoning_content", ""),
        )
        for row in rows
    )


class Sampling(BaseModel):
    """Settings of one generation, as a suite or a variant declares them.

    `temperature: 0` is greedy. `top_k: 0` is off. `max_new_tokens` counts tokens of the answer,
    `max_reasoning_tokens` those of its reasoning, which the engine then ends; without it, it does
    not.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)  # a text is no number

    temperature: float = Field(default=0.0, ge=0.0, le=10.0)
    top_p: float = Field(default=1.0, gt=0.0, le=1.0)
    top_k: int = Field(default=0, ge=0)
    repetition_penalty: float = Field(default=1.0, gt=0.0, le=10.0)
    max_new_tokens: int = Field(default=256, ge=1)
    max_reasoning_tokens: int | None = Field(default=None, ge=0)
    seed: int = Field(default=0, ge=0, lt=2**63)
    stop: Annotated[tuple[str, ...], Strict(False)] = ()

    @model_serializer(mode="wrap")
    def _without_what_is_unset(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out a limit that is not set: keys of answers stay what they were before it."""
        fields: dict[str, Any] = write(self)
        if self.max_reasoning_tokens is None:
            fields.pop("max_reasoning_tokens", None)
        return fields

    def override(self, other: Sampling | None) -> Sampling:
        """This, with the fields that `other` sets itself."""
        if other is None:
            return self
        return self.model_copy(
            update={name: getattr(other, name) for name in other.model_fields_set}
        )


# What the renderer of a chat template is given anyway, and what transformers' takes besides
# variables.
RESERVED_ARGS = frozenset(
    {
        *("messages", "conversation", "tools", "documents", "chat_template", "tokenize", "padding"),
        *("add_generation_prompt", "continue_final_message", "truncation", "max_length"),
        *("return_tensors", "return_dict", "return_assistant_tokens_mask", "tokenizer_kwargs"),
        *("processor_kwargs", "strftime_now", "raise_exception"),
    }
)


def _settable(arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    for name in arguments:
        if name in RESERVED_ARGS:
            raise ValueError(
                f"{name!r} cannot be set: these are variables of the model's own template, such as "
                "enable_thinking"
            )
    return arguments


# Variables of a chat template, by name.
TemplateArgs = Annotated[Mapping[str, Any], AfterValidator(_settable)]

NAME = re.compile(r"[A-Za-z0-9_.-]+")
BASE = "base"


class VariantRole(StrEnum):
    """Baseline: compared against, never red. Candidate: gated. Reference: reported only."""

    BASELINE = "baseline"
    CANDIDATE = "candidate"
    REFERENCE = "reference"


@dataclass(frozen=True, slots=True)
class Variant:
    """A model as it would run in production.

    `model` is a directory or a name that the engine understands; `adapter` a directory in
    peft's format; `system` and `sampling` override what the suites say, where they are set, and
    `chat_template`, a Jinja file, what the model says. `template_args` are arguments of the chat
    template that stand before a suite's, `template_defaults` the run's, which a suite overrides.
    `reasoning_parser` says how reasoning is marked, where that is not the run's way; `system_role`
    whether the system prompt is a turn of its own (`native`) or stands in the user's (`merge`).
    """

    name: str
    model: str
    adapter: str | None = None
    system: str | None = None
    sampling: Sampling | None = None
    role: VariantRole = VariantRole.CANDIDATE
    chat_template: str | None = None
    template_args: Mapping[str, Any] = field(default_factory=dict, hash=False)
    template_defaults: Mapping[str, Any] = field(default_factory=dict, hash=False)
    reasoning_parser: str | None = None
    system_role: str | None = None


BOUND_WITHOUT_CHANGE = 1.6448536**2
_TRIES = re.compile(r"pass([@^])([1-9][0-9]{0,3})")
HUMAN = "human"  # what people said of the answers is compared
MEASURE = r"^(passed|score|human|pass[@^][1-9][0-9]{0,3})$"
_MEASURES: dict[str, Any] = {
    "anyOf": [
        {"enum": ["passed", "score", HUMAN]},
        {"type": "string", "pattern": f"^{_TRIES.pattern}$"},
    ]
}


@dataclass(frozen=True, slots=True)
class Tries:
    """What several tries of a case come to: pass@k, at least one of k passes; pass^k, `every` one.

    `k` counts from 1.
    """

    k: int
    every: bool

    @classmethod
    def named(cls, text: str) -> Self | None:
        """Return what pass@3 or pass^3 means; None for another measure."""
        found = _TRIES.fullmatch(text)
        return cls(int(found[2]), found[1] == "^") if found else None

    @property
    def name(self) -> str:
        """Return pass@3 or pass^3."""
        return f"pass{'^' if self.every else '@'}{self.k}"


class GateSettings(BaseModel):
    """Bars of one suite. Rates and drops are shares: 0.03 is three percentage points.

    `max_length_growth` and `max_latency_growth` are relative: 0.3 allows answers that are 30 %
    longer than the baseline's, or take 30 % more time. `min_judged` cases, at least, must have been
    judged by people for a verdict that is `on` what these said.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)  # a text is no number

    min_pass_rate: float | None = Field(default=None, ge=0.0, le=1.0)
    max_drop: float | None = Field(default=None, ge=0.0, le=1.0)
    policy: Literal["no_regression", "non_inferiority"] = "no_regression"
    alpha: float = Field(default=0.05, gt=0.0, lt=0.5)
    on: Annotated[str, Field(pattern=MEASURE), WithJsonSchema(_MEASURES)] = "passed"
    max_errors: int = Field(default=0, ge=0)
    slices: Annotated[tuple[str, ...], Strict(False)] = ()
    max_length_growth: float | None = Field(default=None, ge=0.0, le=100.0)
    max_latency_growth: float | None = Field(default=None, ge=0.0, le=100.0)
    min_judged: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _non_inferiority_needs_a_margin(self) -> Self:
        if self.policy == "non_inferiority" and not self.max_drop:
            raise ValueError("policy non_inferiority needs max_drop above 0")
        return self

    @model_validator(mode="after")
    def _people_judge_enough(self) -> Self:
        if self.on == HUMAN and self.min_judged is None:
            raise ValueError(
                "on: human needs min_judged, the fewest cases that people must have judged"
            )
        if self.on != HUMAN and self.min_judged is not None:
            raise ValueError(f"min_judged is for on: human, and this gate is on: {self.on}")
        return self

    @property
    def without_people(self) -> str:
        """Return what is compared where nobody judges answers: of a repair's own, say."""
        return "passed" if self.on == HUMAN else self.on

    @property
    def tries(self) -> Tries | None:
        """Return what is compared and held to `min_pass_rate`, where that is pass@k or pass^k."""
        return Tries.named(self.on)

    @property
    def margin(self) -> float:
        """Return the drop that is still accepted."""
        return self.max_drop or 0.0

    @property
    def smallest_slice(self) -> int:
        """Return the fewest cases whose loss, all of them, is beyond chance: mid-p 2^-(n + 1)."""
        return math.ceil(math.log2(1 / self.alpha) - 1)

    @property
    def smallest_suite(self) -> int:
        """Return the fewest cases with which an unchanged candidate passes `non_inferiority`.

        Without any change the gate's one-sided 95 % bound is −1.645² / n. 1 under any other policy.
        """
        if self.policy != "non_inferiority" or not self.max_drop:
            return 1
        return math.floor(BOUND_WITHOUT_CHANGE / self.max_drop) + 1


class Prices(BaseModel):
    """What a million tokens of prompts (`input`) and of answers (`output`) cost.

    Reasoning is a part of the answer. `currency` is for people: nothing is converted.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)  # a text is no number

    input: float = Field(ge=0.0, allow_inf_nan=False)
    output: float = Field(ge=0.0, allow_inf_nan=False)
    currency: str = Field(default="USD", min_length=1, max_length=8)

    def cost(self, prompt_tokens: float, answer_tokens: float) -> float:
        """Return what so many tokens cost, in the currency."""
        return (prompt_tokens * self.input + answer_tokens * self.output) / 1e6


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


class PairSettings(_Keys):
    """Pairs of a good and a bad answer, for `method: dpo`.

    `pools` are files of pairs, or of answers with a label. To each generated prompt the model
    answers `samples` times, and so does the teacher, if there is one; the suite's checks sort the
    answers. Each prompt gives at most `per_prompt` pairs, of answers that are most alike in length:
    the longer has at most `length_ratio` times the characters of the other.
    """

    pools: Pools = ()
    samples: int = Field(default=8, ge=2, le=64)
    temperature: float = Field(default=1.0, gt=0.0, le=10.0)
    per_prompt: int = Field(default=2, ge=1, le=64)
    length_ratio: float = Field(default=2.0, ge=1.0)


class RewardSettings(_Keys):
    """Answers that the suite's checks reward, for `method: grpo`.

    In each of `updates`, the model answers `prompts` of its prompts `samples` times, and learns
    from what the checks make of it. `fresh` prompts that are never trained on, and `others` cases
    of each other suite, are watched: where the reward runs `gap` ahead of them, the loop stops.
    `binary` allows rewards that are only 0 or 1. `engine`: who answers; `auto` is vLLM where it is
    installed and there is a GPU, else what the run says.
    """

    samples: int = Field(default=8, ge=2, le=64)
    prompts: int = Field(default=32, ge=1, le=100_000)
    updates: int = Field(default=4, ge=1, le=1000)
    temperature: float = Field(default=1.0, gt=0.0, le=10.0)
    fresh: int = Field(default=32, ge=1, le=100_000)
    others: int = Field(default=8, ge=0, le=100_000)
    gap: float = Field(default=0.15, gt=0.0, le=1.0)
    binary: bool = False
    engine: Literal["auto", "hf", "vllm"] = "auto"


Method = Literal["sft", "dpo", "grpo", "auto"]
Select = Literal["loss", "suites"]


class FixSettings(_Keys):
    """How a suite may be repaired. Shares and drops: 0.10 is ten percentage points.

    `method`: from right answers (`sft`), from pairs of answers (`dpo`), from the checks as rewards
    (`grpo`); `auto` tries them in this order, each from where the last one came to.
    `select`: which checkpoint is taken, that of the lowest held-out loss, or the best of those that
    lose no suite, seen on cases of the dev side.
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
    select: Select = "loss"
    method: Method = "sft"
    pairs: PairSettings = PairSettings()
    rewards: RewardSettings = RewardSettings()

    def content(self) -> dict[str, Any]:
        """Return all that a repair depends on, as JSON.

        Keys that were added later are left out at their defaults, so that a repair that was begun
        before goes on.
        """
        found = self.model_dump(mode="json")
        usual = type(self)().model_dump(mode="json")
        for name in ("method", "pairs", "rewards", "select"):
            if found[name] == usual[name]:
                del found[name]
        return found
