"""Assertions of promptfoo as checks: one row of a table for each type that has a counterpart.

Each is a function of the assertion and its rendered value. What it raises is why the assertion is
not carried over.
"""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import regex

from harness.common import nearest, shown
from harness.scorers import ecma_text
from harness.suites.importing.source import Wrong

Check = dict[str, Any]


@dataclass(frozen=True)
class Choices:
    """What the user chose for assertions that ask a model.

    `judge`: the name of a judge in the configuration, "" for the default one, None for none.
    `embedding`: the folder of a model that embeds texts, or "".
    """

    judge: str | None = None
    embedding: str = ""


@dataclass(frozen=True)
class Assertion:
    """One assertion: its type without `not-`, its value with all templates filled in."""

    kind: str
    value: Any
    threshold: float | None
    choices: Choices

    def text(self) -> str:
        """Return the value as the text that JavaScript makes of it."""
        value = self.value
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, float) and value.is_integer() and abs(value) < 1e21:
            return str(int(value))
        if isinstance(value, int | float | str) and value != "":
            return str(value)
        raise Wrong(f"{self.kind} needs a text as its value", found=shown(value))

    def texts(self) -> list[str]:
        """Return the values of a list; a text holds several, divided by commas."""
        value = self.value
        if isinstance(value, str):
            try:
                rows = list(csv.reader([value], skipinitialspace=True))
            except csv.Error as error:
                raise Wrong(f"the value cannot be read: {error}", found=shown(value)) from None
            value = [cell.strip() for row in rows for cell in row]
        if not isinstance(value, list) or not value:
            raise Wrong(f"{self.kind} needs a list of texts as its value", found=shown(value))
        return [Assertion(self.kind, item, None, self.choices).text() for item in value]

    def bar(self, default: float) -> float:
        """Return the threshold."""
        return default if self.threshold is None else self.threshold


def _equals(one: Assertion) -> Check:
    if isinstance(one.value, Mapping | list):
        return {"json_value": {"path": "$", "equals": one.value}}
    return {"equals": {"text": one.text(), "strip": False}}


def _contains(one: Assertion) -> Check:
    if one.kind.startswith("i"):
        return {"contains": {"text": one.text(), "ignore_case": True}}
    return {"contains": one.text()}


def _contains_all(one: Assertion) -> Check:
    name = one.kind.removeprefix("i").replace("-", "_")
    if one.kind.startswith("i"):
        return {name: {"texts": one.texts(), "ignore_case": True}}
    return {name: one.texts()}


def _begins(one: Assertion) -> Check:
    return {one.kind.replace("-", "_"): {"texts": one.text(), "strip": False}}


def _regex(one: Assertion) -> Check:
    try:
        return {"regex": ecma_text(one.text())}
    except regex.error as error:
        raise Wrong(f"the pattern does not compile: {error}", found=shown(one.value)) from None


# Words of JSON Schema that draft-07, promptfoo's default, reads otherwise than 2020-12.
_OLD_WORDS = {"additionalItems", "dependencies", "$recursiveRef", "definitions"}


def _json(one: Assertion) -> Check:
    extract = {"extract": True} if one.kind == "contains-json" else {}
    if one.value in (None, ""):
        return {"json": extract} if extract else {"json": {}}
    schema = one.value
    if not isinstance(schema, Mapping | bool):
        raise Wrong("the JSON Schema is no mapping", found=shown(schema))
    if isinstance(schema, Mapping) and "$schema" not in schema and _is_old(schema):
        schema = {"$schema": "http://json-schema.org/draft-07/schema#", **schema}
    return {"json_schema": {"schema": schema, **extract}}


def _is_old(schema: Any) -> bool:
    if isinstance(schema, list):
        return any(map(_is_old, schema))
    if not isinstance(schema, Mapping):
        return False
    old = _OLD_WORDS & schema.keys() or isinstance(schema.get("items"), list)
    return bool(old) or any(map(_is_old, schema.values()))


