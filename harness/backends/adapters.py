"""A LoRA adapter's directory in peft's format, checked before any engine starts.

The usual failures are silent ones: an adapter whose tensors match no module of the base, or whose
B matrices are all zero, answers exactly as the base does. Both are errors here. What one engine
alone cannot serve is only listed, for that engine to refuse.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import regex
from pydantic import Field

from harness.backends.models import (
    ModelDir,
    Tensor,
    pickles_in,
    read_tensors,
    refuse_pickles,
)
from harness.common import InputError, Problem
from harness.common.patterns import compile_pattern
from harness.common.reading import fitting, read_object, read_text

_SECONDS = 1.0  # for one pattern of an adapter's configuration, which nobody has looked at
_ALL = "all-linear"
_LAYER = r".*?\.[^.]*\.(\d+)\."  # the first number in a name, after the name of the list


def target_problems(path: Path, config: Mapping[str, Any], modules: Sequence[str]) -> list[Problem]:
    """Return what is wrong with an adapter whose tensors are of modules that it does not wrap."""
    if config.get("target_parameters"):  # parameters of experts: they are wrapped by other names
        return []
    missed = [module for module in modules if not wraps(config, module)]
    if not missed:
        return []
    targets = config.get("target_modules")
    ends = sorted({module.rpartition(".")[2] for module in modules})
    named = [targets] if isinstance(targets, str) else sorted(targets or [])
    count = "none" if len(missed) == len(modules) else str(len(modules) - len(missed))
    return [
        Problem(
            f"target_modules wrap {count} of the {len(modules)} modules that it has weights for",
            str(path / "adapter_config.json"),
            found=f"{', '.join(map(str, named[:7])) or 'no names'}; not wrapped: {missed[0]}",
            expected=", ".join(ends[:7]),
            hint="use the adapter_config.json that was saved with these weights",
        )
    ]


def wraps(config: Mapping[str, Any], module: str) -> bool:
    """Return whether peft puts a LoRA layer around this module.

    Raises `InputError` for a pattern that is none, or that takes too long.
    """
    if _named(config.get("exclude_modules"), module):
        return False
    targets = config.get("target_modules")
    if targets is None or targets == _ALL:
        return True
    if not _named(targets, module):
        return False
    wanted = config.get("layers_to_transform")
    if isinstance(targets, str) or wanted is None or wanted == []:
        return True  # in every layer
    lists = config.get("layers_pattern") or []
    lists = [lists] if isinstance(lists, str) else lists
    patterns = [rf"(?:^|.*?\.){name}\.(\d+)\." for name in lists] or [_LAYER]
    found = next(filter(None, (_search(pattern, module) for pattern in patterns)), None)
    layers: Collection[int] = wanted if isinstance(wanted, list) else [wanted]
    return found is not None and int(found[1]) in layers


def _named(names: Any, module: str) -> bool:
    """Match a text as a pattern for the whole name; a list holds names, or the ends of names."""
    if not names:
        return False
    if isinstance(names, str):
        return _search(rf"(?:{names})\Z", module) is not None
    return any(module == name or module.endswith(f".{name}") for name in names)


def _search(pattern: str, module: str) -> Any:
    try:
        return compile_pattern(pattern).match(module, timeout=_SECONDS)
    except (regex.error, TimeoutError) as error:
        reason = str(error) or f"it takes more than {_SECONDS:g} s"
        raise InputError(
            Problem(f"a pattern for modules cannot be used: {reason}", found=pattern)
        ) from None


WEIGHTS = "adapter_model.safetensors"
_FACTOR = re.compile(r"base_model\.model\.(.+)\.lora_(?:embedding_)?([AB])(?:\.weight)?")
# Other tensors that peft saves for a module, by what follows the module's name.
_OTHER = re.compile(
    r"base_model\.model\.(.+?)\."
    r"(?:lora_magnitude_vector|lora_[AB]\.bias|modules_to_save|token_adapter|base_layer|bias|weight)"
    r"(?:\..+)?"
)
_EXPONENT = {"F32": 0x7F800000, "F16": 0x7C00, "BF16": 0x7F80, "F64": 0x7FF0000000000000}
_UNSIGNED = {"F32": "<u4", "F16": "<u2", "BF16": "<u2", "F64": "<u8"}
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


@dataclass(frozen=True, slots=True)
class _Pair:
    """The two factors of one module; either may be missing."""

    a: Tensor | None
    b: Tensor | None


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


def open_adapter(directory: str, base: ModelDir | None) -> AdapterDir:
    """Open the adapter in a directory, fit for this base; without one, look at it by itself.

    Raises `InputError` for what is no LoRA adapter, is pickled, was trained for another base, is
    damaged, or has no effect.
    """
    path = Path(directory).expanduser()
    config = read_adapter_config(path)
    weights = _find_weights(path)
    tensors = read_tensors(weights)
    pairs = _pairs(tensors)
    problems = list(_rank_problems(path, config, pairs))
    problems += _fit_problems(path, config, pairs, base) if base else ()
    problems = problems or [*target_problems(path, config, tuple(pairs))]
    problems = problems or list(_stray_problems(path, tensors, base) if base else ())
    problems = problems or list(_effect_problems(path, tensors))
    if problems:
        raise InputError(*problems)
    rank = max(pair.a.shape[0] for pair in pairs.values() if pair.a)
    return AdapterDir(path, config, weights, rank, tuple(_unserved(config, tensors)))


def adapted_modules(path: Path) -> tuple[str, ...]:
    """Name the modules that an adapter has tensors for; raise `InputError`."""
    return tuple(_pairs(read_tensors(_find_weights(path))))


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
        raise InputError(
            Problem(
                "is no adapter: adapter_config.json is missing",
                str(path),
                hint="give the directory that peft's save_pretrained wrote",
            )
        )
    config = read_object(file)
    if config.get("peft_type") != "LORA":
        raise InputError(
            Problem(
                "is no LoRA adapter", str(file), found=f"peft_type {config.get('peft_type')!r}",
                expected="peft_type 'LORA'",
                hint="merge it into its base: --variant NAME=model:DIR",
            )
        )  # fmt: skip
    fitting(_Config, config, str(file))
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


def _pairs(tensors: Mapping[str, Tensor]) -> dict[str, _Pair]:
    factors: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        if match := _FACTOR.fullmatch(name):
            factors.setdefault(match[1], {})[match[2]] = tensor
    return {module: _Pair(found.get("A"), found.get("B")) for module, found in factors.items()}


def _rank_problems(
    path: Path, config: Mapping[str, Any], pairs: Mapping[str, _Pair]
) -> Iterator[Problem]:
    if not pairs:
        yield Problem("has no effect: there is no lora_A or lora_B in it", str(path / WEIGHTS))
    for module, pair in pairs.items():
        if pair.a is None or pair.b is None:
            missing = "lora_A" if pair.a is None else "lora_B"
            yield Problem(f"{missing} of {module} is missing", str(path / WEIGHTS))
            return
        ranks = {pair.a.shape[0], pair.b.shape[1]}
        if not config.get("rank_pattern"):
            ranks.add(config.get("r", 8))
        if len(ranks) > 1:
            yield Problem(
                "rank and tensors do not fit together",
                str(path),
                found=f"{module}: lora_A {pair.a.shape}, lora_B {pair.b.shape}",
                expected=f"rank {config.get('r', 8)}, as adapter_config.json says",
                hint="use the adapter_config.json that was saved with these weights",
            )
            return


def _fit_problems(
    path: Path, config: Mapping[str, Any], pairs: Mapping[str, _Pair], base: ModelDir
) -> Iterator[Problem]:
    shapes = _base_shapes(base)
    hint = str(config.get("base_model_name_or_path") or "a base that is not named")
    strange = [module for module in pairs if _tail(module) not in shapes]
    if strange:
        known, all_ = len(pairs) - len(strange), len(pairs)
        message = f"has only part of its effect: {known} of its {all_} modules are in the base"
        if not known:
            message = f"has no effect: none of its {all_} modules is in the base"
        yield Problem(
            f"{message} {base.name}",
            str(path),
            found=strange[0],
            expected=f"a module such as {_example(base)}",
            hint=f"use the base that it was trained on: {hint}",
        )
        return
    for module, pair in pairs.items():
        wanted = shapes[_tail(module)]
        found = None  # the outer shape of the two factors
        if pair.a is not None and pair.b is not None and len(pair.a.shape) == 2:
            found = (pair.b.shape[0], pair.a.shape[1])
            found = found[::-1] if config.get("fan_in_fan_out") else found
        if wanted and not base.quantisation and found and found not in wanted:
            rows, columns, *_ = min(wanted)
            yield Problem(
                f"was trained for another base than {base.name}",
                str(path),
                found=f"{module} of {found[0]} x {found[1]}",
                expected=f"{rows} x {columns}",
                hint=f"use the base that it was trained on: {hint}",
            )
            return


def _stray_problems(path: Path, tensors: Mapping[str, Tensor], base: ModelDir) -> Iterator[Problem]:
    """Yield tensors that are no factors and belong to no module: nothing would use them."""
    shapes = _base_shapes(base)
    others = {name: _OTHER.fullmatch(name) for name in tensors if not _FACTOR.fullmatch(name)}
    strays = [name for name, match in others.items() if not match or _tail(match[1]) not in shapes]
    if strays:
        yield Problem(
            f"{len(strays)} of its {len(tensors)} tensors belong to no module of {base.name}",
            str(path / WEIGHTS),
            found=strays[0],
            expected=f"names such as base_model.model.{_example(base)}.lora_A.weight",
            hint="save it with peft's save_pretrained",
        )


def _base_shapes(base: ModelDir) -> dict[str, set[tuple[int, ...]]]:
    """Return shapes of each module's weight by the end of its name; none for a module of modules.

    Several where parts of a model share names, as a vision tower's layers and the text's do.
    """
    shapes: dict[str, set[tuple[int, ...]]] = {}
    for name, tensor in base.tensors.items():
        module, _, kind = name.rpartition(".")
        found = shapes.setdefault(_tail(module), set())
        if kind == "weight":
            found.add(tensor.shape)
        while "." in module:  # experts of one layer are adapted by the name of them all
            module = module.rpartition(".")[0]
            shapes.setdefault(_tail(module), set())
    if "embed_tokens" in shapes:
        shapes.setdefault("lm_head", shapes["embed_tokens"])  # tied embeddings are stored once
    return shapes


def _tail(module: str) -> str:
    """Return the name from `layers.N` on: loaders rename what comes before."""
    start = re.search(r"(?:^|\.)(?:layers|h|blocks)\.\d+\.", module)
    if start:
        return module[start.start() :].lstrip(".")
    return module.rpartition(".")[2]


def _example(base: ModelDir) -> str:
    modules = (
        name.removesuffix(".weight") for name in base.tensors if name.endswith("q_proj.weight")
    )
    fallback = (name.rpartition(".")[0] for name in base.tensors)
    return next(modules, next(fallback, "none at all"))


def _effect_problems(path: Path, tensors: Mapping[str, Tensor]) -> Iterator[Problem]:
    import numpy as np  # takes a fifth of a second: only where an adapter is opened

    moves = False
    for name, tensor in tensors.items():
        if tensor.dtype not in _EXPONENT:
            continue
        numbers = np.frombuffer(tensor.read(), dtype=_UNSIGNED[tensor.dtype])
        exponent = _EXPONENT[tensor.dtype]
        if np.any((numbers & exponent) == exponent):
            yield Problem(
                "holds numbers that are not finite", str(path / WEIGHTS), found=name,
                hint="train it again: the training diverged",
            )  # fmt: skip
            return
        match = _FACTOR.fullmatch(name)
        moves = moves or (match is not None and match[2] == "B" and bool(np.any(numbers << 1)))
    if not moves:
        yield Problem(
            "has no effect: every lora_B is zero",
            str(path / WEIGHTS),
            hint="train it, or leave it out: it answers as its base does",
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
    others = [name for name in tensors if not _FACTOR.fullmatch(name)]
    if any("embed_tokens." in name or "lm_head." in name for name in others):
        yield "saved embeddings"
    yield from (name for name in _VLLM_MISSING if config.get(name))
