"""Writes `docs/suite.md` from the models of a suite file: `python -m harness.suites.docs FILE`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from harness.common import (
    FixSettings,
    GateSettings,
    GenerateSettings,
    PairSettings,
    ReplaySettings,
    RewardSettings,
    Sampling,
    TeacherSettings,
    write_or_print,
)
from harness.scorers.docs import kind_of
from harness.suites.schema import (
    CallKeys,
    CaseKeys,
    DefaultKeys,
    ExampleKeys,
    HaystackKeys,
    PreferKeys,
    ResultKeys,
    RowsKeys,
    SuiteKeys,
    TurnKeys,
)

HEAD = """\
# The suite file

Generated from the code by `python -m harness.suites.docs docs/suite.md`; do not edit.

A suite is a YAML file: cases of one category of behaviour, and what a candidate must reach.
`harness init` writes a first one, `harness validate` checks files whole before anything is
generated, `harness schema` prints a JSON Schema for editors. All checks: [checks.md](checks.md).

* Scalars are YAML 1.2: `yes`, `NO` and `12:30` stay texts.
* Ids and names: letters, digits, `_`, `.` and `-`. An id is unique in a run; `gate` is taken.
* Templates are Jinja, sandboxed, and need quotes: `user: "Hi {{ name }}"`. They may stand in
  `system`, `user`, `turns`, `id`, `tags` and in texts inside checks, `tools` and `results`; an
  unknown name is an error. A
  text that is exactly one `{{ expression }}` keeps the type of its value.
* Without `system` the model's chat template decides (and the scorecard says so); `system: ""`
  sends an empty one.