def _xml(one: Assertion) -> Check:
    if one.value in (None, ""):
        return {"xml": {}}
    given = one.value.get("requiredElements") if isinstance(one.value, Mapping) else None
    paths = given if isinstance(given, list) else str(one.value).split(",")
    named = [str(path).strip() for path in paths if str(path).strip()]
    if not named:
        raise Wrong("is-xml needs `requiredElements`, a list of paths", found=shown(one.value))
    roots = {path.partition(".")[0] for path in named}
    below = list(dict.fromkeys(part for path in named for part in path.split(".")[1:]))
    if len(roots) > 1:
        raise Wrong("an XML document has one outermost element", found=", ".join(sorted(roots)))
    return {"xml": {"root": roots.pop(), **({"tags": below} if below else {})}}


def _rouge(one: Assertion) -> Check:
    return {"rouge": {"reference": one.text(), "min": _share(one, 0.75), "variant": "rouge1"}}


def _bleu(one: Assertion) -> Check:
    references = one.value if isinstance(one.value, list) else [one.text()]
    return {"bleu": {"reference": references, "min": _share(one, 0.5)}}


def _words(one: Assertion) -> Check:
    if isinstance(one.value, Mapping):
        bounds = {key: one.value[key] for key in ("min", "max") if one.value.get(key) is not None}
        if not bounds or set(one.value) - {"min", "max"}:
            raise Wrong("word-count needs min, max or both", found=shown(one.value))
        return {"words": bounds}
    try:
        return {"words": {"exactly": int(one.text())}}
    except ValueError:
        raise Wrong("word-count needs a number, or min and max", found=shown(one.value)) from None


def _refusal(one: Assertion) -> Check:
    return {"refuses": {}}


def _similar(one: Assertion) -> Check:
    if not one.choices.embedding:
        hint = "give a model of this machine that embeds texts: --embedding FOLDER"
        raise Wrong("it asks a model that embeds texts", hint=hint)
    references = one.value if isinstance(one.value, list) else [one.text()]
    model, bar = one.choices.embedding, _share(one, 0.75)
    return {"similarity": {"reference": references, "min": bar, "model": model}}


def _judge(one: Assertion) -> Check:
    if one.choices.judge is None:
        hint = "with --judge it becomes a `judge` check, for the judge of your configuration"
        raise Wrong("it asks another model", hint=hint)
    named = {"backend": one.choices.judge} if one.choices.judge else {}
    if one.kind in ("factuality", "model-graded-factuality"):
        rubric = "The answer agrees with the reference in all facts; it may say more or less."
        right = {"rubric": rubric, "grade": "correct", "reference": one.text()}
        return {"judge": {**right, **named}}
    rubric = one.text()
    if one.kind == "model-graded-closedqa":
        return {"judge": {"rubric": rubric, "grade": "correct", **named}}
    # A share of promptfoo's 0 to 1 as a rating from 1 to 5: 0.5 is 3.
    rating = 4 if one.threshold is None else min(5, max(1, math.ceil(1 + 4 * one.threshold)))
    return {"judge": {"rubric": rubric, "min": rating, **named}}


def _share(one: Assertion, default: float) -> float:
    bar = one.bar(default)
    if not 0 <= bar <= 1:
        raise Wrong("the threshold is no share from 0 to 1", found=shown(bar))
    return bar


@dataclass(frozen=True)
class Carried:
    """A type that has a counterpart; `differs` says where the two may judge otherwise."""

    check: Callable[[Assertion], Check]
    differs: str = ""


_ASKED = "another model's opinion: its prompt and its scale are this harness's own"
TABLE: Mapping[str, Carried] = {
    "equals": Carried(_equals),
    "contains": Carried(_contains),
    "icontains": Carried(_contains),
    "contains-all": Carried(_contains_all),
    "contains-any": Carried(_contains_all),
    "icontains-all": Carried(_contains_all),
    "icontains-any": Carried(_contains_all),
    "starts-with": Carried(_begins),
    "ends-with": Carried(_begins),
    "regex": Carried(_regex),
    "is-json": Carried(_json),
    "contains-json": Carried(
        _json, "the answer must hold exactly one JSON value; promptfoo takes any of several"
    ),
    "is-xml": Carried(_xml, "required elements may stand anywhere below the outermost one"),
    "is-refusal": Carried(
        _refusal, "found by this harness's classifier, not by promptfoo's list of phrases"
    ),
    "word-count": Carried(_words, "words are counted by this harness's rules (docs/checks.md)"),
    "rouge-n": Carried(_rouge, "ROUGE-1 of the package rouge_score; promptfoo has its own"),
    "bleu": Carried(_bleu, "BLEU of sacrebleu; promptfoo has its own, with other smoothing"),
    "similar": Carried(_similar, "another embedding model has another scale: set the bar anew"),
    "similar:cosine": Carried(_similar, "another embedding model has another scale"),
    "llm-rubric": Carried(_judge, _ASKED),
    "g-eval": Carried(_judge, _ASKED),
    "model-graded-closedqa": Carried(_judge, _ASKED),
    "factuality": Carried(_judge, _ASKED),
    "model-graded-factuality": Carried(_judge, _ASKED),
}

