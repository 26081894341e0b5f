"""Tools through the engines: templates of several families, hf, vLLM, servers."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import harness
from harness.backends import BackendOptions, Rendering, Request, open_backend
from harness.common import InputError, Message, Messages, ToolCall, Variant
from harness.prompts import ChatTokenizer, load_tokenizer, parse_calls
from harness.results import Outcome
from harness.scorers import declared_tool
from tests.backends.conftest import Ask
from tests.backends.openai.serving import Heard, Said, SmallServer, answer
from tests.backends.tiny import save_model

TOOL = declared_tool(
    {
        "name": "get_time",
        "description": "Return the time.",
        "parameters": {"type": "object", "properties": {"zone": {"type": "string"}}},
    }
)
# As Qwen3's: tools in the system turn, calls and results with marks of their own.
HERMES = """\
{%- if tools %}{{- '<|im_start|>system\\n# Tools\\n<tools>' }}
{%- for tool in tools %}{{- '\\n' }}{{- tool | tojson }}{%- endfor %}
{{- '\\n</tools><|im_end|>\\n' }}
{%- endif %}
{%- for message in messages %}
{%- if message.role == 'tool' %}
{{- '<|im_start|>user\\n<tool_response>\\n' + message.content }}
{{- '\\n</tool_response><|im_end|>\\n' }}
{%- else %}{{- '<|im_start|>' + message.role + '\\n' + message.content }}
{%- for call in message.tool_calls or [] %}
{{- '<tool_call>\\n{"name": "' + call.function.name + '", "arguments": ' }}
{{- call.function.arguments | tojson }}{{- '}\\n</tool_call>' }}{%- endfor %}
{{- '<|im_end|>\\n' }}{%- endif %}{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}
"""
# As DeepSeek's: arguments are added to a text.
JOINED = HERMES.replace(
    "{{- call.function.arguments | tojson }}", "{{- '' + call.function.arguments }}"
)
ASKED: Messages = (
    Message("user", "What time is it?"),
    Message("assistant", "", (ToolCall("get_time", {"zone": "Asia/Tokyo"}, "call00000"),)),
    Message("tool", "09:40", tool_call_id="call00000", name="get_time"),
)


@pytest.fixture(scope="module")
def caller(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random model whose template takes tools."""
    folder = save_model(tmp_path_factory.mktemp("caller") / "model", max_position_embeddings=2048)
    (folder / "chat_template.jinja").write_text(HERMES)
    return folder


def tokenizer(model: Path, folder: Path, template: str) -> tuple[ChatTokenizer, ChatTokenizer]:
    """The same tokenizer, as transformers builds it and as it is kept."""
    file = folder / "template.jinja"
    file.write_text(template)
    built = load_tokenizer(model, chat_template=file)
    load_tokenizer(model, chat_template=file, cache_dir=folder)
    return built, load_tokenizer(model, chat_template=file, cache_dir=folder)


@pytest.mark.parametrize("template", [HERMES, JOINED], ids=["objects", "texts"])
def test_calls_and_results_go_through_the_template(
    caller: Path, tmp_path: Path, template: str
) -> None:
    built, kept = tokenizer(caller, tmp_path, template)

    text = built.text(ASKED, tools=[TOOL])

    assert kept.text(ASKED, tools=[TOOL]) == text
    assert kept.token_ids(ASKED, tools=[TOOL]) == built.token_ids(ASKED, tools=[TOOL])
    assert '"name": "get_time"' in text.partition("</tools>")[0]
    said = text.partition("assistant\n")[2].partition("<|im_end|>")[0]
    assert parse_calls("hermes", said).calls == (ToolCall("get_time", {"zone": "Asia/Tokyo"}),)
    assert "<tool_response>\n09:40\n</tool_response>" in text


def test_a_template_that_ignores_tools_is_an_input_error(tiny: Path) -> None:
    plain = load_tokenizer(tiny)

    with pytest.raises(InputError, match="the chat template ignores tools") as caught:
        plain.token_ids(ASKED[:1], tools=[TOOL])

    assert str(tiny) in str(caught.value)


def test_marks_stay_in_answers_to_cases_with_tools(tiny: Path) -> None:
    ids = load_tokenizer(tiny).token_ids((Message("user", "Hi"),))
    read = load_tokenizer(tiny)

    assert "<|im_start|>" not in read.decode(ids)
    assert "<|im_start|>" in read.decode(ids, special=True)


def asked(backend: Any, ask: Ask, variant: Variant, *, tools: bool = True) -> list[Request]:
    """Sixteen random answers to the same question."""
    rendering = Rendering((TOOL,)) if tools else Rendering()
    prompt = backend.prompt(ASKED[:1], variant, rendering)
    return [
        replace(
            ask(prompt, variant, str(seed), temperature=10.0, seed=seed, max_new_tokens=80),
            rendering=rendering,
        )
        for seed in range(16)
    ]


def test_hf_keeps_special_tokens_where_tools_are_declared(caller: Path, ask: Ask) -> None:
    variant = Variant("base", str(caller))
    backend = open_backend("hf", BackendOptions((variant,), device="cpu"))

    marked = "".join(done.text for _, done in backend.generate(asked(backend, ask, variant)))
    plain = asked(backend, ask, variant, tools=False)
    unmarked = "".join(done.text for _, done in backend.generate(plain))
    backend.close()

    assert backend.chat_template(variant) == HERMES
    assert "<|im_start|>" in marked or "<|endoftext|>" in marked
    assert "<|im_start|>" not in unmarked
    assert "<|endoftext|>" not in unmarked


