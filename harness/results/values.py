"""What a run leaves behind: one result per case, variant and repeat."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import zip_longest
from typing import Any

from harness.common import (
    GateSettings,
    JsonValue,
    Prices,
    ToolCall,
    VariantRole,
    html_table,
    shown,
)
from harness.prompts import ANY, parse_calls
from harness.results.agreement import JudgeStanding
from harness.scorers import strip_reasoning
from harness.suites import FIXED_CALL


class Outcome(StrEnum):
    """What became of one case. Errors are machinery; skipped does not fit the context."""

    PASS = "pass"
    FAIL = "fail"
    ERROR = "error"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One check on one answer; `turn` counts from 0. `read` is "reasoning" where it read that."""

    check: str
    turn: int
    passed: bool | None
    score: float
    reason: str
    version: int = 1
    weight: float = 1.0
    detail: Mapping[str, JsonValue] = field(default_factory=dict)
    read: str = ""
    step: int | None = None

    @property
    def title(self) -> str:
        """Return its name for people, with what it read where that is not the answer."""
        name = f"{self.check} of the {self.read}" if self.read else self.check
        return name if self.step is None else f"{name} of step {self.step}"


@dataclass(frozen=True, slots=True, order=True)
class Signature:
    """What two results must share to be paired, as digests.

    `environment` is that of the engine, `sampling` that of the suite before a variant's overrides;
    `scoring` holds what else a score depends on (judges, constrained decoding, reasoning tags).
    """

    environment: str = ""
    sampling: str = ""
    scoring: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HaystackCell:
    """Where the fact of a haystack lies: text of `length` tokens, at `depth` from 0 to 1."""

    length: int
    depth: float


@dataclass(frozen=True, slots=True)
class AnswerStep:
    """One generation: of user turn `turn`, its text, and the calls of tools that were read in it.

    `tokens` counts those that were generated, `reasoning_tokens` those of them that are reasoning.
    """

    turn: int
    text: str
    tool_calls: tuple[ToolCall, ...] = ()
    finish_reason: str = "stop"
    tokens: int = 0
    reasoning: str = ""
    reasoning_tokens: int = 0


@dataclass(frozen=True, slots=True, repr=False)
class Result:
    """One case, variant and repeat, scored. `responses` holds the last answer to each user turn.

    `reason` says why it failed, broke or was skipped; it is empty for a pass. Results are paired
    where they share `signature` and `case_hash`, which says what was asked. `cell` is None for a
    case that is no haystack. `steps` are all answers of a case that declares tools.

    `reasoning` is that of each response, and empty where none has any; the text of a response is
    what the model wrote, so that reasoning in marks is in it, too. `reasoning_tokens` are among
    `completion_tokens`. `unended` counts answers whose thinking never ended.

    `seconds` sums up its answers, `first_token` is the mean over them; `machine` is a digest of
    what times depend on, empty where they were not measured, or not all on one. `counted`: the
    engine counted the tokens; else they are estimates. `length` are its `characters`, where its
    texts are not kept, or not all of them.
    """

    suite: str
    category: str
    case: str
    variant: str
    repeat: int
    outcome: Outcome
    score: float
    responses: tuple[str, ...]
    checks: tuple[CheckResult, ...] = ()
    reason: str = ""
    finish_reason: str = "stop"
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0
    case_hash: str = ""
    signature: Signature = Signature()
    cluster: str | None = None
    required: bool = False
    tags: tuple[str, ...] = ()
    cached: bool = False
    prompt: tuple[Mapping[str, Any], ...] = ()
    cell: HaystackCell | None = None
    steps: tuple[AnswerStep, ...] = ()
    reasoning: tuple[str, ...] = ()
    reasoning_tokens: int = 0
    unended: int = 0
    first_token: float | None = None
    machine: str = ""
    counted: bool = True
    length: int | None = None

    def __repr__(self) -> str:
        """Return who answered what, and what became of it."""
        why = f", {shown(self.reason)}" if self.reason else ""
        return f"Result({self.suite}/{self.case}, {self.variant}: {self.outcome.value}{why})"

    def _repr_html_(self) -> str:
        rows = [(str(row["role"]), str(row["content"])) for row in self.prompt]
        rows += [(f"{self.variant} answers", text) for text in self.said[-1:]]
        rows += [("reasoning", text) for text in self.thought if text]
        rows += [(f"check {each.title}", each.reason) for each in self.checks if not each.passed]
        return html_table((), rows, repr(self))

    @property
    def question(self) -> str:
        """Return the last user turn; empty where none is kept."""
        users = (str(row["content"]) for row in reversed(self.prompt) if row["role"] == "user")
        return next(users, "")

    @property
    def characters(self) -> int | None:
        """Return the length of its answers without their reasoning; None where none is kept.

        Calls of tools are a part of it, and so are the marks around reasoning.
        """
        if self.length is not None:
            return self.length
        if self.responses and not self.steps and not self.reasoning:
            return sum(map(len, self.responses))
        said = [(step.text, step.reasoning) for step in self.steps] or list(
            zip_longest(self.responses, self.reasoning[: len(self.responses)], fillvalue="")
        )
        if not said:
            return None
        # What a server gives apart is in no text.
        return sum(len(text) - (len(why) if why and why in text else 0) for text, why in said)

    @property
    def said(self) -> tuple[str, ...]:
        """Return what was answered to each user turn, for people: without reasoning.

        Calls of tools stand in it, and what they gave back, each on a line of its own.
        """
        if not self.steps and not self.reasoning:
            return self.responses
        if not any(step.tool_calls for step in self.steps):
            return tuple(
                strip_reasoning(text) if thought else text
                for text, thought in zip_longest(self.responses, self.reasoning, fillvalue="")
            )
        returned = [
            str(row["content"])
            for row in self.prompt
            if row["role"] == "tool" and not str(row.get("tool_call_id")).startswith(FIXED_CALL)
        ]
        turns: dict[int, list[str]] = {}
        for number, step in enumerate(self.steps):
            lines = turns.setdefault(step.turn, [])
            whole = strip_reasoning(step.text) if step.reasoning else step.text
            # Without its marks; of the forms that have none, the whole text is the calls.
            text = parse_calls(ANY, whole).text if step.tool_calls else whole
            is_call = step.tool_calls and text.lstrip()[:1] in ("{", "[")
            lines += [text] if text.strip() and not is_call else []
            lines += [f"→ {call}" for call in step.tool_calls]
            went_on = number + 1 < len(self.steps)
            if went_on and not any(call.malformed for call in step.tool_calls):
                count = len(step.tool_calls)
                lines += [f"← {shown(result, 200)}" for result in returned[:count]]
                returned = returned[count:]
        return tuple("\n".join(lines) for lines in turns.values())

    @property
    def thought(self) -> tuple[str, ...]:
        """Return the reasoning before each response, of all steps of its turn; none is empty."""
        if not self.steps:
            return self.reasoning
        turns: dict[int, list[str]] = {}
        for step in self.steps:
            turns.setdefault(step.turn, []).extend([step.reasoning] if step.reasoning else [])
        texts = tuple("\n\n".join(parts) for parts in turns.values())
        return texts if any(texts) else ()


