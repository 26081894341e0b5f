"""Settings come from one declaration; a wrong one is named with its file and line."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from harness.common import InputError
from harness.config import Settings, engine_arguments, find_root, flags, load_settings, where_to_set
from harness.config import settings as settings_module
from harness.prompts import ANY
from harness.prompts import FAMILIES as CALLS
from harness.scorers import DEFAULT_TAGS, ReasoningParser


def test_the_configuration_gives_defaults_and_the_command_line_wins(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.harness]\nmodel = "m"\nbackend = "echo"\n')

    settings = load_settings(tmp_path, {"backend": "replay"})

    assert (settings.model, settings.backend) == ("m", "replay")


def test_harness_toml_stands_before_pyproject(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.harness]\nmodel = "a"\n')
    (tmp_path / "harness.toml").write_text('model = "b"\n')

    assert load_settings(tmp_path).model == "b"


def test_the_root_is_the_nearest_folder_with_a_configuration(tmp_path: Path) -> None:
    (tmp_path / "harness.toml").write_text("")
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)

    assert find_root(below) == tmp_path


def test_every_option_has_a_help_text() -> None:
    assert all(text for _, _, text in flags())


def test_every_flag_is_the_name_of_its_field() -> None:
    renamed = {
        name: flag.name for name, flag, _ in flags() if flag.name != "--" + name.replace("_", "-")
    }

    assert renamed == {"ray_address": "--ray"}  # `ray` is the table of what replicas are given


def test_engine_arguments_are_json_or_text_and_the_command_line_wins() -> None:
    settings = Settings(engine_args={"delay": 1, "mode": "slow"}, engine_arg=("delay=0.5", "x=a"))

    assert engine_arguments(settings) == {"delay": 0.5, "mode": "slow", "x": "a"}


def test_an_engine_argument_needs_a_value() -> None:
    with pytest.raises(InputError) as caught:
        engine_arguments(Settings(engine_arg=("delay",)))

    assert str(caught.value) == ("--engine-arg 'delay' is not understood\n  expected: KEY=VALUE")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            'model = "m"\nbackand = "hf"\n',
            "{path}:2:1: unknown setting 'backand'\n"
            "  did you mean: backend\n"
            "  hint: known settings: {known}",
        ),
        (
            'batch_tokens = "many"\n',
            "{path}:1:16: wrong value for 'batch_tokens'\n"
            "  found: text 'many'\n"
            "  expected: a whole number",
        ),
        (
            '# several\nmodel = "m"\n[judge]\nbackend = 3\n[variants.new]\nadaptor = "x"\n'
            "sampling = {temperature = -1}\n",
            "{path}:4:11: wrong value for 'judge.backend'\n"
            "  found: number 3\n"
            "  expected: a text\n"
            '  hint: put it in quotes: "3"\n'
            "{path}:6:1: unknown setting 'adaptor'\n"
            "  did you mean: adapter\n"
            "  hint: known settings: adapter, chat_template, chat_template_args, model, prices, "
            "reasoning_parser, sampling, system, system_role\n"
            "{path}:7:27: wrong value for 'variants.new.sampling.temperature'\n"
            "  found: number -1\n"
            "  expected: 0 or more",
        ),
        (
            'adapter = "new=out/new"\nreasoning_tags = [3]\n',
            "{path}:1:11: wrong value for 'adapter'\n"
            "  found: text 'new=out/new'\n"
            "  expected: a list\n"
            '  hint: put it in brackets: ["new=out/new"]\n'
            "{path}:2:19: wrong value for 'reasoning_tags.0'\n"
            "  found: number 3\n"
            "  expected: a text\n"
            '  hint: put it in quotes: "3"',
        ),
        (
            '[prices]\ninput = -1\noutput = "0.6"\nouput = 1\n[variants.new]\n'
            "prices = {input = 1.0, currency = ''}\n",
            "{path}:2:9: wrong value for 'prices.input'\n"
            "  found: number -1\n"
            "  expected: 0 or more\n"
            "{path}:3:10: wrong value for 'prices.output'\n"
            "  found: text '0.6'\n"
            "  expected: a number\n"
            "{path}:4:1: unknown setting 'ouput'\n"
            "  did you mean: output\n"
            "  hint: known settings: currency, input, output\n"
            "{path}:6:10: 'variants.new.prices.output' is missing\n"
            "{path}:6:35: wrong value for 'variants.new.prices.currency'\n"
            "  found: text ''\n"
            "  expected: a text that is not empty",
        ),
        (
            "[prices]\ninput = inf\noutput = nan\n",
            "{path}:2:9: wrong value for 'prices.input'\n"
            "  found: number inf\n"
            "  expected: a finite number\n"
            "{path}:3:10: wrong value for 'prices.output'\n"
            "  found: number nan\n"
            "  expected: a finite number",
        ),
        (
            "model = \n",
            "{path}:1: not valid TOML: Invalid value (at line 1, column 9)",
        ),
        ("x = " + 2_000 * "[" + 2_000 * "]", "{path}: not valid TOML: more than 100 levels"),
    ],
)
def test_a_wrong_configuration_is_an_input_error(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "harness.toml"
    path.write_text(text)
    known = ", ".join(sorted(set(Settings.model_fields) - {"root"}))

    with pytest.raises(InputError) as caught:
        load_settings(tmp_path)

    assert str(caught.value) == message.format(path=path, known=known)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "[tool.other]\nmodel = 1\n\n[tool.harness.judges.big]\nmodle = 'm'\n",
            "{path}:5:1: unknown setting 'modle'\n"
            "  did you mean: model\n"
            "  hint: known settings: adapter, backend, base_url, device, dtype, engine_args, "
            "model, replicas, responses, sampling",
        ),
        ("[tool]\nharness = 3\n", "{path}: tool.harness is no table\n  expected: [tool.harness]"),
    ],
)
def test_a_wrong_table_of_pyproject_is_an_input_error(
    tmp_path: Path, text: str, message: str
) -> None:
    path = tmp_path / "pyproject.toml"
    path.write_text(text)

    with pytest.raises(InputError) as caught:
        load_settings(tmp_path)

    assert str(caught.value) == message.format(path=path)


def test_a_wrong_value_on_the_command_line_is_named_as_its_option(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        load_settings(tmp_path, {"time_limit": "-1", "batch_tokens": "many"})

    assert str(caught.value) == (
        "wrong value for '--batch-tokens'\n"
        "  found: text 'many'\n"
        "  expected: a whole number\n"
        "wrong value for '--time-limit'\n"
        "  found: text '-1'\n"
        "  expected: above 0"
    )


def test_a_message_names_the_configuration_that_is_there(tmp_path: Path) -> None:
    settings = Settings(root=tmp_path)

    assert where_to_set(settings, "a = 1") == (
        f"a = 1 in {tmp_path}/harness.toml, which `harness init` writes"
    )
    (tmp_path / "pyproject.toml").write_text("[tool.other]\nx = 1\n")
    assert where_to_set(settings, "a = 1").startswith(f"a = 1 in {tmp_path}/harness.toml")
    (tmp_path / "pyproject.toml").write_text("[tool.harness]\nbackend = 'hf'\n")
    assert where_to_set(settings, "a = 1") == (
        f"a = 1 under [tool.harness] in {tmp_path}/pyproject.toml"
    )
    (tmp_path / "harness.toml").touch()
    assert where_to_set(settings, "a = 1") == f"a = 1 at the top of {tmp_path}/harness.toml"


def test_the_parsers_to_choose_from_are_those_that_there_are() -> None:
    tools = set(get_args(settings_module.ToolParser))
    reasoning = get_args(ReasoningParser)

    assert tools == CALLS.keys() - {ANY}
    assert set(reasoning) == {"auto", "none", *DEFAULT_TAGS}


def test_a_flood_of_unknown_settings_is_counted_and_told_in_the_order_of_the_file(
    tmp_path: Path,
) -> None:
    lines = "".join(f"key{number} = 1\n" for number in range(3_000))
    (tmp_path / "harness.toml").write_text(lines + "backend = 7\n")

    with pytest.raises(InputError) as caught:
        load_settings(tmp_path)
    *told, rest = caught.value.problems
    assert [problem.line for problem in told] == list(range(1, 21))
    assert rest.message == "2,981 more problems of this file"
