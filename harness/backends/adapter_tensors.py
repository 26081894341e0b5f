"""What the tensors of an adapter say: whether they fit its configuration and its base, and act.

The checks go from the coarse to the fine: the first that find something say all of it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.backends.adapter_targets import patterned, target_problems
from harness.backends.models import ModelDir, Tensor
from harness.common import Problem

WEIGHTS = "adapter_model.safetensors"
FACTOR = re.compile(r"base_model\.model\.(.+)\.lora_(embedding_)?([AB])(?:\.weight)?")
# Other tensors that peft saves for a module, by what follows the module's name.
_OTHER = re.compile(
    r"base_model\.model\.(.+?)\."
    r"(lora_magnitude_vector|lora_[AB]\.bias|modules_to_save|token_adapter|base_layer|bias|weight)"
    r"(?:\..+)?"
)
# What a setting of the configuration makes peft load; without it, it passes over such tensors.
_SWITCHES = {
    "lora_magnitude_vector": "use_dora",
    "lora_A.bias": "lora_bias",
    "lora_B.bias": "lora_bias",
    "token_adapter": "trainable_token_indices",
}
# What wrappers around a model leave in names where an adapter was not saved by save_pretrained.
_WRAPPERS = {"base_model", "module", "_orig_mod", "_fsdp_wrapped_module"}
_EXPONENT = {"F32": 0x7F800000, "F16": 0x7C00, "BF16": 0x7F80, "F64": 0x7FF0000000000000}
_UNSIGNED = {"F32": "<u4", "F16": "<u2", "BF16": "<u2", "F64": "<u8"}
_NAMES_SUCH_AS = "names such as base_model.model.{}.lora_A.weight"


@dataclass(frozen=True, slots=True)
class FactorPair:
    """The two factors of one module; either may be missing."""

    a: Tensor | None
    b: Tensor | None
    of_embedding: bool = False


def pairs_of(tensors: Mapping[str, Tensor]) -> dict[str, FactorPair]:
    """Return the factors of each module, by its name."""
    factors: dict[str, dict[str, Tensor]] = {}
    embeddings = set()
    for name, tensor in tensors.items():
        if match := FACTOR.fullmatch(name):
            factors.setdefault(match[1], {})[match[3]] = tensor
            embeddings |= {match[1]} if match[2] else set()
    return {
        module: FactorPair(found.get("A"), found.get("B"), module in embeddings)
        for module, found in factors.items()
    }


@dataclass(frozen=True, slots=True)
class AdapterTensors:
    """An adapter as it was read, and the base that it is for, if there is one."""

    path: Path
    config: Mapping[str, Any]
    tensors: Mapping[str, Tensor]
    pairs: Mapping[str, FactorPair]
    base: ModelDir | None


def tensor_problems(adapter: AdapterTensors) -> list[Problem]:
    """Return what the first checks that find something say; nothing of a fit adapter."""
    for together in _CHECKS:
        if problems := [problem for check in together for problem in check(adapter)]:
            return problems
    return []


def rank_problems(adapter: AdapterTensors) -> Iterator[Problem]:
    """Yield factors that are missing, are no matrices, or have another rank than it says."""
    path, tensors, pairs = adapter.path, adapter.tensors, adapter.pairs
    if not pairs:
        named = next((name for name in tensors if "lora_" in name), "")
        yield Problem(
            "has no effect: there is no lora_A or lora_B in it",
            str(path / WEIGHTS),
            found=named,
            expected=_NAMES_SUCH_AS.format("model.layers.0.self_attn.q_proj") if named else "",
            hint="save it with peft's save_pretrained" if named else "",
        )
    for module, pair in pairs.items():
        if pair.a is None or pair.b is None:
            missing = "lora_A" if pair.a is None else "lora_B"
            yield Problem(f"{missing} of {module} is missing", str(path / WEIGHTS))
            return
        if min(len(pair.a.shape), len(pair.b.shape)) < 2 or not math.prod(pair.a.shape):
            yield Problem(
                "holds factors that are no matrices: they were saved in parts",
                str(path / WEIGHTS),
                found=f"{module}: lora_A {pair.a.shape}, lora_B {pair.b.shape}",
                hint="gather what several GPUs hold (DeepSpeed, FSDP) before it is saved",
            )
            return
        wanted = patterned(adapter.config, "rank_pattern", "r", module)
        if {pair.a.shape[0], pair.b.shape[1]} != {wanted}:
            yield Problem(
                "rank and tensors do not fit together",
                str(path),
                found=f"{module}: lora_A {pair.a.shape}, lora_B {pair.b.shape}",
                expected=f"rank {wanted:g}, as adapter_config.json says",
                hint="use the adapter_config.json that was saved with these weights",
            )
            return


def fit_problems(adapter: AdapterTensors) -> Iterator[Problem]:
    """Yield modules that the base has not, has under another name, or in another shape."""
    path, config, pairs, base = adapter.path, adapter.config, adapter.pairs, adapter.base
    if base is None:
        return
    shapes = _base_shapes(base)
    hint = str(config.get("base_model_name_or_path") or "a base that is not named")
    prefixes = _base_prefixes(base)
    strange = [module for module in pairs if _tail(module) not in shapes]
    moved = [] if strange else [m for m in pairs if not _stands_under(m, prefixes)]
    if moved:
        tail = _tail(moved[0])
        yield Problem(
            f"has no effect: {len(moved)} of its {len(pairs)} modules are called otherwise in "
            f"the base {base.name}",
            str(path / WEIGHTS),
            found=moved[0],
            expected=f"{min(prefixes[tail], default='')}{tail}",
            hint=f"use the base that it was trained on, or rename its tensors: {hint}",
        )
        return
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
            found = found[::-1] if pair.of_embedding or config.get("fan_in_fan_out") else found
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


def unwrapped(adapter: AdapterTensors) -> Iterator[Problem]:
    """Yield tensors of modules that the configuration does not wrap."""
    yield from target_problems(adapter.path, adapter.config, tuple(adapter.pairs))


def stray_problems(adapter: AdapterTensors) -> Iterator[Problem]:
    """Yield tensors that are no factors and belong to no module: nothing would use them."""
    path, tensors, base = adapter.path, adapter.tensors, adapter.base
    shapes = _base_shapes(base) if base else None
    others = {name: _OTHER.fullmatch(name) for name in tensors if not FACTOR.fullmatch(name)}
    strays = [
        name
        for name, match in others.items()
        if not match or (shapes is not None and _tail(match[1]) not in shapes)
    ]
    if strays:
        example = _example(base) if base else "model.layers.0.self_attn.q_proj"
        yield Problem(
            f"{len(strays)} of its {len(tensors)} tensors belong to no module"
            + (f" of {base.name}" if base else ""),
            str(path / WEIGHTS),
            found=strays[0],
            expected=_NAMES_SUCH_AS.format(example),
            hint="save it with peft's save_pretrained",
        )


def switch_problems(adapter: AdapterTensors) -> Iterator[Problem]:
    """Yield what the configuration switches off or on, and the tensors say otherwise."""
    path, config, pairs = adapter.path, adapter.config, adapter.pairs
    kinds: dict[str, list[str]] = {}
    for name in adapter.tensors:
        if (match := _OTHER.fullmatch(name)) and match[2] in _SWITCHES:
            kinds.setdefault(_SWITCHES[match[2]], []).append(name)
    hint = "use the adapter_config.json that was saved with these weights"
    for switch, names in kinds.items():
        if not config.get(switch):
            yield Problem(
                f"holds {len(names)} tensors that are left out, as {switch} is off",
                str(path / "adapter_config.json"),
                found=names[0],
                expected=f"{switch} in the configuration, or no such tensors",
                hint=hint,
            )
    if config.get("use_dora") and (missing := len(pairs) - len(kinds.get("use_dora", ()))) > 0:
        yield Problem(
            f"use_dora is on, and {missing} of its {len(pairs)} modules have no magnitude",
            str(path / "adapter_config.json"),
            expected="a lora_magnitude_vector for each",
            hint=hint,
        )


def _base_prefixes(base: ModelDir) -> dict[str, set[str]]:
    """Return what stands before each module's tail, in a plain model; empty where names change.

    A model of several parts (text and pictures) is renamed when it is loaded: nobody can tell from
    its files. A checkpoint without a head's prefix (`h.0.attn`) gets one of one word.
    """
    parts = ("text_config", "vision_config", "audio_config", "thinker_config")
    if any(name in base.config for name in parts):
        return {}
    found: dict[str, set[str]] = {"lm_head": {""}}
    for name in base.tensors:
        module = name.rpartition(".")[0]
        while module:
            tail = _tail(module)
            found.setdefault(tail, set()).add(module.removesuffix(tail))
            module = module.rpartition(".")[0]
    return found


def _stands_under(module: str, prefixes: Mapping[str, set[str]]) -> bool:
    """Return whether a module may be called so in the model as it is loaded."""
    tail = _tail(module)
    prefix = module.removesuffix(tail)
    if not prefixes or tail not in prefixes:
        return not _WRAPPERS & set(prefix.split("."))
    known = prefixes[tail]
    return prefix in known or (known == {""} and prefix.count(".") == 1 and tail != "lm_head")


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


def effect_problems(adapter: AdapterTensors) -> Iterator[Problem]:
    """Yield numbers that are not finite, and products of factors that are all zero."""
    path, tensors, pairs, base = adapter.path, adapter.tensors, adapter.pairs, adapter.base
    import numpy as np  # takes a fifth of a second: only where an adapter is opened

    written: dict[int, Any] = {}  # by tensor: where its numbers are not zero
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
        if FACTOR.fullmatch(name):
            written[id(tensor)] = (numbers << 1 != 0).reshape(tensor.shape)
    zero = {"A": True, "B": True}
    scaled = False
    for module, pair in pairs.items():
        if id(pair.a) not in written or id(pair.b) not in written:
            return  # of a number format that is not read here
        a, b = written[id(pair.a)], written[id(pair.b)]
        rows = a.reshape(len(a), -1).any(1)
        columns = np.moveaxis(b, 1, 0).reshape(len(a), -1).any(1)
        zero = {"A": zero["A"] and not rows.any(), "B": zero["B"] and not columns.any()}
        if (rows & columns).any():
            if patterned(adapter.config, "alpha_pattern", "lora_alpha", module):
                return
            scaled = True
    # Whole modules, biases and magnitudes act without factors.
    others = [name for name in tensors if not FACTOR.fullmatch(name)]
    if any(_acts(name, tensors[name], base) for name in others):
        return
    why = "lora_alpha is 0" if scaled else "lora_A and lora_B are zero, each where the other is not"
    why = next((f"every lora_{factor} is zero" for factor in "BA" if zero[factor]), why)
    yield Problem(
        f"has no effect: {why}",
        str(path / ("adapter_config.json" if scaled else WEIGHTS)),
        hint="train it, or leave it out: it answers as its base does",
    )


def _acts(name: str, tensor: Tensor, base: ModelDir | None) -> bool:
    """Return whether a tensor that is no factor changes the base; true where nobody can tell."""
    import numpy as np

    match = _OTHER.fullmatch(name)
    if base is None or base.quantisation or match is None or match[2] == "token_adapter":
        return True
    kind = "bias" if name.endswith("bias") else "weight"
    tail = _tail(match[1])
    named = (n for n in base.tensors if n.endswith(f".{kind}"))
    same = (base.tensors[n] for n in named if _tail(n.removesuffix(f".{kind}")) == tail)
    original = next(same, None)
    if original is None or not {tensor.dtype, original.dtype} <= _EXPONENT.keys():
        return True

    def floats(read: Tensor) -> Any:
        raw = np.frombuffer(read.read(), dtype=_UNSIGNED[read.dtype])
        if read.dtype == "BF16":
            raw, kind = raw.astype("<u4") << 16, "<f4"
        else:
            kind = _UNSIGNED[read.dtype].replace("u", "f")
        return raw.view(kind).reshape(read.shape).astype(np.float64)

    mine, theirs = floats(tensor), floats(original)
    if match[2] == "lora_magnitude_vector":  # it begins as the norm of each row
        mine, theirs = mine.ravel(), np.sqrt((theirs.reshape(len(theirs), -1) ** 2).sum(1))
    if mine.shape != theirs.shape:
        return True
    # Rounding to 8 bits, where the formats differ.
    rough = tensor.dtype != original.dtype or match[2] == "lora_magnitude_vector"
    return not np.allclose(mine, theirs, rtol=2**-7 if rough else 0, atol=1e-6 if rough else 0)


_CHECKS: tuple[tuple[Callable[[AdapterTensors], Iterator[Problem]], ...], ...] = (
    (rank_problems, fit_problems),
    (unwrapped,),
    (stray_problems,),
    (switch_problems,),
    (effect_problems,),
)
