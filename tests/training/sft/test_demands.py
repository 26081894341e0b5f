"""Tests of what is refused before anything is loaded."""

from __future__ import annotations

import json
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest

from harness.backends import open_adapter, open_model
from harness.common import InputError, Message
from harness.training import TrainingRow
from harness.training.sft import Event, LoraSettings, TrainingNote, prepare, train, unserved
from tests.backends.tiny import TEMPLATE
from tests.training.sft.made import config_for, pets

LLAMA3 = (
    "{{ '<|begin_of_text|>' }}{% for m in messages %}<|start_header_id|>{{ m.role }}"
    "<|end_header_id|>\n\n{{ m.content }}<|eot_id|>{% endfor %}"
)


def refused(model: Path, rows: tuple[TrainingRow, ...] = pets(12), **changes: object) -> str:
    with pytest.raises(InputError) as caught:
        prepare(config_for(model, Path("out"), **changes), rows)
    return str(caught.value)


def test_the_template_of_another_model_by_name(tiny: Path) -> None:
    assert refused(tiny, template="llama3") == (
        "template 'llama3': a model is trained with its own chat template, the one that it is "
        "served with, and with no other\n"
        f"  found: the template of {tiny} is ChatML (Qwen)\n"
        "  hint: leave `template` out: rows are plain messages, and the model's own template is "
        "put on"
    )


def test_the_template_of_another_model_as_a_file(tiny: Path, tmp_path: Path) -> None:
    file = tmp_path / "llama3.jinja"
    file.write_text(LLAMA3, encoding="utf-8")

    assert refused(tiny, template=str(file)) == (
        f"{file}: is not the chat template of {tiny}: the trained adapter would see other prompts "
        "than in training\n"
        "  found: Llama 3\n"
        "  expected: ChatML (Qwen)\n"
        "  hint: leave `template` out: rows are plain messages, and the model's own template is "
        "put on"
    )


def test_a_copy_of_the_models_own_template_may_be_named(tiny: Path, tmp_path: Path) -> None:
    file = tmp_path / "own.jinja"
    file.write_text(TEMPLATE, encoding="utf-8")

    assert prepare(config_for(tiny, Path("out"), template=str(file)), pets(12)).counts["rows"] == 10


def test_rows_rendered_in_another_template(tiny: Path) -> None:
    rendered = (Message("user", "[INST] Animal? [/INST]"), Message("assistant", "The cat."))

    assert refused(tiny, (*pets(12), TrainingRow(rendered, "rows.jsonl:13"))) == (
        "rows.jsonl:13: the text is rendered in the chat template of Llama 2 and Mistral\n"
        "  found: [INST]\n"
        "  expected: plain texts as messages: the model's own chat template is put around them\n"
        "  hint: take the marks out; give the turns as messages with role and content"
    )


def test_no_rows(tiny: Path) -> None:
    assert refused(tiny, ()) == "there are no rows to train on"


def test_target_modules_that_the_model_has_not(tiny: Path) -> None:
    assert refused(tiny, lora=LoraSettings(targets=("q_proj", "gate_porj"))) == (
        f"{tiny}: lora.targets: the model has no module 'gate_porj', and peft would say nothing\n"
        "  expected: down_proj, gate_proj, k_proj, o_proj, q_proj, up_proj, v_proj\n"
        "  did you mean: gate_proj"
    )


def test_a_quantised_base(tiny: Path, tmp_path: Path) -> None:
    copy = tmp_path / "awq"
    shutil.copytree(tiny, copy)
    config = json.loads((copy / "config.json").read_text(encoding="utf-8"))
    config["quantization_config"] = {"quant_method": "awq"}
    (copy / "config.json").write_text(json.dumps(config), encoding="utf-8")

    assert refused(copy) == (
        f"{copy}: the base is quantised, and an adapter is trained on the full weights\n"
        "  found: awq\n"
        "  hint: name the model that it was made from; with little memory, say qlora: true"
    )


def test_qlora_without_its_library(tiny: Path) -> None:
    if find_spec("bitsandbytes"):
        pytest.skip("bitsandbytes is installed")
    assert refused(tiny, qlora=True) == (
        "qlora: bitsandbytes is not installed\n"
        "  hint: pip install 'lora-regression-harness[train,bitsandbytes]'"
    )


def test_a_number_format_that_is_not_known(tiny: Path) -> None:
    assert refused(tiny, dtype="float7") == (
        "dtype 'float7' is not known\n"
        "  expected: auto, float32, bfloat16, float16\n"
        "  did you mean: float32\n"
        "  hint: say dtype: auto"
    )


def test_a_device_that_is_not_known(tiny: Path) -> None:
    assert refused(tiny, device="gpu") == (
        "device 'gpu' is not known\n"
        "  expected: auto, cpu, cuda, cuda:N or mps\n"
        "  did you mean: cuda\n"
        "  hint: say device: auto or device: cpu"
    )


def test_a_tracker_that_is_not_installed(tiny: Path) -> None:
    if find_spec("mlflow"):
        pytest.skip("mlflow is installed")
    assert refused(tiny, report_to=["mlflow"]) == (
        "report_to: mlflow is not installed\n  hint: pip install mlflow"
    )


def test_a_row_that_is_too_long(tiny: Path) -> None:
    assert refused(tiny, pets(9), max_length=20).startswith(
        "pets.jsonl:1: the row is too long, and cut off it would teach the model never to stop\n"
        "  found: 64 tokens\n"
        "  expected: 20 tokens at most\n"
        "  hint: shorten it, raise max_length, or say long_rows: drop"
    )


def test_rows_that_are_too_long_may_be_dropped_and_are_counted(tiny: Path) -> None:
    rows = (*pets(12), *pets(2, length=20))

    prepared = prepare(config_for(tiny, Path("out"), max_length=80, long_rows="drop"), rows)

    assert prepared.counts["dropped_as_too_long"] == 2
    assert prepared.counts["longest"] <= 80


def test_dropping_every_row_is_an_error(tiny: Path) -> None:
    assert refused(tiny, max_length=5, long_rows="drop") == (
        "no row is left: none has at most 5 tokens"
    )


def test_what_vllm_will_not_load_is_said_before_training(tmp_path: Path) -> None:
    model, out = tmp_path / "m", tmp_path / "out"

    assert not list(unserved(config_for(model, out)))
    told = list(unserved(config_for(model, out, lora=LoraSettings(rank=600, dora=True))))
    assert [line.partition(":")[0] for line in told] == ["lora.dora", "lora.rank"]
    assert list(unserved(config_for(model, out, lora=LoraSettings(rank=20)))) == [
        "lora.rank: vLLM needs --max-lora-rank 32 for rank 20"
    ]


def test_a_dora_adapter_with_another_beginning_is_trained_and_known_as_unserved(
    tiny: Path, tmp_path: Path
) -> None:
    lora = LoraSettings(rank=4, dora=True, init="orthogonal")
    config = config_for(tiny, tmp_path / "out", max_steps=2, held_out_share=0, lora=lora)
    events: list[Event] = []

    adapter = train(config, pets(16), observer=events.append)

    opened = open_adapter(str(adapter.path), open_model(str(tiny)))
    assert opened.unserved[0] == "use_dora"
    assert opened.config["init_lora_weights"] == "orthogonal"
    assert any(isinstance(e, TrainingNote) and e.text.startswith("lora.dora:") for e in events)
