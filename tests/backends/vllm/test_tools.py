"""Tools through a real vLLM on a CPU: the engine, and its server with a parser of calls."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import harness
from harness.backends import BackendOptions, Rendering, open_backend
from harness.common import Message, Variant
from harness.results import Outcome
from tests.backends.conftest import Ask
from tests.backends.test_tools import ASKED, HERMES, SUITE, TOOL
from tests.backends.vllm.conftest import MODEL, Served, api_server
from tests.prompts.test_template_args import THINKER


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("template") / "tools.jinja"
    file.write_text(HERMES)
    return file


@pytest.mark.slow
def test_the_engine_answers_as_hf_does(served: Served, template: Path, ask: Ask) -> None:
    variant = Variant("base", MODEL, chat_template=str(template))
    hf = open_backend("hf", BackendOptions((variant,), device="cpu", engine_args={"threads": 1}))
    rendering = Rendering((TOOL,))
    prompts = [served.backend.prompt(ASKED[: at + 1], variant, rendering) for at in (0, 2)]
    requests = [
        replace(ask(prompt, variant, str(at), max_new_tokens=24), rendering=rendering)
        for at, prompt in enumerate(prompts)
    ]

    theirs = {request.key: done.text for request, done in hf.generate(requests)}
    hf.close()

    assert served.backend.chat_template(variant) == HERMES
    assert [hf.prompt(ASKED[: at + 1], variant, rendering) for at in (0, 2)] == prompts
    assert {key: done.text for key, done in served.answers(requests).items()} == theirs


@pytest.mark.slow
def test_the_engine_is_told_arguments_of_the_template_as_hf_is(
    served: Served, tmp_path: Path, ask: Ask
) -> None:
    file = tmp_path / "thinker.jinja"
    file.write_text(THINKER)
    variant = Variant("base", MODEL, chat_template=str(file))
    hf = open_backend("hf", BackendOptions((variant,), device="cpu", engine_args={"threads": 1}))
    told = Rendering(template_args={"enable_thinking": False})
    plain, quick = (served.backend.prompt(ASKED[:1], variant, r) for r in (Rendering(), told))
    begun = served.backend.prompt((*ASKED[:1], Message("assistant", "It is")), variant)
    requests = [
        ask(prompt, variant, str(at), max_new_tokens=8)
        for at, prompt in enumerate((plain, quick, begun))
    ]

    theirs = {request.key: done.text for request, done in hf.generate(requests)}
    hf.close()

    assert quick == hf.prompt(ASKED[:1], variant, told) != plain
    assert {key: done.text for key, done in served.answers(requests).items()} == theirs


@pytest.fixture(scope="module")
def server(template: Path) -> Iterator[str]:
    """The address of vLLM's own server, with a parser of calls."""
    parser = ("--enable-auto-tool-choice", "--tool-call-parser=hermes")
    with api_server(MODEL, *parser, f"--chat-template={template}") as address:
        yield address


@pytest.mark.full
def test_a_server_with_a_parser(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The embedded model knows no tools: one call that is forced, and answers that are none."""
    small = SUITE.replace("zone: {type: string}", "zone: {enum: [UTC]}").replace("24", "160")
    tmp_path.joinpath("s.yaml").write_text(small)
    monkeypatch.chdir(tmp_path)
    where: dict[str, Any] = {"backend": "openai", "base_url": server, "model": "small"}
    schema = {"name": "get_time"}
    forced = {"tool_choice": {"type": "function", "function": schema}}

    free = harness.run("s.yaml", **where)
    one = harness.run("s.yaml", **where, engine_args={"body": forced})

    assert all(each.outcome in (Outcome.PASS, Outcome.FAIL) for each in free.results())
    calls = [call for each in one.results() for step in each.steps for call in step.tool_calls]
    assert calls
    assert all(call.name == "get_time" for call in calls)
    assert any("read by the server" in note for note in one.info.notes)
