"""Thinking through hf, servers and chat templates of Qwen3's, gpt-oss's and Mistral's kinds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import harness
from harness.common import InputError, Message, Messages, ToolCall
from harness.prompts import ChatTokenizer, load_tokenizer
from harness.results import Outcome, Result
from tests.backends.openai.serving import Heard, Said, SmallServer
from tests.backends.tiny import save_model, save_tokenizer

# As Qwen3's: reasoning is shown from the last user turn on, and dropped before it.
QWEN = """\
{%- set last = namespace(user=0) %}
{%- for message in messages %}
{%- if message.role == 'user' %}{%- set last.user = loop.index0 %}{%- endif %}
{%- endfor %}
{%- for message in messages %}{{- '<|im_start|>' + message.role + '\n' }}
{%- if message.reasoning_content and loop.index0 > last.user %}
{{- '<think>\n' + message.reasoning_content + '\n</think>\n\n' }}
{%- endif %}
{{- message.content }}
{%- for call in message.tool_calls or [] %}
{{- '<tool_call>' + call.function.name + '</tool_call>' }}{%- endfor %}
{{- '<|im_end|>\n' }}{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}{%- endif %}
"""
# As those of models that always think: the prompt opens it.
OPENED = QWEN.replace("assistant\n' }}", "assistant\n<think>\n' }}")
# As gpt-oss's: another name for reasoning, which is shown before calls alone.
HARMONY = """\
{%- for message in messages %}
{%- if message.tool_calls %}
{%- if message.content and message.thinking %}{{ raise_exception('both') }}{% endif %}
{{- '<|start|>assistant<|channel|>analysis<|message|>' }}
{{- (message.thinking or message.content) + '<|end|>' }}
{{- '<|start|>assistant to=functions.' + message.tool_calls[0].function.name + '<|call|>' }}
{%- elif message.role == 'assistant' %}
{{- '<|start|>assistant<|channel|>final<|message|>' + message.content + '<|end|>' }}
{%- else %}{{- '<|start|>' + message.role + '<|message|>' + message.content + '<|end|>' }}
{%- endif %}{%- endfor %}
{%- if add_generation_prompt %}{{- '<|start|>assistant' }}{%- endif %}
"""
CALL = (ToolCall("f", {}, "call00000"),)
USER, AGAIN = Message("user", "Hi"), Message("user", "And now?")
RESULT = Message("tool", "7", tool_call_id="call00000", name="f")
SUITE = """
suite: thinking
category: instruction_following
defaults: {sampling: {max_new_tokens: 12}}
cases:
  - {id: a, user: Hi, checks: [{not: {contains: zzz}}]}
  - {id: b, turns: [{user: Who?, checks: [{not: {contains: zzz}}]}, {user: And?, checks: []}]}
"""


def save_thinker(directory: Path, template: str, **changes: Any) -> Path:
    """Save a random model whose tokenizer has a token for each mark of Qwen3's kind."""
    from transformers import AutoTokenizer

    save_model(directory, **{"vocab_size": 416, "max_position_embeddings": 2048, **changes})
    tokenizer: Any = AutoTokenizer.from_pretrained(directory)
    tokenizer.add_tokens(["<think>", "</think>"])
    tokenizer.save_pretrained(directory)
    (directory / "chat_template.jinja").write_text(template)
    return directory


