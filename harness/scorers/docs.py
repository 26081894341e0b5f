"""Writes `docs/checks.md` from the registered checks: `python -m harness.scorers.docs FILE`."""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import yaml

from harness.common import write_or_print
from harness.scorers.check import parse_check
from harness.scorers.published import with_checks
from harness.scorers.registry import Example, Scorer, all_scorers

_HEAD = """\
# Checks

Generated from the code by `python -m harness.scorers.docs docs/checks.md`; do not edit.

A check stands in a suite file as a name with its arguments: `{words: {max: 50}, weight: 2}`.
A scalar or a list is the check's first argument, shown in **bold** below: `contains: Lina`.
A check passes, fails, or cannot tell; a case whose check cannot tell fails, with the reason.
`read: reasoning` beside the name reads the reasoning in place of the answer, and cannot tell where
there is none ([thinking](thinking.md)): `{not: {contains: heron}, read: reasoning}`. `step` beside
the name reads another answer to the turn than the last one, where tools are called: 0 is the first
([conversations](conversations.md)).
Texts are compared in Unicode normal form C. An empty answer fails a case before any check, unless
the case has `allow_empty`.

Reasoning is taken out of an answer before any check reads it. The marks of these families are
known: `think` (`<think>…</think>`), `[THINK]` (Mistral: `[THINK]…[/THINK]`), `harmony` (gpt-oss:
all channels but the final one, also where a server left out the special tokens and the answer reads
`analysis…assistantfinal…`), `kimi` (`◁think▷`), `seed` (`<seed:think>`) and `command`
(`<|START_THINKING|>`); and the marks at which the model's own chat template splits an answer.
`reasoning_tags` in the configuration names others instead: families, elements, or pairs of an
opening and a closing text; an empty list leaves answers as they are. `reasoning_parser` names one
family, or `none`. Answers that begin with a mark
that is known and not configured (`<thinking>`, say) are a warning in the scorecard.

All checks of a case must pass. With `threshold` in the case, the weighted mean of their scores must
reach it instead.
"""


def document() -> str:
    """Return the text of `docs/checks.md`."""
    ours = "harness.scorers."
    scorers = [s for s in all_scorers() if s.function.__module__.startswith(ours)]
    index = []
    for scorer in scorers:
        word, summary = scorer.summary.partition(" ")[0], scorer.summary
        if word.istitle() or len(word) == 1:  # not a name such as BLEU
            summary = summary[:1].lower() + summary[1:]
        index.append(f"* [`{scorer.name}`](#{scorer.name}): {summary.rstrip('.')}")
    return "\n".join([_HEAD, *index, "", *(page(scorer) for scorer in scorers)])


def page(scorer: Scorer) -> str:
    """Return one check as the page of all checks describes it."""
    parts = [f"## {scorer.name}", "", inspect.getdoc(scorer.function) or "", ""]
    parts += _arguments(scorer)
    if scorer.example is not None:
        parts += _example(scorer, scorer.example)
    return "\n".join([*parts, f"Version {scorer.version}.", ""])


def _arguments(scorer: Scorer) -> Iterator[str]:
    """Yield the arguments in words, then as a table."""
    schema = with_checks(scorer.args.model_json_schema())
    choices = schema.get("oneOf", [])
    rows = list(_rows(scorer, choices[0] if choices else schema))
    doc = inspect.getdoc(scorer.args) or ""
    if rows and doc:
        yield from (doc, "")
    if rows:
        yield from ("| argument | kind | default |", "|---|---|---|", *rows, "")
    if choices:
        shared = scorer.args.model_fields.keys()
        named = (_choice(choice, shared) for choice in choices)
        yield from (f"| {scorer.shorthand} | further arguments |", "|---|---|", *named, "")


def _rows(scorer: Scorer, schema: Mapping[str, Any]) -> Iterator[str]:
    definitions = schema.get("$defs", {})
    for name, field in scorer.args.model_fields.items():
        shown = field.alias or name
        kind = kind_of(schema.get("properties", {}).get(shown, {}), definitions)
        default = "mandatory" if field.is_required() else _default(field.get_default())
        bold = f"**`{shown}`**" if name == scorer.shorthand or shown == scorer.shorthand else ""
        yield f"| {bold or f'`{shown}`'} | {kind} | {default} |"


def _choice(schema: Mapping[str, Any], shared: Collection[str]) -> str:
    """Return one row for one of several forms: its title, and the arguments of its own."""
    own = {k: kind_of(v, {}) for k, v in schema["properties"].items() if k not in shared}
    return f"| `{schema['title']}` | {', '.join(f'`{k}` ({v})' for k, v in own.items())} |"


def _default(value: object) -> str:
    if value in (None, (), ""):
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def kind_of(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    """Return a JSON Schema in a few words."""
    if "$ref" in schema:
        name = str(schema["$ref"]).rpartition("/")[2]
        return "check" if name == "check" else kind_of(definitions.get(name, {}), definitions)
    if "anyOf" in schema:
        kinds = [kind_of(part, definitions) for part in schema["anyOf"]]
        return " or ".join(dict.fromkeys(kind for kind in kinds if kind != "null"))
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if "const" in schema:
        return "text"
    if schema.get("type") == "array":
        return f"list of {kind_of(schema.get('items', {}), definitions)}"
    names = {"string": "text", "boolean": "true or false", "object": "mapping", "integer": "number"}
    found = schema.get("type", "any value")
    kinds = found if isinstance(found, list) else [found]
    return " or ".join(names.get(kind, kind) for kind in kinds)


def _example(scorer: Scorer, example: Example) -> Iterator[str]:
    """Yield the example as YAML, and what the check says of its two answers."""
    written = yaml.safe_dump(
        [scorer.name if example.args is None else {scorer.name: example.args}],
        allow_unicode=True,
        sort_keys=False,
        width=90,
    )
    indented = "\n".join(f"  {line}" for line in written.rstrip("\n").split("\n"))
    yield from ("```yaml", f"checks:\n{indented}", "```", "")
    for message in example.context.messages:
        yield f"* {message.role}: {_code(message.content)}"
    if example.requires:
        yield from (f"* {_code(example.passes)}: passes", f"* {_code(example.fails)}: fails", "")
        return
    check = parse_check({scorer.name: example.args}, modules=example.modules)
    for answer in example.answers:
        finding = check(answer, example.context)
        word = {True: "passes", False: "fails", None: "cannot tell"}[finding.passed]
        calls = ", ".join(
            f"{call.name}({json.dumps(call.arguments, ensure_ascii=False)})"
            for call in answer.calls
        )
        yield f"* {_code(calls or answer.text)}: {word} ({finding.reason})"
    yield ""


def _code(text: str) -> str:
    """Return a text on one line in Markdown code."""
    shown = text.replace("\n", "⏎")
    return f"```` {shown} ````" if "`" in shown else f"`{shown}`"


if __name__ == "__main__":
    write_or_print(document(), sys.argv[1:])
