"""A LoRA adapter's directory in peft's format, checked before any engine starts.

The usual failures are silent ones: an adapter whose tensors match no module of the base, or whose
B matrices are all zero, answers exactly as the base does. Both are errors here. What one engine
alone cannot serve is only listed, for that engine to refuse.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from harness.backends.adapter_targets import wraps
from harness.backends.adapter_tensors import (
    FACTOR,
    WEIGHTS,
    AdapterTensors,
    pairs_of,
    tensor_problems,
)
from harness.backends.models import (
    ModelDir,
    Tensor,
    pickles_in,
    read_tensors,
    refuse_pickles,
)
from harness.common import InputError, Problem, from_home
from harness.common.reading import fitting, read_object, read_text

# Tasks whose models write no text: their adapters belong to another head.
_OTHER_TASKS = ("SEQ_CLS", "TOKEN_CLS", "QUESTION_ANS", "FEATURE_EXTRACTION")
# What vLLM refuses in an adapter's configuration: vllm/lora/peft_helper.py, 0.33.
_VLLM_INITS = {"gaussian", "eva", "orthogonal", "mica", "lora_ga"}
_VLLM_MISSING = (
    "trainable_token_indices",
    "alora_invocation_tokens",
    "layer_replication",
    "use_bdlora",
    "use_qalora",
)


@dataclass(frozen=True, slots=True)
class AdapterDir:
    """A checked adapter. `rank` is its largest; `unserved` is what vLLM would refuse it for."""

    path: Path
    config: Mapping[str, Any]
    weights: Path
    rank: int
    unserved: tuple[str, ...] = ()

    @property
    def chat_template(self) -> str | None:
        """Return the template saved beside the adapter, if it was trained with one."""
        file = self.path / "chat_template.jinja"
        return read_text(file) if file.is_file() else None


_Names = str | tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class _Config:
    """What is read of `adapter_config.json`, with the types that peft writes; it holds more."""

    r: Annotated[int, Field(ge=1)] = 8
    lora_alpha: float = 8
    bias: str = "none"
    base_model_name_or_path: str | None = None
    task_type: str | None = None
    target_modules: _Names = None
    exclude_modules: _Names = None
    modules_to_save: _Names = None
    target_parameters: _Names = None
    layers_to_transform: int | tuple[int, ...] | None = None
    layers_pattern: _Names = None
    rank_pattern: Mapping[str, int] | None = None
    alpha_pattern: Mapping[str, float] | None = None
    init_lora_weights: bool | str | None = True
    fan_in_fan_out: bool | None = False
    use_dora: bool | None = False
    use_rslora: bool | None = False
    lora_bias: bool | None = False


# Beginnings of training that leave the base as it is; others take their part out of its weights.
_PLAIN_INITS = {"gaussian", "eva", "orthogonal", "mica"}


def changed_in_base(adapter: AdapterDir, parameters: Collection[str]) -> frozenset[str]:
    """Name the base's own parameters that loading an adapter may change, of those that it has.

    Biases and whole weights that were saved with it are written over the base's; PiSSA and its like
    take their first factors out of each weight that they wrap.
    """
    init = adapter.config.get("init_lora_weights", True)
    if isinstance(init, str) and init.lower() not in _PLAIN_INITS:
        wrapped = (name for name in parameters if wraps(adapter.config, name.rpartition(".")[0]))
        return frozenset(name for name in wrapped if name.endswith(".weight"))
    saved = (n for n in read_tensors(adapter.weights) if not FACTOR.fullmatch(n))
    named = {n.removeprefix("base_model.model.").replace(".base_layer.", ".") for n in saved}
    return frozenset(named & set(parameters))


def open_adapter(directory: str, base: ModelDir | None) -> AdapterDir:
    """Open the adapter in a directory, fit for this base; without one, look at it by itself.

    Raises `InputError` for what is no LoRA adapter, is pickled, was trained for another base, is
    damaged, or has no effect.
    """
    path = from_home(directory)
    config = read_adapter_config(path)
    weights = _find_weights(path)
    tensors = read_tensors(weights)
    pairs = pairs_of(tensors)
    if problems := tensor_problems(AdapterTensors(path, config, tensors, pairs, base)):
        raise InputError(*problems)
    rank = max(pair.a.shape[0] for pair in pairs.values() if pair.a)
    return AdapterDir(path, config, weights, rank, tuple(_unserved(config, tensors)))


def adapted_modules(path: Path) -> tuple[str, ...]:
    """Name the modules that an adapter has tensors for; raise `InputError`."""
    return tuple(pairs_of(read_tensors(_find_weights(path))))


def read_adapter_config(path: Path) -> dict[str, Any]:
    """Read `adapter_config.json` of a LoRA adapter; raise `InputError` for what is none."""
    if not os.path.isdir(path):
        raise InputError(
            Problem(
                "there is no such adapter directory",
                str(path),
                hint="give the directory with adapter_config.json and adapter_model.safetensors",
            )
        )
    file = path / "adapter_config.json"
    if not file.is_file():
        # A trainer's output folder holds checkpoints; a folder of several adapters, one for each.
        below = sorted(path.glob("*/adapter_config.json"), key=lambda found: found.stat().st_mtime)
        hint = "give the directory that peft's save_pretrained wrote"
        if (path / "config.json").is_file() and not below:
            hint = "it looks like a whole model: --variant NAME=model:DIR"
        raise InputError(
            Problem(
                "is no adapter: adapter_config.json is missing",
                str(path),
                did_you_mean=str(below[-1].parent) if below else "",
                hint="" if below else hint,
            )
        )
    config = read_object(file)
    if config.get("swift_type") and not config.get("peft_type"):
        raise InputError(
            Problem(
                "was saved in ms-swift's own format, which only ms-swift reads", str(file),
                found=f"swift_type {config['swift_type']!r}",
                hint="train with --tuner_backend peft, or merge it: swift export --merge_lora true",
            )
        )  # fmt: skip
    if config.get("peft_type") != "LORA":
        raise InputError(
            Problem(
                "is no LoRA adapter", str(file), found=f"peft_type {config.get('peft_type')!r}",
                expected="peft_type 'LORA'",
                hint="merge it into its base: --variant NAME=model:DIR",
            )
        )  # fmt: skip
    fitting(_Config, config, str(file))
    if (task := config.get("task_type")) in _OTHER_TASKS:
        raise InputError(
            Problem(
                "was trained for a task in which no text is written",
                str(file),
                found=f"task_type {task!r}",
                expected="task_type 'CAUSAL_LM'",
                hint="its head is not the language model's: train it as a language model",
            )
        )
    return config


def _find_weights(path: Path) -> Path:
    file = path / WEIGHTS
    if file.is_file():
        return file
    if pickles := pickles_in(path):
        raise InputError(refuse_pickles(path, pickles))
    raise InputError(
        Problem(f"has no weights: {WEIGHTS} is missing", str(path), hint="copy it there")
    )


def _unserved(config: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Iterator[str]:
    if config.get("use_dora"):
        yield "use_dora"
    if config.get("bias", "none") != "none" or config.get("lora_bias"):
        yield "bias"
    if config.get("modules_to_save"):
        yield "modules_to_save"
    init = config.get("init_lora_weights", True)
    if isinstance(init, str) and init.lower() not in _VLLM_INITS:
        yield f"init_lora_weights {init}"
    if any("embedding_" in name for name in tensors):
        yield "embeddings"
    others = [name for name in tensors if not FACTOR.fullmatch(name)]
    if any("embed_tokens." in name or "lm_head." in name for name in others):
        yield "saved embeddings"
    yield from (name for name in _VLLM_MISSING if config.get(name))
