"""`chat_template_args` of a run, a suite, a case and a variant: who wins, what is sent, the key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from harness.backends import Prompt
from harness.backends.base import adopt
from harness.common import InputError, Message, Messages, Variant
from harness.config import load_settings
from harness.evaluation import RunReport, run_suites
from harness.evaluation.rendering import prompt_of
from harness.reports import publish
from tests.backends.openai.serving import SmallServer
from tests.backends.tiny import save_model
from tests.evaluation.engines import ScriptedEngine
from tests.evaluation.worlds import case
from tests.prompts.test_template_args import THINKER

SUITE = """
suite: thinking
category: instruction_following
defaults: {chat_template_args: {of_suite: suite, of_case: suite, of_variant: suite}}
cases:
  - id: one
    user: Hi
    chat_template_args: {of_case: case, of_variant: case}
    checks: [{contains: Hi}]
"""
PLAIN_SUITE = """
suite: plain
category: instruction_following
cases: [{id: one, user: Hi, checks: [{contains: Hi}]}]
"""


@pytest.fixture
def server() -> Iterator[SmallServer]:
    started = SmallServer()
    yield started
    started.close()


def run(folder: Path, server: SmallServer, suite: str, settings: str) -> list[Mapping[str, Any]]:
    """Run a suite of one case; return the bodies of the chat completions that the server heard."""
    folder.mkdir(exist_ok=True)
    (folder / "suite.yaml").write_text(suite)
    (folder / "harness.toml").write_text(
        f'backend = "openai"\nbase_url = "{server.url}"\nmodel = "small"\nsuites = ["suite.yaml"]\n'
        + settings
    )
    before = len(server.heard)
    run_suites(load_settings(folder))
    return [heard.body for heard in server.heard[before:] if heard.body]


def test_the_case_stands_before_the_suite_and_the_variant_before_both(
    server: SmallServer, tmp_path: Path
) -> None:
    settings = """
[chat_template_args]
of_run = "run"
of_suite = "run"