@pytest.fixture(params=["built", "kept"])
def which(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def load(folder: Path, template: str, which: str) -> ChatTokenizer:
    save_tokenizer(folder, template)
    cache = folder / "cache" if which == "kept" else None
    load_tokenizer(folder, cache_dir=cache)
    return load_tokenizer(folder, cache_dir=cache)


@pytest.mark.parametrize(
    ("template", "messages", "shown", "hidden"),
    [
        (QWEN, (USER, Message("assistant", "a", reasoning="r1"), AGAIN), "a<|im_end|>", "r1"),
        (QWEN, (USER, Message("assistant", "", CALL, reasoning="r1"), RESULT), "r1\n</think>", "-"),
        (HARMONY, (USER, Message("assistant", "a", reasoning="r1"), AGAIN), "a<|end|>", "r1"),
        (HARMONY, (USER, Message("assistant", "", CALL, reasoning="r1"), RESULT), "r1<|end|>", "-"),
        (
            HARMONY,
            (USER, Message("assistant", "a", CALL, reasoning="r1"), RESULT),
            "a<|end|>",
            "r1",
        ),
    ],
)
def test_a_template_does_with_earlier_reasoning_what_its_family_does(
    tmp_path: Path, which: str, template: str, messages: Messages, shown: str, hidden: str
) -> None:
    tokenizer = load(tmp_path, template, which)

    text = tokenizer.text(messages)

    assert shown in text
    assert hidden not in text
    assert tokenizer.ending(tokenizer.token_ids(messages)) in text


def test_hf_goes_on_with_the_reasoning_that_the_prompt_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A random model never closes it."""
    monkeypatch.chdir(tmp_path)
    Path("s.yaml").write_text(SUITE)
    model = save_thinker(tmp_path / "model", OPENED)
    open_ended: dict[str, Any] = {"backend": "hf", "model": str(model), "device": "cpu"}

    report = harness.run("s.yaml", **open_ended)
    raw = harness.run("s.yaml", **open_ended, reasoning_parser="none")

    kept, plain = list(report.results()), list(raw.results())
    assert "reasoning is read as think: base" in report.info.notes
    assert [each.outcome for each in kept] == [Outcome.FAIL] * 2
    assert [each.reason.partition(" (")[0] for each in kept] == [
        "thinking never ended",
        "turn 1: thinking never ended",
    ]
    assert [each.unended for each in kept] == [1, 2]
    assert plain[0].cached  # the same answer, read in another way
    for with_reasoning, without in zip(kept, plain, strict=True):
        assert without.outcome is Outcome.PASS
        assert with_reasoning.responses[0] == f"<think>\n{without.responses[0]}"
        assert with_reasoning.said == ("",) * len(with_reasoning.responses)
        assert 0 < with_reasoning.reasoning_tokens <= with_reasoning.completion_tokens


def served(
    folder: Path, message: Mapping[str, Any], usage: Mapping[str, Any], **more: Any
) -> tuple[Result, list[Heard]]:
    """Ask a server that answers so."""
    end = more.pop("end", "stop")
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": end}
    counts = {"prompt_tokens": 7, "completion_tokens": 30, **usage}
    body = {"object": "chat.completion", "choices": [choice], "usage": counts}
    (folder / "s.yaml").write_text(SUITE.partition("  - {id: b")[0])
    server = SmallServer(lambda heard: Said(body=body))
    where: dict[str, Any] = {"backend": "openai", "base_url": server.url, "model": "small"}
    try:
        (result,) = harness.run(str(folder / "s.yaml"), **where, **more).results()
    finally:
        server.close()
    return result, server.heard


@pytest.mark.parametrize(
    "message",
    [
        {"content": "Hello.", "reasoning": "The user greets."},
        {"content": "Hello.", "reasoning_content": "The user greets."},
        {"content": "Hello.", "reasoning": "", "reasoning_content": "The user greets."},
        {"content": "<think>The user greets.</think>Hello."},
        {
            "content": [
                {"type": "thinking", "thinking": [{"type": "text", "text": "The user greets."}]},
                {"type": "text", "text": "Hello."},
            ]
        },
    ],
)
@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        ({"completion_tokens_details": {"reasoning_tokens": 21}}, 21),
        ({"completion_tokens_details": {"reasoning_tokens": 0}}, None),
        ({"completion_tokens_details": None}, None),
        ({}, None),
    ],
)
def test_a_server_gives_it_apart(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    message: Mapping[str, Any],
    usage: Mapping[str, Any],
    tokens: int | None,
) -> None:
    monkeypatch.chdir(tmp_path)

    result, _ = served(tmp_path, message, usage)

    assert (result.outcome, result.said) == (Outcome.PASS, ("Hello.",))
    assert result.reasoning == ("The user greets.",)
    share = round(30 * 16 / 22)
    assert result.reasoning_tokens in ((tokens,) if tokens else (share, round(30 * 16 / 37)))


@pytest.mark.parametrize("content", ["", None, []])
def test_a_server_that_gives_reasoning_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: object
) -> None:
    monkeypatch.chdir(tmp_path)
    message = {"content": content, "reasoning": "The user"}

    result, _ = served(tmp_path, message, {}, end="length")

    assert result.outcome is Outcome.FAIL
    assert result.reason == "thinking never ended (cut off after 30 tokens, at max_new_tokens)"
    assert result.reasoning == ("The user",)


def test_a_server_without_a_limit_is_an_input_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "harness.toml").write_text(
        "[variants.short]\nsampling = {max_reasoning_tokens = 8}\n"
    )

    with pytest.raises(InputError, match="max_reasoning_tokens: openai has no limit for reasoning"):
        served(tmp_path, {"content": "Hello."}, {})


def test_special_tokens_that_mark_reasoning_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Mistral's: without them the reasoning would run into the answer."""
    monkeypatch.chdir(tmp_path)
    hot = "{max_new_tokens: 60, temperature: 10.0}, repeats: 12"
    Path("s.yaml").write_text(SUITE.partition("  - {id: b")[0].replace("{max_new_tokens: 12}", hot))
    model = save_model(tmp_path / "model")
    texts = {}
    for name, template in (("usual", QWEN), ("marked", QWEN.replace("think>", "THINK]"))):
        file = model / "chat_template.jinja"
        file.write_text(template.replace("<THINK]", "[THINK]").replace("</THINK]", "[/THINK]"))
        report = harness.run("s.yaml", backend="hf", model=str(model), device="cpu")
        texts[name] = "".join(each.responses[0] for each in report.results())

    assert "<|im_start|>" not in texts["usual"]
    assert "<|im_start|>" in texts["marked"]
