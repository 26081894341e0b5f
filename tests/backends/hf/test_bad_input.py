"""What a user of the backend hf may get wrong, as a whole run says it; nothing is generated."""

from __future__ import annotations

import warnings
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from harness.common import InputError
from harness.config import Settings
from harness.evaluation import RunReport, run_suites
from harness.results import Outcome
from tests.backends.tiny import TEMPLATE, save_adapter, save_model, save_tokenizer
from tests.backends.vllm.quantised import quantised

ROOT = Path(__file__).parents[3]

SUITE = """
suite: long
category: long_context
defaults: {sampling: {max_new_tokens: 8}}
cases:
  - {id: fits, user: Hi., checks: [{not: {equals: "@"}}]}
  - {id: too-long, user: "{{ 'word ' * 400 }}", checks: [{contains: a}]}
  - {id: needed, user: "{{ 'word ' * 400 }}", required: true, checks: [{contains: a}]}
"""


def run(folder: Path, model: Path, **settings: object) -> RunReport:
    (folder / "long.yaml").write_text(SUITE)
    given = {"root": folder, "model": str(model), "device": "cpu", **settings}
    return run_suites(Settings.model_validate(given), [str(folder / "long.yaml")])


def test_a_case_beyond_the_context_is_skipped_and_a_required_one_is_an_error(
    tiny: Path, tmp_path: Path
) -> None:
    report = run(tmp_path, tiny)

    found = {result.case: result for result in report.results()}
    tokens = 1648  # of the prompt: the tiny tokenizer knows few words
    reason = f"does not fit the context: {tokens} tokens of prompt + 8 for the answer > 512"
    assert found["fits"].outcome in (Outcome.PASS, Outcome.FAIL)
    assert (found["too-long"].outcome, found["too-long"].reason) == (Outcome.SKIPPED, reason)
    assert (found["needed"].outcome, found["needed"].reason) == (Outcome.ERROR, reason)
    assert report.exit_code == 3


def test_a_tokenizer_without_a_chat_template_is_named(tmp_path: Path) -> None:
    model = save_model(tmp_path / "model")
    (model / "chat_template.jinja").unlink(missing_ok=True)
    save_tokenizer(model, template=None)

    with pytest.raises(InputError) as caught:
        run(tmp_path, model)

    assert str(caught.value) == (
        f"{model}: the tokenizer has no chat template\n"
        "  expected: chat_template.jinja, or chat_template in tokenizer_config.json\n"
        "  hint: use the instruct model, or copy its chat_template.jinja into this directory"
    )


def test_an_engine_argument_that_nobody_knows_is_named(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        run(tmp_path, tiny, engine_args={"foo": 1})

    assert str(caught.value) == (
        "hf: engine argument 'foo' is not known\n"
        "  found: Qwen2ForCausalLM.__init__() got an unexpected keyword argument 'foo'\n"
        "  expected: threads, rows, quantization, or an argument of transformers' from_pretrained\n"
        "  hint: correct it, or leave it out"
    )


def test_an_engine_argument_with_a_slip_in_it_is_named_with_the_right_one(
    tiny: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError) as caught:
        run(tmp_path, tiny, engine_args={"quantisation": "4bit"})

    assert str(caught.value) == (
        "hf: engine argument 'quantisation' is not known\n"
        "  found: Qwen2ForCausalLM.__init__() got an unexpected keyword argument 'quantisation'\n"
        "  expected: threads, rows, quantization, or an argument of transformers' from_pretrained\n"
        "  did you mean: quantization\n"
        "  hint: correct it, or leave it out"
    )


@pytest.mark.skipif(find_spec("optimum") is not None, reason="transformers can load GPTQ here")
def test_a_quantised_base_that_transformers_cannot_load_names_the_engine_that_can(
    tmp_path: Path,
) -> None:
    model = quantised(ROOT / "fixtures/model", "gptq", tmp_path / "gptq")

    with pytest.raises(InputError) as caught:
        run(tmp_path, model)

    assert str(caught.value) == (
        f"{model}: transformers cannot load its weights here: they are quantised (gptq)\n"
        "  found: Loading a GPTQ quantized model requires optimum (`pip install optimum`)\n"
        "  hint: add --backend vllm, which reads gptq, awq and others by itself, or give "
        "transformers what it asks for"
    )


def test_a_model_without_its_tokenizer_is_refused_and_not_asked_empty_prompts(
    tmp_path: Path,
) -> None:
    model = save_model(tmp_path / "model")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (model / name).unlink()
    (model / "chat_template.jinja").write_text(TEMPLATE)

    with pytest.raises(InputError) as caught:
        run(tmp_path, model)

    assert str(caught.value) == (
        f"{model}: the tokenizer cannot be loaded\n"
        "  found: a tokenizer that knows no words\n"
        "  expected: tokenizer.json and tokenizer_config.json beside the model's weights\n"
        "  hint: copy the tokenizer files of the base model into this directory"
    )


def test_an_adapter_with_a_head_of_its_own_runs_without_a_word_from_peft(
    tiny: Path, tmp_path: Path
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what peft says while it is made
        adapter = save_adapter(tmp_path / "tied", tiny, seed=1, modules_to_save=["lm_head"])

    report = run(tmp_path, tiny, adapter=(f"tied={adapter}",))

    assert {result.variant for result in report.results() if result.responses} == {"base", "tied"}


def test_an_adapter_of_another_base_is_named(tiny: Path, tmp_path: Path) -> None:
    other = save_model(tmp_path / "other", hidden_size=64)
    adapter = save_adapter(tmp_path / "adapter", other, seed=1)

    with pytest.raises(InputError) as caught:
        run(tmp_path, tiny, adapter=(f"tuned={adapter}",))

    assert str(caught.value) == (
        f"{adapter}: was trained for another base than {tiny}\n"
        "  found: model.layers.0.mlp.down_proj of 64 x 64\n"
        "  expected: 32 x 64\n"
        f"  hint: use the base that it was trained on: {other}"
    )


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_gpu_that_is_not_there_is_said_before_anything_is_loaded(
    tiny: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError) as caught:
        run(tmp_path, tiny, device="cuda")

    assert str(caught.value) == (
        f"device 'cuda': torch {torch.__version__} sees no GPU\n"
        "  hint: use --device auto or --device cpu"
    )


def test_all_models_and_adapters_that_are_missing_are_named_at_once(
    tiny: Path, tmp_path: Path
) -> None:
    gone = tmp_path / "gone"

    with pytest.raises(InputError) as caught:
        run(tmp_path, tiny, adapter=(f"a={gone}/a",), variant=(f"m=model:{gone}/m",))

    assert str(caught.value) == (
        f"{gone}/a: there is no such adapter directory\n"
        "  hint: give the directory with adapter_config.json and adapter_model.safetensors\n"
        f"{gone}/m: there is no such model\n"
        "  hint: give the directory with config.json and *.safetensors"
    )