_PROGRAM = "it is a program, and no program of a foreign file is run"
_OWN_CHECK = "write it as a `python` check (docs/checks.md#python)"
_TRACE = "it reads a trace of an agent, which this harness does not record"
_ASKS = "it asks another model by a prompt of its own"
_TOOLS = "the tools stand in a provider's own configuration"
_DECLARE = "declare them under `tools` and write the check `tool_schema` (docs/tools.md)"
_NO_METRIC = "this harness has no such metric"
# Why the others have no counterpart, and what to do instead.
REASONS: Mapping[str, tuple[str, str]] = {
    "javascript": (_PROGRAM, _OWN_CHECK),
    "python": (_PROGRAM, _OWN_CHECK),
    "ruby": (_PROGRAM, _OWN_CHECK),
    "webhook": ("it asks a server", _OWN_CHECK),
    "latency": (
        "a time in milliseconds holds for one machine alone",
        "`gate: {max_latency_growth: …}` compares with the baseline on the same machine",
    ),
    "cost": (
        "no check bounds the price of one answer",
        "`[tool.harness.prices]` shows what runs cost, `gate: {max_length_growth: …}` bounds it",
    ),
    "perplexity": (_NO_METRIC, ""),
    "perplexity-score": (_NO_METRIC, ""),
    "levenshtein": (_NO_METRIC, "`chrf` and `normalized_match` forgive small differences"),
    "gleu": (_NO_METRIC, "`bleu` and `chrf` are near"),
    "meteor": (_NO_METRIC, "`chrf` and `bertscore` are near"),
    "similar:dot": (_NO_METRIC, "`similarity` is the cosine"),
    "similar:euclidean": (_NO_METRIC, "`similarity` is the cosine"),
    "finish-reason": ("answers that were cut are reported by the run itself", ""),
    "classifier": (_ASKS, _OWN_CHECK),
    "moderation": (_ASKS, _OWN_CHECK),
    "guardrails": ("it reads what a provider reports", ""),
    "pi": (_ASKS, ""),
    "is-sql": ("this harness has no reader of SQL", _OWN_CHECK),
    "contains-sql": ("this harness has no reader of SQL", _OWN_CHECK),
    "is-html": ("this harness has no reader of HTML", "`xml` reads well-formed markup"),
    "contains-html": ("this harness has no reader of HTML", "`xml: {fragment: true}` is near"),
    "contains-xml": ("`xml` reads whole answers", "`xml: {extract: true}` reads a fenced block"),
    "is-valid-function-call": (_TOOLS, _DECLARE),
    "is-valid-openai-function-call": (_TOOLS, _DECLARE),
    "is-valid-openai-tools-call": (_TOOLS, _DECLARE),
    "tool-call-f1": (_TOOLS, "declare them under `tools` and write the check `tool_calls`"),
    "skill-used": (_TRACE, ""),
    "select-best": (
        "it compares the answers of several providers",
        "`prefer` compares with the baseline",
    ),
    "max-score": ("it compares the answers of several providers", "the gate compares variants"),
    "human": ("a person judges it", "`harness review` shows answers to people"),
    **dict.fromkeys(
        (
            *("agent-rubric", "answer-relevance", "context-faithfulness", "context-recall"),
            *("context-relevance", "conversation-relevance", "search-rubric", "research-rubric"),
            *("video-rubric", "noise-sensitivity", "citation-faithfulness", "verdict"),
        ),
        (_ASKS, "write its question as the rubric of a `judge` check (docs/judges.md)"),
    ),
    **dict.fromkeys(
        (
            *("trace-span-count", "trace-span-duration", "trace-error-spans"),
            *("trajectory:tool-used", "trajectory:tool-args-match", "trajectory:tool-sequence"),
            *("trajectory:step-count", "trajectory:goal-success"),
        ),
        (_TRACE, "tools in a conversation: docs/tools.md"),
    ),
}
KINDS = (*TABLE, *REASONS, "assert-set")