"""

# What each key means; a key without a line here fails the tests.
MEANINGS: Mapping[str, Mapping[str, str]] = {
    "SuiteKeys": {
        "suite": "the suite's name: what is gated",
        "category": "the behaviour it is about: the label in reports",
        "description": "for people: what may go wrong when this suite fails",
        "defaults": "what holds for every case that does not say otherwise",
        "vars": "values for templates in all cases",
        "gate": "the bars",
        "tools": "what the model may call in all cases: see [tools.md](tools.md)",
        "tool_choice": "`required`, `none` or a tool's name, where a server makes the prompts",
        "cases": "the cases",
        "from_file": "one case for each row of a JSONL or CSV file",
        "generate": "seeded families of cases: `- haystack: {...}`",
        "cluster": "cases that share it are tested together: they are no independent evidence",
        "decoding": "`constrained`: engines that can hold answers to the JSON Schema of a check",
        "prefer": "another model compares the answers with the baseline's: [how](judges.md)",
        "fix": "where training rows for a repair come from",
        "retire": "ids of cases that moved to the training pool: they gate no more",
    },
    "DefaultKeys": {
        "system": "system prompt",
        "sampling": "how answers are drawn",
        "repeats": "how often each case is asked; repeats are averaged and are no further cases",
        "tags": "added to the tags of each case",
        "threshold": "mean score from which a case passes; without it all checks must hold",
        "time_limit": "seconds for the whole conversation of a case",
        "chat_template_args": "variables of the chat template, as `{enable_thinking: false}`",
        "reasoning_parser": "how reasoning is marked, or `none` ([thinking](thinking.md))",
        "allow_empty": "an empty answer goes to the checks instead of failing before them",
        "examples": "messages before the first turn: [conversations](conversations.md)",
        "system_role": "`merge`: the system prompt goes before the first user turn",
    },
    "CaseKeys": {
        "id": "unique in the run",
        "tags": "marks for `pytest -m`",
        "required": "must pass in every repeat, whatever the bars say",
        "system": "system prompt of this case",
        "user": "what is asked; or `turns`",
        "turns": "several scripted user turns; the model's answers stand between them",
        "examples": "instead of the default; `[]`: none",
        "prefix": "the beginning of the answer, which the model goes on with",
        "tools": "instead of the suite's: names of those, or tools of its own",
        "tool_choice": "instead of the suite's",
        "tool_calls": "scripted calls: the model goes on after their `results`",
        "results": "what calls of tools give back; with `turns` they stand in each turn",
        "checks": "what must hold for the answer; with `turns` they stand in each turn",
        "vars": "values for the templates of this case",
        "sampling": "overrides single settings",
        "repeats": "instead of the default",
        "threshold": "instead of the default",
        "time_limit": "instead of the default",
        "chat_template_args": "variables of the chat template, as `{enable_thinking: false}`",
        "reasoning_parser": "how reasoning is marked, or `none` ([thinking](thinking.md))",
        "allow_empty": "instead of the default",
        "system_role": "instead of the default",
        "cluster": "instead of the suite's",
        "decoding": "instead of the suite's",
        "prefer": "instead of the suite's, key by key; `null`: not this case",
    },
    "TurnKeys": {
        "user": "what is asked in this turn",
        "assistant": "its answer, scripted: no model is asked",
        "prefix": "the beginning of the answer, which the model goes on with",
        "tool_calls": "scripted calls: the model, or `assistant`, goes on after their `results`",
        "results": "what calls of tools give back; the model then goes on",
        "checks": "what must hold for the answer to it",
    },
    "ResultKeys": {
        "tool": "whose call it answers",
        "arguments": "only calls with such arguments, as in the check `tool_call`",
        "returns": "a text, or a value that is written as JSON",
    },
    "CallKeys": {
        "name": "the tool that is called",
        "arguments": "what it is called with",
    },
    "ExampleKeys": {
        "user": "what a user says",
        "assistant": "what the assistant says",
        "tool_calls": "its calls of tools",
        "tool": "whose call `returns` answers, of those before",
        "returns": "a text, or a value that is written as JSON",
    },
    "PreferKeys": {
        "rubric": "by what one answer is better than the other, in words",
        "backend": "the judge under `[tool.harness.judges]`; by default `[tool.harness.judge]`",
        "reference": "a right answer, shown to the judge",
        "min_agreement": "the kappa with people that the judge must have shown, or a pass is "
        "inconclusive: [judges.md](judges.md#the-judge-is-calibrated)",
    },
    "RowsKeys": {
        "path": "JSONL or CSV, from the suite's folder; cells of CSV are texts (filter: `float`)",
        "case": "a case; `row` in its templates is the row: `{{ row.text }}`",
    },
    "HaystackKeys": {
        "id": "the cases are called like `needle-512-d50-s0`: length, depth in percent, seed",
        "task": "one value, one of several keys, several values, a chain of variables, counting",
        "lengths": "tokens of the whole prompt, as the model under test counts them",
        "depths": "where the fact stands: 0 at the beginning, 1 at the end",
        "seeds": "how many haystacks of each length and depth",
        "keys": "`multikey`, `tracking`: facts that look alike, the one asked for included",
        "values": "how many values, how long a chain, how many events at most",
        "language": "of filler and question",
        "checks": "instead of: all hidden values are there, and none of the others",
        "tags": "as in a case",
        "system": "as in a case",
        "required": "as in a case",
        "sampling": "as in a case",
        "repeats": "as in a case",
        "cluster": "as in a case",
    },
    "GateSettings": {
        "min_pass_rate": "least share of cases that pass: 0.9",
        "max_drop": "a drop against the baseline that is accepted: 0.03 is three points",
        "policy": "`no_regression`: fails when worse beyond chance and `max_drop`; "
        "`non_inferiority`: passes only when shown to lose less than `max_drop`",
        "alpha": "chance of a false alarm, after Holm over the suites",
        "on": "compare by cases passed, by mean scores, or by several tries: `pass@3` (one of "
        "three passes), `pass^3` (all do); `min_pass_rate` is then about that; `human`: by what "
        "people said ([review](review.md))",
        "max_errors": "cases that may end in an error of the machinery",
        "slices": "tags whose cases are tested as well: [slices](statistics.md#slices)",
        "min_judged": "with `on: human`: fewer judged cases are inconclusive",
        "max_length_growth": "how much longer answers may be than the baseline's: 0.3 is 30 % "
        "([behaviour](behaviour.md))",
        "max_latency_growth": "how much more time they may take, on the same engine and machine",
    },
    "Sampling": {
        "temperature": "0 is greedy",
        "top_p": "1 is off",
        "top_k": "0 is off",
        "repetition_penalty": "1 is off",
        "max_new_tokens": "most tokens of one answer",
        "max_reasoning_tokens": "most of them for reasoning, where the engine can end it "
        "([thinking](thinking.md))",
        "seed": "of the draws; each repeat has its own",
        "stop": "texts that end an answer",
    },
    "FixSettings": {
        "pools": "training rows: files, `data/pool.jsonl#500` for at most so many rows",
        "generate": "rows from the suite's own generators, with other seeds or rows",
        "teacher": "who answers generated prompts; the suite's checks decide what is kept",
        "replay": "rows that keep what the model can do",
        "rows": "most rows that teach, each round",
        "max_drop": "what any other suite may lose at most",
        "holdout": "share of the cases that no round sees, and that promotion is judged on",
        "rounds": "how often rows are made and an adapter is trained, at most",
        "train": "the trainer's own settings",
        "select": "which checkpoint: of the lowest held-out `loss`, or the one that does best in "
        "`suites` and lost none",
        "method": "learn from right answers, pairs, or rewards; `auto`: the cheapest first",
        "pairs": "how pairs are made, for `dpo`",
        "rewards": "how answers are rewarded, for `grpo`",
    },
    "PairSettings": {
        "pools": "files of pairs (`chosen`, `rejected`), or of answers with a `label`",
        "samples": "answers of the model to each generated prompt, sorted by the checks",
        "temperature": "of these answers",
        "per_prompt": "most pairs of one prompt",
        "length_ratio": "how much longer one answer of a pair may be than the other",
    },
    "RewardSettings": {
        "samples": "answers to each prompt, whose scores are compared",
        "prompts": "prompts in each update",
        "updates": "how often the model answers and learns",
        "temperature": "of these answers",
        "fresh": "prompts that are watched, and never trained on",
        "others": "cases of each other suite that are watched",
        "gap": "how far the reward may run ahead of what is watched before the loop stops",
        "binary": "rewards that are only 0 or 1 are allowed",
        "engine": "who answers; `auto`: vLLM where it is installed and there is a GPU",
    },
    "GenerateSettings": {
        "seeds": "new haystacks for each length and depth",
        "rows": "for a file under `from_file`: another file for the same templates",
    },
    "TeacherSettings": {
        "name": "`self`, or a model under `[tool.harness.teachers.NAME]`",
        "samples": "answers to each prompt",
        "temperature": "of its answers",
        "top_p": "of its answers",
    },
    "ReplaySettings": {
        "share": "of all rows",
        "pools": "files; without any, the base's own good answers to other suites' prompts",
    },
}

SECTIONS: tuple[tuple[str, type[BaseModel]], ...] = (
    ("The file", SuiteKeys),
    ("`defaults`", DefaultKeys),
    ("A case", CaseKeys),
    ("A turn", TurnKeys),
    ("`results`", ResultKeys),
    ("`tool_calls`", CallKeys),
    ("`examples`", ExampleKeys),
    ("`prefer`", PreferKeys),
    ("`sampling`", Sampling),
    ("`gate`", GateSettings),
    ("`from_file`", RowsKeys),
    ("`generate`: `haystack`", HaystackKeys),
    ("`fix`", FixSettings),
    ("`fix.generate`", GenerateSettings),
    ("`fix.teacher`", TeacherSettings),
    ("`fix.replay`", ReplaySettings),
    ("`fix.pairs`", PairSettings),
    ("`fix.rewards`", RewardSettings),
)
_WORDS = {"cases": "list of cases", "from_file": "list", "generate": "list", "case": "a case"}
_WORDS |= {"checks": "list of checks", "turns": "list of turns", "tools": "list of tools"}
_WORDS |= {"results": "list of results", "tool_calls": "list of calls"}
_WORDS |= {"examples": "list of messages", "returns": "text or value"}


def document() -> str:
    """Return the text of `docs/suite.md`."""
    lines = [HEAD]
    for title, model in SECTIONS:
        schema = model.model_json_schema()
        definitions = schema.get("$defs", {})
        lines += [f"## {title}", "", "| key | kind | default | meaning |", "|---|---|---|---|"]
        for name, field in model.model_fields.items():
            default = "mandatory"
            if not field.is_required():
                value = field.get_default(call_default_factory=True)
                empty = value is None or value in ((), [], {}, "") or isinstance(value, BaseModel)
                shown = [*value] if isinstance(value, tuple) else value
                text = str(shown).lower() if isinstance(shown, bool) else str(shown)
                default = "" if empty else f"`{text}`"
            words = "" if model is FixSettings else _WORDS.get(name, "")
            kind = words or kind_of(_plain(schema["properties"][name]), definitions)
            meaning = MEANINGS[model.__name__][name]
            lines.append(f"| `{name}` | {kind} | {default} | {meaning} |")
        lines.append("")
    return "\n".join(lines)


def _plain(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Without the templates that may stand for a value: they are said once, at the top."""
    if "anyOf" in schema:
        parts = [part for part in schema["anyOf"] if "pattern" not in part or "maxLength" in part]
        return {**schema, "anyOf": [_plain(part) for part in parts]}
    if isinstance(schema.get("items"), Mapping):
        return {**schema, "items": _plain(schema["items"])}
    return schema


if __name__ == "__main__":
    write_or_print(document(), sys.argv[1:])
