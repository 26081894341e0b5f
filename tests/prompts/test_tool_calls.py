"""Calls of tools, read from what models of each family write."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.common import ToolCall
from harness.prompts import FAMILIES, call_family, parse_calls
from harness.prompts.tool_calls import MOST_CALLS

TOOLS: tuple[dict[str, Any], ...] = (
    {
        "type": "function",
        "function": {
            "name": "f",
            "parameters": {
                "type": "object",
                "properties": {
                    "x": {"type": "integer"},
                    "s": {"type": "string"},
                    "o": {"type": "object"},
                    "n": {"type": ["string", "null"]},
                },
            },
        },
    },
)
F, G = ToolCall("f", {"x": 1}), ToolCall("g", {})


def bad(text: str, name: str = "") -> ToolCall:
    return ToolCall(name, text)


CODER = "<tool_call>\n<function=f>\n{}</function>\n</tool_call>"
READ: list[tuple[str, str, str, list[ToolCall]]] = [
    # -- Hermes, Qwen2.5, Qwen3 --------------------------------------------------------------------
    ("hermes", "No call.", "No call.", []),
    ("hermes", '<tool_call>\n{"name": "f", "arguments": {"x": 1}}\n</tool_call>', "", [F]),
    (
        "hermes",
        'Both:<tool_call>{"name": "f", "arguments": {"x": 1}}</tool_call>\n'
        '<tool_call>{"name": "g", "arguments": {}}</tool_call> Done.',
        "Both:\n Done.",
        [F, G],
    ),
    ("hermes", '<tool_call>{"name": "f", "arguments": {"x": 1}}', "", [F]),  # no end tag
    ("hermes", '<tool_call>{"name": "f", "argum', "", [bad('{"name": "f", "argum')]),
    (  # one bad call does not take the others with it
        "hermes",
        '<tool_call>{"name": f}</tool_call><tool_call>{"name": "g", "arguments": {}}</tool_call>',
        "",
        [bad('{"name": f}'), G],
    ),
    (  # arguments as a text within JSON are none
        "hermes",
        '<tool_call>{"name": "f", "arguments": "{\\"x\\": 1}"}</tool_call>',
        "",
        [bad('{"name": "f", "arguments": "{\\"x\\": 1}"}', "f")],
    ),
    (
        "hermes",
        '<tool_call>{"name": "f", "arguments": {"x": NaN}}</tool_call>',
        "",
        [bad('{"name": "f", "arguments": {"x": NaN}}')],
    ),
    (
        "hermes",
        '<tool_call>{"name": "f", "arguments": {"x": 1, "x": 2}}</tool_call>',
        "",
        [bad('{"name": "f", "arguments": {"x": 1, "x": 2}}')],
    ),
    # -- Qwen3-Coder, Qwen3.5 ----------------------------------------------------------------------
    ("qwen3_coder", CODER.format("<parameter=x>\n1\n</parameter>\n"), "", [F]),
    ("qwen3_coder", CODER.format(""), "", [ToolCall("f", {})]),
    (  # a text stays a text, and keeps its line ends
        "qwen3_coder",
        CODER.format("<parameter=s>\n12\n\n</parameter>\n"),
        "",
        [ToolCall("f", {"s": "12\n"})],
    ),
    (
        "qwen3_coder",
        CODER.format('<parameter=o>\n{"a": [1, true]}\n</parameter>\n'),
        "",
        [ToolCall("f", {"o": {"a": [1, True]}})],
    ),
    (  # a wrong type stays a text: validation says so
        "qwen3_coder",
        CODER.format("<parameter=x>\none\n</parameter>\n"),
        "",
        [ToolCall("f", {"x": "one"})],
    ),
    (  # cut within a parameter: no call without it is made of that
        "qwen3_coder",
        "<tool_call>\n<function=f>\n<parameter=x>\n1",
        "",
        [bad("<function=f>\n<parameter=x>\n1")],
    ),
    ("qwen3_coder", "<function=f>\n<parameter=x>\n1\n</parameter>\n</function>", "", [F]),
    # -- GLM ---------------------------------------------------------------------------------------
    (
        "glm",
        "<tool_call>f\n<arg_key>x</arg_key>\n<arg_value>1</arg_value>\n</tool_call>",
        "",
        [F],
    ),
    ("glm", "<tool_call>g\n</tool_call>", "", [G]),
    ("glm", "<tool_call>f\n<arg_key>x</arg_key>", "", [bad("f\n<arg_key>x</arg_key>")]),
    # -- Llama 3 -----------------------------------------------------------------------------------
    ("llama3_json", '{"name": "f", "parameters": {"x": 1}}', "", [F]),
    ("llama3_json", '<|python_tag|>{"name": "f", "parameters": {"x": 1}}', "", [F]),
    (
        "llama3_json",
        '{"name": "f", "parameters": {"x": 1}}; {"name": "g", "parameters": {}}',
        "",
        [F, G],
    ),
    (
        "llama3_json",
        '{"name": "f", "parameters": {"x"',
        "",
        [bad('{"name": "f", "parameters": {"x"')],
    ),
    ("llama3_json", '{"total": 3}', '{"total": 3}', []),  # JSON that is an answer
    (  # prose about a call is none
        "llama3_json",
        'Send {"name": "f", "parameters": {}} to it.',
        'Send {"name": "f", "parameters": {}} to it.',
        [],
    ),
    (
        "llama3_json",
        '<|python_tag|>brave_search.call(query="rain")',
        "",
        [ToolCall("brave_search", {"query": "rain"})],
    ),
    # -- Mistral -----------------------------------------------------------------------------------
    (
        "mistral",
        '[TOOL_CALLS] [{"name": "f", "arguments": {"x": 1}, "id": "abcdefghi"}]',
        "",
        [ToolCall("f", {"x": 1}, "abcdefghi")],
    ),
    ("mistral", 'I look.[TOOL_CALLS]f[ARGS]{"x": 1}[TOOL_CALLS]g[ARGS]{}', "I look.", [F, G]),
    ("mistral", '[TOOL_CALLS]f{"x": 1}', "", [F]),
    (
        "mistral",
        '[TOOL_CALLS]f[CALL_ID]abcdefghi[ARGS]{"x": 1}',
        "",
        [ToolCall("f", {"x": 1}, "abcdefghi")],
    ),
    ("mistral", '[TOOL_CALLS]f[ARGS]{"x": ', "", [bad('f[ARGS]{"x":', "f")]),
    ("mistral", "[TOOL_CALLS] [f]", "", [bad("[f]")]),
    # -- gpt-oss -----------------------------------------------------------------------------------
    (
        "harmony",
        "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>commentary "
        'to=functions.f <|constrain|>json<|message|>{"x": 1}<|call|>',
        "<|channel|>analysis<|message|>Hm.<|end|>",
        [F],
    ),
    # -- DeepSeek ----------------------------------------------------------------------------------
    (
        "deepseek",
        "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>f\n```json\n"
        '{"x": 1}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>',
        "",
        [F],
    ),
    (
        "deepseek",
        "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>f<｜tool▁sep｜>"
        '{"x": 1}<｜tool▁call▁end｜><｜tool▁calls▁end｜>',
        "",
        [F],
    ),
    # -- lists behind a mark -----------------------------------------------------------------------
    ("marked_list", '<|tool_call|>[{"name": "f", "arguments": {"x": 1}}]', "", [F]),
    ("marked_list", 'functools[{"name": "f", "arguments": {"x": 1}}]', "", [F]),
    # -- plain JSON --------------------------------------------------------------------------------
    ("json", '{"name": "f", "arguments": {"x": 1}}', "", [F]),
    ("json", '```json\n[{"name": "f", "arguments": {"x": 1}}]\n```', "", [F]),
    ("json", '{"name": "f", "arguments": {', "", [bad('{"name": "f", "arguments": {')]),
    ("json", '{"name": "Lina"}', '{"name": "Lina"}', []),
    # -- Python ------------------------------------------------------------------------------------
    ("pythonic", "[f(x=1), g()]", "", [F, G]),
    (
        "pythonic",
        "[f(o={'a': [1, None, True]}, s='it\\'s')]",
        "",
        [ToolCall("f", {"o": {"a": [1, None, True]}, "s": "it's"})],
    ),
    ("pythonic", "[f(x=1)", "", [bad("[f(x=1)")]),
    ("pythonic", "[f(1)]", "", [bad("[f(1)]")]),  # without names nobody can tell which is which
    (
        "pythonic",
        "[f(x=__import__('os').system('true'))]",
        "",
        [bad("[f(x=__import__('os').system('true'))]")],
    ),
    ("pythonic", "[1, 2]", "[1, 2]", []),
    # -- recorded answers --------------------------------------------------------------------------
    ("any", '[TOOL_CALLS]f[ARGS]{"x": 1}', "", [F]),
    ("any", '{"name": "f", "arguments": {}}', '{"name": "f", "arguments": {}}', []),
]


@pytest.mark.parametrize(("family", "text", "said", "calls"), READ)
def test_calls_are_read(family: str, text: str, said: str, calls: list[ToolCall]) -> None:
    found = parse_calls(family, text, TOOLS)

    assert list(found.calls) == calls
    assert found.text == said


BITS = [*'{}[]()"\\,:;=1a -', '{"name":', '"f",', '"arguments":', "<function=f>", "[ARGS]"]
BITS += ["<tool_call>", "</tool_call>", "[TOOL_CALLS]", "<|python_tag|>", "<parameter=x>", "to=f"]
BITS += [
    "<|message|>",
    "<arg_key>",
    "<｜tool▁call▁begin｜>",
    "<｜tool▁sep｜>",
    "functools[",
    "[f(x=",
]


@pytest.mark.parametrize("family", FAMILIES)
@given(st.lists(st.sampled_from(BITS), max_size=60).map("".join))
def test_any_text_is_read_and_none_is_lost_without_a_call(family: str, text: str) -> None:
    found = parse_calls(family, text, TOOLS)

    assert found.calls or found.text == text
    for call in found.calls:
        assert isinstance(call.arguments, str | dict)


HOSTILE = [
    "<tool_call>" * 50_000,
    '<tool_call>{"name": "f", "arguments": ' + '{"a": ' * 50_000,
    '<tool_call>{"' * 50_000,
    "<tool_call><function=f>" + "<parameter=x>1</parameter>" * 20_000,
    "[TOOL_CALLS]" * 50_000,
    "[TOOL_CALLS]" + "[" * 100_000,
    "[f(" + "(" * 100_000,
    "[f(x=" + "-" * 100_000 + "1)]",
    "[f(x=" + "9" * 19_000 + ")]",
    '{"name": "f", "parameters": {"x": ' + "9" * 100_000 + "}}",
    '{"name": ' * 50_000,
    "<｜tool▁call▁begin｜>" * 20_000,
    "<|channel|>to=functions.f<|message|>" * 20_000,
    "<|message|>" * 50_000,
]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: text[:24])
def test_hostile_text_ends(family: str, text: str) -> None:
    found = parse_calls(family, text, TOOLS)  # quadratic work would take hours

    assert len(found.calls) <= MOST_CALLS + 1


@pytest.mark.parametrize(
    ("template", "family"),
    [
        ("{{ '<tool_call>\\n' }}", "hermes"),
        ("<tool_call><function=f><parameter=x>", "qwen3_coder"),
        ("[TOOL_CALLS]", "mistral"),
        ("<|python_tag|>", "llama3_json"),
        ("[func_name1(params_name1=1)]", "pythonic"),
        ("<tool_call>{% for %}<arg_key>", "glm"),
        ("{{ messages[0].content }}", ""),
    ],
)
def test_the_template_says_the_family(template: str, family: str) -> None:
    assert call_family(template) == family