def check_of(one: Assertion) -> tuple[Check, str]:
    """Return the check, and where it may judge otherwise. Raises Wrong with the reason."""
    if one.kind in TABLE:
        carried = TABLE[one.kind]
        return carried.check(one), carried.differs
    if one.kind in REASONS:
        reason, hint = REASONS[one.kind]
        if one.kind == "javascript" and (said := _said_by(str(one.value))):
            hint = f"the check `{said}` says the same"
        raise Wrong(f"{one.kind}: {reason}", hint=hint)
    if one.kind.startswith("promptfoo:redteam:"):
        raise Wrong(f"{shown(one.kind)}: {_ASKS}", hint="red teaming is not what this gate does")
    close = nearest(one.kind, KINDS)
    raise Wrong(f"assertion type {shown(one.kind)} is not known", did_you_mean=close)


_SHORT = re.compile(
    r"""(?P<no>!?)output(?P<lower>\.toLowerCase\(\))?\.
        (?:(?P<call>includes|startsWith|endsWith)\((?P<quote>['"])(?P<text>[^'"\\]{1,80})(?P=quote)\)
        |length\s*(?P<sign><=?|>=?)\s*(?P<number>\d{1,6}))""",
    re.VERBOSE,
)
_CALLS = {"includes": "contains", "startsWith": "starts_with", "endsWith": "ends_with"}


def _said_by(program: str) -> str:
    """Return the check that says what one of the usual lines of JavaScript says, or ""."""
    found = _SHORT.fullmatch(program.strip().removesuffix(";").removeprefix("return "))
    if found is None or (found["no"] and found["number"]):
        return ""
    if found["number"]:
        bound = int(found["number"]) + {"<": -1, ">": 1}.get(found["sign"], 0)
        return f"length: {{{'max' if found['sign'][0] == '<' else 'min'}: {max(bound, 0)}}}"
    name, text = _CALLS[found["call"]], json.dumps(found["text"], ensure_ascii=False)
    first = "text" if name == "contains" else "texts"
    said = (
        f"{name}: {{{first}: {text}, ignore_case: true}}" if found["lower"] else f"{name}: {text}"
    )
    return f"not: {{{said}}}" if found["no"] else said


_FROM_TEXT = re.compile(
    rf"(not-)?({'|'.join(map(re.escape, sorted(KINDS, key=len, reverse=True)))})"
    r"(?:\((\d{1,9}(?:\.\d{1,9})?)\))?(?::(.*))?",
    re.DOTALL,
)
_PROGRAMS = {"javascript:": "javascript", "fn:": "javascript", "eval:": "javascript"}
_LISTS = ("contains-all", "contains-any", "icontains-all", "icontains-any")
_BARS = {"similar": 0.8, "levenshtein": 5.0, "rouge-n": 0.75}


def from_cell(text: str) -> dict[str, Any]:
    """Return the assertion that a cell `__expected` of a CSV file stands for."""
    text = text.strip()
    for start, kind in (*_PROGRAMS.items(), ("python:", "python"), ("grade:", "llm-rubric")):
        if text.startswith(start):
            return {"type": kind, "value": text[len(start) :].strip()}
    if text.startswith("file://"):
        named = text.removeprefix("file://")
        return {"type": "python" if ".py" in named else "javascript", "value": named}
    found = _FROM_TEXT.fullmatch(text)
    if not found:
        return {"type": "equals", "value": text}
    inverse, kind, bar, value = found.groups()
    made: dict[str, Any] = {"type": f"{inverse or ''}{kind}", "value": (value or "").strip()}
    if bar or kind in _BARS:
        made["threshold"] = float(bar) if bar else _BARS[kind]
    return made