SUITE = """
suite: tools
category: tool_calling
tools: [{name: get_time, parameters: {type: object, properties: {zone: {type: string}}}}]
defaults: {sampling: {max_new_tokens: 24}}
cases:
  - {id: time, user: What time is it?, checks: [{tool_call: get_time}]}
  - id: answered
    user: What time is it?
    results: [{tool: get_time, returns: "09:40"}]
    checks: [{tool_call: get_time}, {contains: "09:40"}]
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    tmp_path.joinpath("s.yaml").write_text(SUITE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_random_model_is_run_and_fails_as_a_model(project: Path, caller: Path) -> None:
    report = harness.run("s.yaml", backend="hf", device="cpu", model=str(caller))

    assert [one.outcome for one in report.results()] == [Outcome.FAIL, Outcome.FAIL]
    assert all(len(one.steps) == 1 for one in report.results())
    assert any("calls of tools are read as hermes" in note for note in report.info.notes)


def test_a_model_that_knows_no_tools_is_an_input_error(project: Path, tiny: Path) -> None:
    with pytest.raises(InputError, match="the chat template ignores tools"):
        harness.run("s.yaml", backend="hf", device="cpu", model=str(tiny))


# -- servers ---------------------------------------------------------------------------------------


def called(*calls: tuple[str, str], end: str = "tool_calls", tokens: int = 3) -> Said:
    """A chat completion with these calls."""
    told = [
        {"id": f"c{at}", "type": "function", "function": {"name": name, "arguments": arguments}}
        for at, (name, arguments) in enumerate(calls)
    ]
    message = {"role": "assistant", "content": None, "tool_calls": told}
    choice = {"index": 0, "message": message, "finish_reason": end}
    usage = {"prompt_tokens": 7, "completion_tokens": tokens}
    return Said(body={"object": "chat.completion", "choices": [choice], "usage": usage})


def talk(heard: Heard) -> Said:
    """Call the clock, then say what it says."""
    last = heard.body["messages"][-1]
    if last["role"] == "tool":
        return answer(f"It is {last['content']}.")
    return called(("get_time", '{"zone": "Asia/Tokyo"}'))


@pytest.fixture
def url(monkeypatch: pytest.MonkeyPatch) -> Any:
    for name in ("OPENAI_API_KEY", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    server = SmallServer(talk)
    yield server
    server.close()


def test_a_server_is_told_of_tools_and_its_calls_are_data(project: Path, url: SmallServer) -> None:
    report = harness.run("s.yaml", backend="openai", base_url=url.url, model="small")

    found = {one.case: one for one in report.results()}
    assert {name: str(one.outcome) for name, one in found.items()} == {
        "time": "pass",
        "answered": "pass",
    }
    assert any("read by the server" in note for note in report.info.notes)
    first, last = url.heard[0].body, url.heard[-1].body
    assert first["tools"][0]["function"]["name"] == "get_time"
    assistant, result = last["messages"][-2:]
    assert assistant["tool_calls"][0]["function"] == {
        "name": "get_time",
        "arguments": json.dumps({"zone": "Asia/Tokyo"}),
    }
    assert result == {
        "role": "tool",
        "content": "09:40",
        "tool_call_id": "c0",
        "name": "get_time",
    }


NAMELESS = '{"id": "c0", "type": "function", "function": {"name": "", "arguments": "{}"}}'


@pytest.mark.parametrize(
    ("said", "calls", "end"),
    [
        (called(("f", '{"x": 1}')), (ToolCall("f", {"x": 1}, "c0"),), "stop"),
        (called(("f", '{"x": ')), (ToolCall("f", '{"x": ', "c0"),), "stop"),
        (called(("f", "[1]")), (ToolCall("f", "[1]", "c0"),), "stop"),
        (called(("f", "{}"), tokens=256), (ToolCall("f", {}, "c0"),), "length"),
        (called(("f", "{}"), end="stop"), (ToolCall("f", {}, "c0"),), "stop"),
        (called(("", "{}")), (ToolCall("", NAMELESS, "c0"),), "stop"),
    ],
)
def test_what_a_server_calls_is_read(
    said: Said, calls: tuple[ToolCall, ...], end: str, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    server, variant = SmallServer(lambda heard: said), Variant("base", "small")
    backend = open_backend("openai", BackendOptions((variant,), base_url=server.url))
    request = replace(
        ask(backend.prompt(ASKED[:1], variant), variant), rendering=Rendering((TOOL,))
    )

    [(_, done)] = backend.generate([request])
    [(_, untold)] = backend.generate([replace(request, rendering=Rendering())])
    server.close()

    assert (done.tool_calls, done.finish_reason, done.error) == (calls, end, "")
    assert untold.tool_calls == ()  # none were declared


def test_a_server_that_takes_no_tools_says_how_to_start_it(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser'
    server = SmallServer(lambda heard: Said(400, {"error": {"message": message}}))

    with pytest.raises(InputError, match="takes no tools") as caught:
        harness.run("s.yaml", backend="openai", base_url=server.url, model="small")
    server.close()

    assert "--tool-call-parser NAME" in str(caught.value)
