"""vLLM's own parsers of calls read the same texts as ours, where the calls are whole."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.prompts import parse_calls
from tests.backends.tiny import save_tokenizer
from tests.prompts.test_tool_calls import READ, TOOLS

pytestmark = pytest.mark.peers

# Ours, and vLLM's name for it.
PARSERS = {
    "hermes": "hermes",
    "qwen3_coder": "qwen3_coder",
    "glm": "glm45",
    "llama3_json": "llama3_json",
    "pythonic": "pythonic",
    "deepseek": "deepseek_v31",
}
MARKS = (
    *("<tool_call>", "</tool_call>", "<|python_tag|>", "<｜tool▁calls▁begin｜>"),
    *("<｜tool▁calls▁end｜>", "<｜tool▁call▁begin｜>", "<｜tool▁call▁end｜>", "<｜tool▁sep｜>"),
)
# vLLM finds no call there, or another: what docs and comments say of its parsers.
ELSEWHERE = (
    "function<｜tool▁sep｜>",  # V3's form, which has a parser of its own
    "<|python_tag|>brave",  # built-in tools
    "No call.",
    "<function=f>\n</function>",
    "g\n</tool_call>",
)


@pytest.mark.parametrize(
    ("family", "text"),
    [
        (family, text)
        for family, text, _, calls in READ
        if family in PARSERS
        and calls
        and not any(call.malformed for call in calls)
        and not any(part in text for part in ELSEWHERE)
    ],
)
def test_whole_calls_are_read_alike(family: str, text: str, tmp_path: Path) -> None:
    manager = pytest.importorskip("vllm.tool_parsers").ToolParserManager
    from transformers import AutoTokenizer
    from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest

    save_tokenizer(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    tokenizer.add_special_tokens({"additional_special_tokens": [*MARKS]})
    request = ChatCompletionRequest.model_validate(
        {"messages": [], "model": "m", "tools": [*TOOLS]}
    )
    parser = manager.get_tool_parser(PARSERS[family])(tokenizer, request.tools)

    theirs = parser.extract_tool_calls(text, request).tool_calls

    ours = parse_calls(family, text, TOOLS).calls
    assert [(call.name, call.arguments) for call in ours] == [
        (call.function.name, json.loads(call.function.arguments)) for call in theirs
    ]
