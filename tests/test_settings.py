"""Settings come from one declaration; a wrong one is named with its file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import InputError
from harness.settings import Settings, engine_arguments, find_root, flags, load_settings


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
    assert all(flag.name == "--" + name.replace("_", "-") for name, flag, _ in flags())


def test_engine_arguments_are_json_or_text_and_the_command_line_wins() -> None:
    settings = Settings(engine_args={"delay": 1, "mode": "slow"}, engine_arg=("delay=0.5", "x=a"))

    assert engine_arguments(settings) == {"delay": 0.5, "mode": "slow", "x": "a"}


def test_an_engine_argument_needs_a_value() -> None:
    with pytest.raises(InputError) as caught:
        engine_arguments(Settings(engine_arg=("delay",)))

    assert str(caught.value) == ("--engine-arg 'delay' is not understood\n  wanted: KEY=VALUE")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            'model = "m"\nbackand = "hf"\n',
            "{path}:2: unknown setting 'backand'\n"
            "  did you mean: backend\n"
            "  mend: known settings: {known}",
        ),
        (
            'batch_tokens = "many"\n',
            "{path}:1: setting 'batch_tokens' is wrong: input should be a valid integer, unable to"
            " parse string as an integer\n"
            "  found: 'many'",
        ),
        (
            "model = \n",
            "{path}:1: not valid TOML: Invalid value (at line 1, column 9)",
        ),
    ],
)
def test_a_wrong_configuration_is_an_input_error(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "harness.toml"
    path.write_text(text)
    known = ", ".join(sorted(set(Settings.model_fields) - {"root"}))

    with pytest.raises(InputError) as caught:
        load_settings(tmp_path)

    assert str(caught.value) == message.format(path=path, known=known)
