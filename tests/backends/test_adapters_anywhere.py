"""Adapters as trainers write them, in every variety of LoRA: the linter and a run say the same.

All are made by peft on the embedded model, with random numbers; what trainers write beside it, or
otherwise, is put into the folder as their documentation and sources have it (docs/adapters.md).
"""

from __future__ import annotations

import copy
import json
import shutil
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from harness.backends import (
    AdapterDir,
    Address,
    BackendOptions,
    Request,
    open_adapter,
    open_backend,
    open_model,
)
from harness.common import InputError, Message, Sampling, Variant
from harness.training.linting import lint_adapter

MODEL = str(Path(__file__).parents[2] / "fixtures" / "model")
WEIGHTS, CONFIG = "adapter_model.safetensors", "adapter_config.json"
Tensors = dict[str, np.ndarray[Any, Any]]
Edit = Callable[[Path], None]

# variety -> settings of peft, and what the linter warns of
VARIETIES: dict[str, tuple[dict[str, Any], str]] = {
    "plain": ({}, ""),
    "names of whole modules": ({"target_modules": ["model.layers.1.self_attn.q_proj"]}, ""),
    "pattern": ({"target_modules": r".*\.layers\.[0-2]\..*(q|v)_proj"}, ""),
    "all-linear": ({"target_modules": "all-linear"}, ""),
    "some layers": ({"layers_to_transform": [0, 5]}, ""),
    "rank_pattern and alpha_pattern": (
        {"rank_pattern": {r"layers\.0\..*q_proj": 2, "v_proj": 6}, "alpha_pattern": {"v_proj": 3}},
        "",
    ),
    "rsLoRA": ({"use_rslora": True, "r": 32}, "vLLM refuses its rank unless it is told"),
    "DoRA": ({"use_dora": True}, "vLLM refuses it: use_dora"),
    "embeddings": (
        {"target_modules": ["embed_tokens", "q_proj"]},
        "vLLM refuses it: embeddings, saved embeddings",
    ),
    "embeddings alone": (
        {"target_modules": ["embed_tokens"]},
        "vLLM refuses it: embeddings, saved embeddings",
    ),
    "modules_to_save": ({"modules_to_save": ["model.norm"]}, "vLLM refuses it: modules_to_save"),
    "saved head and embeddings": (
        {"modules_to_save": ["embed_tokens", "lm_head"]},
        "vLLM refuses it: modules_to_save, saved embeddings",
    ),
    "some tokens": (
        {"trainable_token_indices": [5, 6]},
        "vLLM refuses it: saved embeddings, trainable_token_indices",
    ),
    "biases of its own": ({"lora_bias": True}, "vLLM refuses it: bias"),
    "biases of the base": ({"bias": "lora_only"}, "vLLM refuses it: bias"),
    "all biases of the base": ({"bias": "all"}, "vLLM refuses it: bias"),
    "PiSSA": (
        {"init_lora_weights": "pissa_niter_4"},
        "vLLM refuses it: init_lora_weights pissa_niter_4",
    ),
    "OLoRA": ({"init_lora_weights": "olora"}, "vLLM refuses it: init_lora_weights olora"),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """One adapter of each variety; every trained number is moved away from where it began."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(3)
    base = AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32)
    folder = tmp_path_factory.mktemp("adapters")
    found = {}
    warnings.simplefilter(
        "ignore"
    )  # undone by pytest; peft says that heads are tied, and that it saves embeddings
    for variety, (settings, _) in VARIETIES.items():
        given: dict[str, Any] = {"target_modules": ["q_proj", "v_proj"], "r": 4, **settings}
        config = LoraConfig(**{"init_lora_weights": False, "task_type": "CAUSAL_LM", **given})
        tuned = get_peft_model(copy.deepcopy(base), config)
        with torch.no_grad():
            for parameter in tuned.parameters():
                if parameter.requires_grad:
                    parameter.add_(torch.randn_like(parameter) * 0.02)
        found[variety] = folder / variety.replace(" ", "-")
        tuned.save_pretrained(str(found[variety]))
    return found


def warned(folder: Path) -> str:
    report = lint_adapter(str(folder), MODEL)
    assert report.errors == (), report.lines()
    return "; ".join(f"{w.message}: {w.found}" if w.found else w.message for w in report.warnings)


def request(backend: Any, variant: Variant) -> Request:
    prompt = backend.prompt((Message("user", "Say good night to Anna in Spanish."),), variant)
    sampling = Sampling(max_new_tokens=4)
    return Request(variant.name, Address("c", variant.name), variant, prompt, sampling)


def answers(adapters: Mapping[str, Path]) -> dict[str, str]:
    """Answer with the base and these adapters in one backend, which measures that each acts."""
    variants = [Variant("base", MODEL)]
    variants += [Variant(name, MODEL, str(path)) for name, path in adapters.items()]
    variants.append(Variant("base-again", MODEL))
    options = BackendOptions(tuple(variants), device="cpu", dtype="float32")
    backend = open_backend("hf", options)
    try:
        requests = [request(backend, variant) for variant in variants]
        given = {r.variant.name: c for r, c in backend.generate(requests)}
        assert {c.finish_reason for c in given.values()} <= {"stop", "length"}
        return {name: completion.text for name, completion in given.items()}
    finally:
        backend.close()


def refused(folder: Path) -> tuple[str, str]:
    """Return what the linter says, and what opening a run with it says."""
    variant = Variant("it", MODEL, str(folder))
    with pytest.raises(InputError) as caught:
        open_backend("hf", BackendOptions((variant,), device="cpu"))
    said = "; ".join(problem.message for problem in caught.value.problems)
    return "; ".join(p.message for p in lint_adapter(str(folder), MODEL).errors), said


@pytest.mark.parametrize("variety", VARIETIES)
def test_the_linter_finds_nothing_wrong(variety: str, made: Mapping[str, Path]) -> None:
    wanted = VARIETIES[variety][1]

    found = warned(made[variety])

    assert found == wanted or found.startswith(f"{wanted}: ")


# They take the embeddings, which others adapt: not in one model with those, or with each other.
APART = ("saved head and embeddings", "some tokens")


@pytest.mark.slow
def test_each_acts_and_the_base_stays_the_base(made: Mapping[str, Path]) -> None:
    """Biases and PiSSA change the base itself while they are active, and not a bit longer."""
    import torch

    from harness.backends.hf.loading import LoadedModel
    from harness.backends.hf.placement import place

    model = open_model(MODEL)
    loaded = LoadedModel(model, place("cpu", "float32"), {})

    def logits(adapter: AdapterDir | None) -> Any:
        loaded.activate(adapter)
        with torch.no_grad():
            return loaded.model(torch.arange(5, 25)[None]).logits

    base = logits(None)
    others = {n: open_adapter(str(p), model) for n, p in made.items() if n not in APART}
    first = {name: logits(adapter) for name, adapter in others.items()}
    assert [name for name, found in first.items() if torch.allclose(found, base, atol=1e-3)] == []
    assert torch.equal(logits(None), base)
    again = {name: logits(others[name]) for name in reversed(others)}
    assert [name for name, found in again.items() if not torch.equal(found, first[name])] == []
    assert torch.equal(logits(None), base)
    loaded.close()


@pytest.mark.full
def test_a_run_takes_all_of_them(made: Mapping[str, Path]) -> None:
    alone = [answers({"one": made[name]}) for name in APART]
    others = [path for name, path in made.items() if name not in APART]
    found = answers({f"v{number}": path for number, path in enumerate(others)})

    assert found["base"] == found["base-again"]
    assert {each["base"] for each in alone} == {each["base-again"] for each in alone}
    assert {each["base"] for each in alone} == {found["base"]}
    assert len(set(found.values())) > len(others) / 2  # random numbers say different things


@pytest.mark.full
def test_one_adapts_what_another_saves(made: Mapping[str, Path]) -> None:
    for name in APART:
        with pytest.raises(InputError, match="cannot be loaded beside the others of this run"):
            answers({"one": made["embeddings"], "other": made[name]})


# -- what trainers put beside it -------------------------------------------------------------------


def beside(**files: str) -> Edit:
    def write(folder: Path) -> None:
        for name, text in files.items():
            (folder / name.replace("__", ".")).write_text(text)

    return write


def configured(**entries: Any) -> Edit:
    def write(folder: Path) -> None:
        file = folder / CONFIG
        file.write_text(json.dumps({**json.loads(file.read_text()), **entries}))

    return write


UNSLOTH = {
    "custom_mapping": None,
    "base_model_class": "Qwen2ForCausalLM",
    "parent_library": "transformers.models.qwen2.modeling_qwen2",
    "unsloth_fixed": True,
}
PICKLES = "holds pickles, which can run any code when they are loaded"
WRITERS: dict[str, tuple[tuple[Edit, ...], str]] = {
    "peft": ((beside(README__md="---\nbase_model: x\n---"),), ""),
    "trl": ((beside(training_args__bin="x", tokenizer_config__json="{}"),), PICKLES),
    "ms-swift": (
        (
            beside(
                additional_config__json='{"lora_dtype": null, "lorap_lr_ratio": null}',
                args__json="{}",
                trainer_state__json="{}",
                optimizer__pt="x",
            ),
            configured(target_modules=r"^(model.*\.(q_proj|v_proj))$"),
        ),
        PICKLES,
    ),
    "LLaMA-Factory": (
        (beside(training_args__bin="x", all_results__json="{}", trainer_log__jsonl=""),),
        PICKLES,
    ),
    "axolotl": ((beside(config__json='{"model_type": "qwen2"}', tokenizer_config__json="{}"),), ""),
    "unsloth": (
        (configured(auto_mapping=UNSLOTH, base_model_name_or_path="unsloth/x-bnb-4bit"),),
        "",
    ),
}


@pytest.fixture
def adapter(made: Mapping[str, Path], tmp_path: Path) -> Callable[[str], Path]:
    """Copies an adapter, for a test that changes it."""
    return lambda variety: Path(shutil.copytree(made[variety], tmp_path / "it"))


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("variety", ["plain", "DoRA", "embeddings", "modules_to_save"])
def test_what_a_trainer_writes_beside_it_changes_nothing(
    writer: str, variety: str, adapter: Callable[[str], Path]
) -> None:
    folder = adapter(variety)
    edits, pickles = WRITERS[writer]
    for edit in edits:
        edit(folder)
    if variety == "embeddings" and writer == "ms-swift":
        configured(target_modules=r"^(model.*\.(q_proj|embed_tokens))$")(folder)
    wanted = VARIETIES[variety][1]

    found = warned(folder)

    assert wanted in found
    assert (PICKLES in found) == bool(pickles)
    variant = Variant("it", MODEL, str(folder))
    open_backend("hf", BackendOptions((variant,), device="cpu")).close()


# -- what is wrong is said by both, in the same words ----------------------------------------------


def tensors(change: Callable[[str, np.ndarray[Any, Any]], Tensors]) -> Edit:
    def write(folder: Path) -> None:
        kept: Tensors = {}
        for name, tensor in load_file(folder / WEIGHTS).items():
            kept |= change(name, tensor)
        save_file(kept, folder / WEIGHTS)

    return write


def renamed(old: str, new: str) -> Edit:
    return tensors(lambda name, tensor: {name.replace(old, new): tensor})


def zeroed(*parts: str) -> Edit:
    return tensors(lambda n, t: {n: t * 0 if any(part in n for part in parts) else t})


def disjoint(name: str, tensor: np.ndarray[Any, Any]) -> Tensors:
    """Zero the rows of A where B is kept, and the columns of B where A is."""
    tensor = tensor.copy()
    if "lora_A" in name:
        tensor[:2] = 0
    else:
        tensor[:, 2:] = 0
    return {name: tensor}


FAULTS: dict[str, tuple[str, Edit, str]] = {
    "magnitudes without use_dora": (
        "DoRA",
        configured(use_dora=False),
        "holds 12 tensors that are left out, as use_dora is off",
    ),
    "use_dora without magnitudes": (
        "plain",
        configured(use_dora=True),
        "use_dora is on, and 12 of its 12 modules have no magnitude",
    ),
    "biases without lora_bias": (
        "biases of its own",
        configured(lora_bias=False),
        "holds 12 tensors that are left out, as lora_bias is off",
    ),
    "tokens without trainable_token_indices": (
        "some tokens",
        configured(trainable_token_indices=None),
        "holds 1 tensors that are left out, as trainable_token_indices is off",
    ),
    "alpha 0": ("plain", configured(lora_alpha=0), "has no effect: lora_alpha is 0"),
    "alpha 0 for all by pattern": (
        "plain",
        configured(alpha_pattern={".*_proj": 0}),
        "has no effect: lora_alpha is 0",
    ),
    "zero A": ("plain", zeroed("lora_A"), "has no effect: every lora_A is zero"),
    "zero B": ("plain", zeroed("lora_B"), "has no effect: every lora_B is zero"),
    "untrained embeddings": (
        "embeddings alone",
        zeroed("lora_embedding_A"),
        "has no effect: every lora_A is zero",
    ),
    "factors that never meet": (
        "plain",
        tensors(disjoint),
        "has no effect: lora_A and lora_B are zero, each where the other is not",
    ),
    "another rank by pattern": (
        "rank_pattern and alpha_pattern",
        configured(rank_pattern={"v_proj": 8}),
        "rank and tensors do not fit together",
    ),
    "no prefix": (
        "plain",
        renamed("base_model.model.", ""),
        "has no effect: there is no lora_A or lora_B in it",
    ),
    "the prefix twice": (
        "plain",
        renamed("base_model.model.", "base_model.model.base_model.model."),
        f"has no effect: 12 of its 12 modules are called otherwise in the base {MODEL}",
    ),
    "a compiled model's prefix": (
        "plain",
        renamed("base_model.model.", "base_model.model._orig_mod."),
        f"has no effect: 12 of its 12 modules are called otherwise in the base {MODEL}",
    ),
    "under language_model": (
        "plain",
        renamed("base_model.model.model.", "base_model.model.model.language_model."),
        f"has no effect: 12 of its 12 modules are called otherwise in the base {MODEL}",
    ),
    "one of another prefix": (
        "plain",
        renamed("base_model.model.model.layers.0.self_attn.q", "model.layers.0.self_attn.q"),
        f"2 of its 24 tensors belong to no module of {MODEL}",
    ),
    "a raw state dict": (
        "plain",
        renamed(".weight", ".default.weight"),
        "has no effect: there is no lora_A or lora_B in it",
    ),
    "a classifier": (
        "plain",
        configured(task_type="SEQ_CLS"),
        "was trained for a task in which no text is written",
    ),
    "parts of a sharded model": (
        "plain",
        tensors(lambda n, t: {n: t.reshape(-1) if "lora_A" in n else t}),
        "holds factors that are no matrices: they were saved in parts",
    ),
    "ms-swift's own tuner": (
        "plain",
        configured(peft_type=None, swift_type="LORA"),
        "was saved in ms-swift's own format, which only ms-swift reads",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_wrong_is_said_by_both(fault: str, adapter: Callable[[str], Path]) -> None:
    variety, edit, message = FAULTS[fault]
    folder = adapter(variety)
    edit(folder)

    assert refused(folder) == (message, message)


def test_whole_modules_act_though_no_factor_does(adapter: Callable[[str], Path]) -> None:
    """The norm was trained; where it is the base's own, nothing was."""
    folder = adapter("modules_to_save")
    zeroed("lora_B")(folder)
    assert "modules_to_save" in warned(folder)

    base = _norm()
    tensors(lambda n, t: {n: base if n.endswith("norm.weight") else t})(folder)
    wanted = "has no effect: every lora_B is zero"
    assert refused(folder) == (wanted, wanted)


def _norm() -> np.ndarray[Any, Any]:
    """Return the embedded model's last norm, which is stored in BF16."""
    from safetensors.torch import load_file as load_torch

    tensor: Any = load_torch(Path(MODEL) / "model.safetensors")["model.norm.weight"].float()
    numbers: np.ndarray[Any, Any] = tensor.numpy()
    return numbers


def test_the_folder_above_is_told(adapter: Callable[[str], Path]) -> None:
    folder = adapter("plain")
    folder.rename(folder.with_name("checkpoint-40"))
    with pytest.raises(InputError) as caught:
        open_backend(
            "hf", BackendOptions((Variant("it", MODEL, str(folder.parent)),), device="cpu")
        )
    said = str(caught.value)

    assert said == (
        f"{folder.parent}: is no adapter: adapter_config.json is missing\n"
        f"  did you mean: {folder.parent}/checkpoint-40"
    )
