"""Calls of tools in what a model wrote, by the form in which its family of models writes them.

Nothing of an answer is executed: JSON is read strictly, Python's form as literals alone. Every
form is read in one pass, and at most `MOST_CALLS` calls of an answer are read. A call that cannot
be read is the model's mistake: it is kept, with its text in place of the arguments.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.common import NESTING, ToolCall
from harness.common.reading import no_constant, unique_keys

MOST_CALLS = 128  # of one answer; what comes behind them is one malformed call
_PYTHON_CHARS = 20_000  # Python's own parser takes some hundred bytes for each character


@dataclass(frozen=True, slots=True)
class ParsedAnswer:
    """What a model said beside its calls, and the calls in their order."""

    text: str
    calls: tuple[ToolCall, ...] = ()


Tools = Sequence[Mapping[str, Any]]
# One part of an answer: what it says, or a call.
_Part = str | ToolCall
_Read = Callable[[str, Tools], Iterator[_Part]]


def parse_calls(family: str, text: str, tools: Tools = ()) -> ParsedAnswer:
    """Return the calls that are written in `text` in the form of `family`, and the rest of it.

    `tools` are the declared ones in OpenAI's form: forms without types of their own (XML) take
    those of the tool's schema. Raises `KeyError` for a family that is not in `FAMILIES`.
    """
    said: list[str] = []
    calls: list[ToolCall] = []
    for part in FAMILIES[family](text, tools):
        if isinstance(part, str):
            said.append(part)
        else:
            calls.append(part)
    return ParsedAnswer("".join(said).strip() if calls else text, tuple(calls))


def call_family(template: str) -> str:
    """Return the family in whose form a chat template shows calls; empty where it shows none."""
    for marks, family in _MARKS:
        if all(mark in template for mark in marks):
            return family
    return ""


# What only the templates of one family have, the most telling first.
_MARKS: tuple[tuple[tuple[str, ...], str], ...] = (
    (("<function=", "<parameter="), "qwen3_coder"),
    (("<arg_key>",), "glm"),
    (("<｜tool▁call▁begin｜>",), "deepseek"),
    (("to=functions",), "harmony"),
    (("[TOOL_CALLS]",), "mistral"),
    (("<|python_start|>",), "pythonic"),
    (("[func_name1(",), "pythonic"),
    (("<|python_tag|>",), "llama3_json"),
    (('{"name": function name, "parameters"',), "llama3_json"),
    (("<|tool_call|>",), "marked_list"),
    (("functools[",), "marked_list"),
    (("<tool_call>",), "hermes"),
    (("tool_call.arguments",), "json"),
    (("tool_call['arguments']",), "json"),
)


# -- JSON ------------------------------------------------------------------------------------------


class _NoCallError(ValueError):
    """What stands there is no call."""


_DECODER = json.JSONDecoder(object_pairs_hook=unique_keys, parse_constant=no_constant)
_SPACE = re.compile(r"\s*")


def read_json(text: str, at: int = 0) -> tuple[Any, int]:
    """Return the JSON value that begins at `at`, behind white space, and where it ends.

    Raises ValueError: for no JSON, NaN, a key that stands twice, and nesting that is too deep.
    """
    begin = _skip(text, at)
    try:
        value, end = _DECODER.raw_decode(text, begin)
    except RecursionError:
        raise _NoCallError("it nests too deep") from None
    if _depth(value) > NESTING:
        raise _NoCallError("it nests too deep")
    text[begin:end].encode()  # half of a surrogate pair is in no text: UnicodeEncodeError
    return value, end


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at


def _depth(value: Any) -> int:
    """Return how many levels of lists and objects a value has, without recursion."""
    level, depth = [value], 0
    while level := [
        inner
        for item in level
        if isinstance(item, dict | list)
        for inner in (item.values() if isinstance(item, dict) else item)
    ]:
        depth += 1
    return depth


_NAMED = ("arguments",)
_EITHER = ("arguments", "parameters")


def _call_of(value: Any, written: str, keys: Sequence[str] = _NAMED) -> ToolCall:
    """Return the call of an object `{name, arguments}`; a malformed one for anything else."""
    name = value.get("name") if isinstance(value, dict) else None
    given = [value[key] for key in keys if key in value] if isinstance(value, dict) else []
    if not isinstance(name, str) or not name or len(given) != 1 or not isinstance(given[0], dict):
        return ToolCall(name if isinstance(name, str) else "", written)
    call_id = value.get("id")
    return ToolCall(name, given[0], call_id if isinstance(call_id, str) else "")


def _text_call(text: str, keys: Sequence[str] = _NAMED) -> ToolCall:
    """Return the call that a whole text is, as JSON."""
    try:
        value, end = read_json(text)
    except ValueError:
        return ToolCall("", text.strip())
    if text[end:].strip():
        return ToolCall("", text.strip())
    return _call_of(value, text.strip(), keys)


# -- forms with marks ------------------------------------------------------------------------------


def _segments(text: str, start: str, end: str) -> Iterator[tuple[str, str | None, bool]]:
    """Yield what stands before each `start`, what stands inside, and whether `end` closes it.

    An inside that is not closed goes on to the next `start`, or to the end of the text. The last
    one has no inside; what is left after `MOST_CALLS` is one inside that is not closed.
    """
    at = 0
    for _ in range(MOST_CALLS):
        opened = text.find(start, at)
        if opened < 0:
            break
        begin = opened + len(start)
        close, again = text.find(end, begin), text.find(start, begin)
        if close < 0 or 0 <= again < close:
            stop = again if again >= 0 else len(text)
            yield text[at:opened], text[begin:stop], False
            at = stop
        else:
            yield text[at:opened], text[begin:close], True
            at = close + len(end)
    else:
        if (opened := text.find(start, at)) >= 0:
            yield text[at:opened], text[opened:], False
            return
    yield text[at:], None, True


def _hermes(text: str, tools: Tools) -> Iterator[_Part]:
    """`<tool_call>{"name": f, "arguments": {}}</tool_call>`; the last end tag may be missing."""
    for outside, inside, _ in _segments(text, "<tool_call>", "</tool_call>"):
        yield outside
        if inside is not None:
            yield _text_call(inside)


def _qwen3_coder(text: str, tools: Tools) -> Iterator[_Part]:
    """`<tool_call><function=f><parameter=x>1</parameter></function></tool_call>`."""
    wrapped = "<tool_call>" in text
    marks = ("<tool_call>", "</tool_call>") if wrapped else ("<function=", "</function>")
    for outside, inside, closed in _segments(text, *marks):
        yield outside
        if inside is None:
            continue
        whole = inside.strip() if wrapped else f"<function={inside}{'</function>' * closed}".strip()
        head, found, rest = whole.removeprefix("<function=").partition(">")
        body = rest.removesuffix("</function>")
        fits = bool(found) and whole.startswith("<function=") and rest != body
        arguments: dict[str, Any] = {}
        for between, parameter, ended in _segments(body, "<parameter=", "</parameter>"):
            fits = fits and not between.strip() and ended
            if parameter is not None:
                key, sign, value = parameter.partition(">")
                fits = fits and bool(sign) and key not in arguments
                value = value.removeprefix("\n").removesuffix("\n")
                arguments[key] = _typed(value, head, key, tools)
        yield ToolCall(head, arguments) if fits and head else ToolCall(head * fits, whole)


def _glm(text: str, tools: Tools) -> Iterator[_Part]:
    """`<tool_call>f<arg_key>x</arg_key><arg_value>1</arg_value></tool_call>`."""
    for outside, inside, closed in _segments(text, "<tool_call>", "</tool_call>"):
        yield outside
        if inside is None:
            continue
        head, mark, rest = inside.partition("<arg_key>")
        name = head.strip()
        fits = closed and bool(name)
        arguments: dict[str, Any] = {}
        for between, pair, ended in _segments(mark + rest, "<arg_key>", "</arg_value>"):
            fits = fits and not between.strip() and ended
            if pair is not None:
                key, sign, rest = pair.partition("</arg_key>")
                opened = rest.strip().startswith("<arg_value>")
                fits = fits and bool(sign) and opened and key not in arguments
                value = rest.partition("<arg_value>")[2]
                arguments[key.strip()] = _typed(value, name, key.strip(), tools)
        yield ToolCall(name, arguments) if fits else ToolCall("", inside.strip())


def _typed(value: str, tool: str, argument: str, tools: Tools) -> Any:
    """Return an argument that was written without quotes, as the tool's schema has its type.

    A text that is no value of that type stays a text: validation then says so.
    """
    declared: Any = {}
    for one in tools:
        function = one.get("function", {})
        if function.get("name") == tool:
            properties = function.get("parameters", {}).get("properties", {})
            declared = properties.get(argument, {})
    kinds = declared.get("type") if isinstance(declared, Mapping) else None
    if kinds == "string" or (isinstance(kinds, list) and "string" in kinds):
        return value
    if isinstance(declared, Mapping) and value in declared.get("enum", ()):
        return value
    try:
        found, end = read_json(value)
    except ValueError:
        return value
    return value if value[end:].strip() else found


def _deepseek(text: str, tools: Tools) -> Iterator[_Part]:
    """V3 writes `function<｜tool▁sep｜>f` and a fenced block, V3.1 `f<｜tool▁sep｜>{}`."""
    for mark in ("<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>"):
        text = text.replace(mark, "")
    for outside, inside, _ in _segments(text, "<｜tool▁call▁begin｜>", "<｜tool▁call▁end｜>"):
        yield outside
        if inside is None:
            continue
        name, _, rest = inside.partition("<｜tool▁sep｜>")
        if name.strip() == "function":
            name, _, rest = rest.partition("\n")
            rest = rest.strip().removeprefix("```json").removesuffix("```")
        yield _with_name(name.strip(), rest, inside)


def _with_name(name: str, arguments: str, written: str) -> ToolCall:
    try:
        value, end = read_json(arguments)
    except ValueError:
        return ToolCall(name, written.strip())
    if not name or not isinstance(value, dict) or arguments[end:].strip():
        return ToolCall(name, written.strip())
    return ToolCall(name, value)


_HARMONY_END = re.compile(r"<\|(?:call|end|return|start)\|>")
_RECIPIENT = re.compile(r"to=functions\.([^\s<]{1,200})")


def _harmony(text: str, tools: Tools) -> Iterator[_Part]:
    """`<|channel|>commentary to=functions.f <|constrain|>json<|message|>{}<|call|>`."""
    at = calls = 0
    while (begin := text.find("<|message|>", at)) >= 0:
        head, body = text[at:begin], begin + len("<|message|>")
        ended = _HARMONY_END.search(text, body)
        stop = ended.start() if ended else len(text)
        named = _RECIPIENT.search(head)
        at = ended.end() if ended else stop
        if named is None:
            yield head + text[begin:at]
        elif (calls := calls + 1) > MOST_CALLS:
            yield ToolCall("", text[begin:])
            return
        else:
            yield _with_name(named[1], text[body:stop], text[body:stop])
    yield text[at:]


def _mistral(text: str, tools: Tools) -> Iterator[_Part]:
    """`[TOOL_CALLS][{"name": f, "arguments": {}}]`, since v11 `[TOOL_CALLS]f[ARGS]{}`."""
    mark = "[TOOL_CALLS]"
    before, _, rest = text.partition(mark)
    yield before
    parts = rest.split(mark, MOST_CALLS) if mark in text else []
    for part in parts:
        if part.lstrip()[:1] in ("[", "{") and not part.lstrip().startswith(
            ("[ARGS]", "[CALL_ID]")
        ):
            yield from _listed(part)
            continue
        head, found, arguments = part.partition("[ARGS]")
        if not found:  # some templates leave the mark out
            head, brace, arguments = part.partition("{")
            arguments = brace + arguments
        name, _, call_id = head.partition("[CALL_ID]")
        try:
            value, end = read_json(arguments)
        except ValueError:
            yield ToolCall(name.strip(), part.strip())
            continue
        if isinstance(value, dict) and name.strip():
            yield ToolCall(name.strip(), value, call_id.strip())
            yield arguments[end:]
        else:
            yield ToolCall(name.strip(), part.strip())


def _listed(text: str, keys: Sequence[str] = _NAMED) -> Iterator[_Part]:
    """Read a list of calls, or one call, in JSON, and then text."""
    try:
        value, end = read_json(text)
    except ValueError:
        yield ToolCall("", text.strip())
        return
    for one in (value if isinstance(value, list) else [value])[:MOST_CALLS]:
        yield _call_of(one, json.dumps(one, ensure_ascii=False), keys)
    yield text[end:]


def _marked_list(text: str, tools: Tools) -> Iterator[_Part]:
    """`<|tool_call|>[{"name": f, "arguments": {}}]` (Granite, Phi-4), `functools[...]` (Phi)."""
    mark = "<|tool_call|>" if "<|tool_call|>" in text else "functools["
    before, found, rest = text.partition(mark)
    yield before
    if found:
        rest = rest.replace("<|/tool_call|>", "")
        yield from _listed(rest if mark != "functools[" else f"[{rest}", _EITHER)


# -- forms without marks: the whole answer is the call ---------------------------------------------

_BEGINS_CALL = re.compile(r'\{\s*"(?:name|type)"\s*:')
_FENCED = re.compile(r"```(?:json)?[ \t]*\n(.*)\n```", re.DOTALL)


def _objects(text: str) -> list[Any] | None:
    """Return the JSON objects of a text that has nothing else, `;` between them; else None."""
    found: list[Any] = []
    at = 0
    while at < len(text):
        if len(found) == MOST_CALLS:
            return None
        try:
            value, at = read_json(text, at)
        except ValueError:
            return None
        found.append(value)
        at = _skip(text, at)
        if text[at : at + 1] == ";":
            at = _skip(text, at + 1)
    return found


def _llama3_json(text: str, tools: Tools) -> Iterator[_Part]:
    """`{"name": f, "parameters": {}}`, several with `;`; perhaps behind `<|python_tag|>`."""
    tag = "<|python_tag|>"
    before, marked, rest = text.partition(tag)
    body = (rest if marked else text).removesuffix("<|eom_id|>").removesuffix("<|eot_id|>").strip()
    if marked:
        yield before
    values = _objects(body.replace(tag, "")) if body[:1] == "{" else None
    if values is not None and (marked or all(_is_named(value) for value in values)):
        for value in values:
            yield _call_of(value, json.dumps(value, ensure_ascii=False), _EITHER)
    elif marked:  # built-in tools: `brave_search.call(query="...")`
        calls = _python_calls(body)
        yield from calls if calls is not None else [ToolCall("", body)]
    elif _BEGINS_CALL.match(body) and values is None:
        yield ToolCall("", body)
    else:
        yield text


def _is_named(value: Any) -> bool:
    return isinstance(value, dict) and "name" in value and any(key in value for key in _EITHER)


def _json(text: str, tools: Tools) -> Iterator[_Part]:
    """`{"name": f, "arguments": {}}`, or a list of them, bare or in one fenced block."""
    body = text.strip()
    if fenced := _FENCED.fullmatch(body):
        body = fenced[1].strip()
    values = _objects(body) if body[:1] in ("{", "[") else None
    if values is not None and len(values) == 1 and isinstance(values[0], list):
        values = values[0][: MOST_CALLS + 1]
    if values and all(_is_named(value) for value in values):
        for value in values:
            yield _call_of(value, json.dumps(value, ensure_ascii=False), _EITHER)
    elif values is None and _BEGINS_CALL.match(body.removeprefix("[").lstrip()):
        yield ToolCall("", body)
    else:
        yield text


_BEGINS_PYTHON = re.compile(r"\[\s*[A-Za-z_][\w.]{0,200}\s*\(")


def _pythonic(text: str, tools: Tools) -> Iterator[_Part]:
    """`[f(x=1), g(y="a")]`, perhaps between `<|python_start|>` and `<|python_end|>`."""
    body = text.strip().removeprefix("<|python_start|>").removesuffix("<|python_end|>").strip()
    if not _BEGINS_PYTHON.match(body):
        yield text
        return
    calls = _python_calls(body)
    yield from calls if calls is not None else [ToolCall("", body)]


def _python_calls(text: str) -> list[ToolCall] | None:
    """Return calls with literal arguments by name; None where anything else is written."""
    nested = max(text.count("(") + text.count("[") + text.count("{"), text.count("-"))
    if len(text) > _PYTHON_CHARS or nested > 10 * NESTING:
        return None
    try:
        tree = ast.parse(text, mode="eval").body
        found = tree.elts if isinstance(tree, ast.List) else [tree]
        calls = []
        for node in found[:MOST_CALLS]:
            if not isinstance(node, ast.Call) or node.args:
                return None
            name = ast.unparse(node.func).removesuffix(".call")
            named = {keyword.arg: ast.literal_eval(keyword.value) for keyword in node.keywords}
            if None in named or not re.fullmatch(r"[A-Za-z_][\w.]{0,200}", name):
                return None
            # What JSON has not (sets, bytes, complex numbers, NaN) is no argument.
            arguments = json.loads(json.dumps(named, allow_nan=False))
            calls.append(ToolCall(name, arguments))
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
        return None
    return calls


# -- recorded answers ------------------------------------------------------------------------------

_IN_TEXT: tuple[tuple[str, str], ...] = (
    ("<function=", "qwen3_coder"),
    ("<arg_key>", "glm"),
    ("<tool_call>", "hermes"),
    ("[TOOL_CALLS]", "mistral"),
    ("<｜tool▁call▁begin｜>", "deepseek"),
    ("to=functions.", "harmony"),
    ("<|tool_call|>", "marked_list"),
    ("<|python_tag|>", "llama3_json"),
)


def _any(text: str, tools: Tools) -> Iterator[_Part]:
    """Take the form whose marks stand in the text; none where no marks do."""
    family = next((family for mark, family in _IN_TEXT if mark in text), None)
    yield from FAMILIES[family](text, tools) if family else [text]


ANY = "any"
FAMILIES: Mapping[str, _Read] = {
    ANY: _any,
    "deepseek": _deepseek,
    "glm": _glm,
    "harmony": _harmony,
    "hermes": _hermes,
    "json": _json,
    "llama3_json": _llama3_json,
    "marked_list": _marked_list,
    "mistral": _mistral,
    "pythonic": _pythonic,
    "qwen3_coder": _qwen3_coder,
}
