"""What only the loaded model can tell is told before the training, and in its words."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.common import InputError
from harness.training import TrainingRow
from harness.training.sft import prepare, rehearse, train
from tests.training.sft.made import config_for


def test_without_such_settings_nothing_is_started(
    tiny: Path, rows: tuple[TrainingRow, ...]
) -> None:
    told: list[object] = []
    rehearse(prepare(config_for(tiny, Path("out")), rows), told.append)

    assert told == []


@pytest.mark.slow
def test_arguments_that_the_model_does_not_take(
    tiny: Path, rows: tuple[TrainingRow, ...], tmp_path: Path
) -> None:
    config = config_for(tiny, tmp_path / "out", model_args={"attention": "flash"})
    with pytest.raises(InputError) as rehearsed:
        rehearse(prepare(config, rows))
    assert not config.output.exists()
    with pytest.raises(InputError) as trained:
        train(config, rows)

    assert str(rehearsed.value) == str(trained.value)
    assert str(rehearsed.value) == (
        f"{tmp_path}/out: the model does not load with these model_args\n"
        "  found: TypeError: Qwen2ForCausalLM.__init__() got an unexpected keyword argument "
        "'attention'\n"
        "  hint: give what from_pretrained of transformers takes, or leave model_args out"
    )