@dataclass(frozen=True, slots=True)
class PairJudgement:
    """What a judge said of a candidate's answer beside the baseline's, in both orders.

    `value` is 1 where the candidate's was preferred in both, −1 where the baseline's was, else 0;
    None where nobody can tell: `error` then says what broke, or `left_out` why it was not asked.
    `identical` answers are tied unasked. `flipped`: the orders disagree; `slot` says which place
    was named both times. `why` are the judge's reasons, the candidate's answer being A.
    """

    suite: str
    case: str
    variant: str
    repeat: int
    cluster: str | None = None
    value: int | None = None
    identical: bool = False
    flipped: bool = False
    slot: str = ""
    why: str = ""
    error: str = ""
    left_out: str = ""


@dataclass(frozen=True, slots=True)
class SuiteInfo:
    """A suite as it was run. `cases` counts all of its cases, `selected` those of this run.

    `sampling` is the suite's own, before a variant's overrides, with `repeats`; a setting in which
    its cases differ is null. `prefer` is the rubric by which answers are compared with the
    baseline's; empty where none are. `judged` is what is known of the judges of its cases.
    """

    name: str
    category: str
    path: str
    description: str
    gate: GateSettings
    cases: int
    selected: int
    sampling: Mapping[str, JsonValue] = field(default_factory=dict)
    prefer: str = ""
    judged: tuple[JudgeStanding, ...] = ()

    @property
    def partial(self) -> str:
        """ "7 of 60 cases" where only a part is selected; else an empty string."""
        whole = self.selected >= self.cases
        return "" if whole else f"{self.selected} of {self.cases} cases"


@dataclass(frozen=True, slots=True)
class VariantInfo:
    """A variant as it was run, with the content hashes of its weights and its environment.

    `system`, `sampling`, `chat_template` (a file; its hash is in the environment) and
    `chat_template_args` are its overrides; `chat_template_defaults` are the run's own arguments of
    chat templates, before which a suite's and a case's stand. `prices` are what its tokens cost,
    where that was said.
    """

    name: str
    role: VariantRole
    model: str
    adapter: str | None
    weights: str
    adapter_hash: str
    environment: Mapping[str, str]
    system: str | None = None
    sampling: Mapping[str, JsonValue] = field(default_factory=dict)
    chat_template: str | None = None
    reasoning_parser: str | None = None
    system_role: str | None = None
    chat_template_args: Mapping[str, Any] = field(default_factory=dict)
    chat_template_defaults: Mapping[str, Any] = field(default_factory=dict)
    prices: Prices | None = None


@dataclass(frozen=True, slots=True)
class RunInfo:
    """What a run was: enough to say which runs may be compared, and to show a reader.

    `started` is ISO 8601 in UTC; `seconds` the wall time; `generated` and `cached` count
    completions; `notes` are choices made for the user with their reasons; `execution` says how
    the engine was driven; `scorers` maps each check in use to its version, `judges` each model
    that checks asked to its name and a digest of its weights, environment and sampling. `source`
    is where a baseline that did not answer in this run comes from: a file, or `RUN:VARIANT`.
    `options` are the command line's words for this run's model, variants and engine. `warnings`
    are what cannot go well and was known before anything was asked. `tokens` were generated.
    """

    id: str
    started: str
    seconds: float
    harness_version: str
    backend: str
    baseline: str | None
    suites: tuple[SuiteInfo, ...]
    variants: tuple[VariantInfo, ...]
    notes: tuple[str, ...] = ()
    execution: Mapping[str, str] = field(default_factory=dict)
    scorers: Mapping[str, int] = field(default_factory=dict)
    judges: Mapping[str, str] = field(default_factory=dict)
    generated: int = 0
    cached: int = 0
    finished: bool = False
    source: str = ""
    options: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    tokens: int = 0

    @property
    def answered(self) -> tuple[VariantInfo, ...]:
        """The variants that answered in this run: all but a baseline from elsewhere."""
        return tuple(v for v in self.variants if not (self.source and v.name == self.baseline))