[variants.tuned]
model = "other"
chat_template_args = {of_variant = "variant"}
"""
    bodies = run(tmp_path, server, SUITE, settings)

    told = {body["model"]: body["chat_template_kwargs"] for body in bodies}
    common = {"of_run": "run", "of_suite": "suite", "of_case": "case"}
    assert told == {
        "small": {**common, "of_variant": "case"},
        "other": {**common, "of_variant": "variant"},
    }


def test_nothing_is_sent_where_nothing_is_said(server: SmallServer, tmp_path: Path) -> None:
    (body,) = run(tmp_path, server, PLAIN_SUITE, "")

    assert "chat_template_kwargs" not in body


ARGS = "[chat_template_args]\nenable_thinking = false\n"
BODY = "[engine_args.body.chat_template_kwargs]\nenable_thinking = false\n"


@pytest.mark.parametrize(("first", "second"), [(ARGS, BODY), (BODY, ARGS)])
def test_the_same_said_in_body_finds_the_same_answers(
    first: str, second: str, server: SmallServer, tmp_path: Path
) -> None:
    (asked,) = run(tmp_path, server, PLAIN_SUITE, first)

    assert asked["chat_template_kwargs"] == {"enable_thinking": False}
    assert run(tmp_path, server, PLAIN_SUITE, second) == []  # all answers are in the store
    assert len(run(tmp_path, server, PLAIN_SUITE, "")) == 1  # another key


def test_a_contradiction_is_an_input_error(server: SmallServer, tmp_path: Path) -> None:
    with pytest.raises(InputError) as raised:
        run(tmp_path, server, PLAIN_SUITE, ARGS.replace("false", "true") + BODY)

    assert "contradict each other" in raised.value.problems[0].message
    assert "(chat_template_args of the run)" in raised.value.problems[0].message


@pytest.fixture
def thinker(tmp_path: Path) -> Path:
    """A random model whose template knows `enable_thinking`."""
    folder = save_model(tmp_path / "thinker")
    (folder / "chat_template.jinja").write_text(THINKER)
    return folder


LOCAL = """
backend = "hf"
device = "cpu"
model = "thinker"
suites = ["suite.yaml"]
[variants.quick]
chat_template_args = {enable_thinking = false}
"""


def local(folder: Path, suite: str = PLAIN_SUITE, settings: str = LOCAL) -> RunReport:
    (folder / "suite.yaml").write_text(suite)
    (folder / "harness.toml").write_text(settings)
    return run_suites(load_settings(folder))


def test_a_local_model_is_told_and_the_scorecard_says_so(thinker: Path, tmp_path: Path) -> None:
    report = local(tmp_path)

    told = {variant.name: variant.chat_template_args for variant in report.info.variants}
    assert told == {"base": {}, "quick": {"enable_thinking": False}}
    assert (
        '"chat_template_args": {\n        "enable_thinking": false'
        in publish(report.scorecard).to_json()
    )
    assert "Arguments of the chat template</dt><dd>enable_thinking false" in (
        report.paths.html.read_text()
    )
    # The empty block of thought makes the prompt longer, and pairs are compared all the same.
    lengths = {one.variant: one.prompt_tokens for one in report.results()}
    assert lengths["quick"] > lengths["base"]
    assert report.gate.suites[-1].comparison is not None


def test_what_a_suite_tells_is_a_note(thinker: Path, tmp_path: Path) -> None:
    suite = PLAIN_SUITE + "defaults: {chat_template_args: {enable_thinking: true}}\n"

    notes = local(tmp_path, suite).info.notes

    assert "plain: chat_template_args enable_thinking true in 1 case" in notes


def test_what_a_run_is_told_is_another_signature(thinker: Path, tmp_path: Path) -> None:
    plain = LOCAL.partition("[variants")[0]
    first = list(local(tmp_path, settings=plain).results())
    told = local(tmp_path, settings=f"{plain}[chat_template_args]\nenable_thinking = false\n")

    assert told.info.variants[0].chat_template_defaults == {"enable_thinking": False}
    assert [one.signature for one in told.results()] != [one.signature for one in first]


@pytest.mark.parametrize(
    ("suite", "settings", "said"),
    [
        (
            PLAIN_SUITE.replace("user: Hi", "user: Hi, chat_template_args: {enable_thinkin: true}"),
            LOCAL,
            "{suite}:4:9: {model}: the chat template knows no argument 'enable_thinkin'\n"
            "  in case: one\n  did you mean: enable_thinking\n",
        ),
        (
            PLAIN_SUITE,
            LOCAL.replace("enable_thinking", "effort"),
            "{settings}:7:23: {model}: the chat template knows no argument 'effort' "
            "(chat_template_args of variants.quick)\n",
        ),
        (
            PLAIN_SUITE,
            LOCAL.partition("[variants")[0] + "[chat_template_args]\nenable_thinkin = false\n",
            "{settings}:7:1: {model}: the chat template knows no argument 'enable_thinkin' "
            "(chat_template_args of the run)\n  did you mean: enable_thinking\n",
        ),
        (
            PLAIN_SUITE + "defaults: {chat_template_args: [enable_thinking]}\n",
            LOCAL,
            "{suite}:5:32: wrong value for 'defaults.chat_template_args'\n"
            "  found: a list\n  expected: a mapping",
        ),
    ],
)
def test_what_a_template_does_not_know_is_an_input_error(
    suite: str, settings: str, said: str, thinker: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError) as raised:
        local(tmp_path, suite, settings)

    places = {"suite": tmp_path / "suite.yaml", "settings": tmp_path / "harness.toml"}
    places["model"] = thinker
    assert str(raised.value).startswith(said.format(**places))


class TwoArguments(ScriptedEngine):
    """A plug-in as they were written before prompts had more than messages."""

    def prompt(self, messages: Messages, variant: Variant) -> Prompt:  # type: ignore[override]
        """See `Backend`."""
        return Prompt(messages, None, 1)


def test_a_plug_in_that_takes_no_arguments_says_so() -> None:
    engine, user = adopt(TwoArguments()), (Message("user", "Hi"),)
    plain, told = Variant("base", "m"), Variant("base", "m", template_args={"x": 1})

    assert prompt_of(engine, user, plain, case("one")).tokens == 1
    with pytest.raises(InputError, match="takes neither tools nor chat_template_args") as raised:
        prompt_of(engine, user, told, case("one"))
    assert raised.value.problems[0].place == "s.yaml:1:1"
