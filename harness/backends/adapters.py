"""A LoRA adapter's directory in peft's format, checked before any engine starts.

The usual failures are silent ones: an adapter whose tensors match no module of the base, or whose
B matrices are all zero, answers exactly as the base does. Both are errors here. What one engine
alone cannot serve is only listed, for that engine to refuse.
"""

from __future__ import annotations

import math
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
_FACTOR = re.compile(r"base_model\.model\.(.+)\.lora_(embedding_)?([AB])(?:\.weight)?")
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
# Tasks whose models write no text: their adapters belong to another head.
_OTHER_TASKS = ("SEQ_CLS", "TOKEN_CLS", "QUESTION_ANS", "FEATURE_EXTRACTION")
# What wrappers around a model leave in names where an adapter was not saved by save_pretrained.
_WRAPPERS = {"base_model", "module", "_orig_mod", "_fsdp_wrapped_module"}
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
    of_embedding: bool = False


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
    saved = (n for n in read_tensors(adapter.weights) if not _FACTOR.fullmatch(n))
    named = {n.removeprefix("base_model.model.").replace(".base_layer.", ".") for n in saved}
    return frozenset(named & set(parameters))


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
    problems = list(_rank_problems(path, config, tensors, pairs))
    problems += _fit_problems(path, config, pairs, base) if base else ()
    problems = problems or [*target_problems(path, config, tuple(pairs))]
    problems = problems or list(_stray_problems(path, tensors, base))
    problems = problems or list(_switch_problems(path, config, tensors, pairs))
    problems = problems or list(_effect_problems(path, config, tensors, pairs, base))
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


def _pairs(tensors: Mapping[str, Tensor]) -> dict[str, _Pair]:
    factors: dict[str, dict[str, Tensor]] = {}
    embeddings = set()
    for name, tensor in tensors.items():
        if match := _FACTOR.fullmatch(name):
            factors.setdefault(match[1], {})[match[3]] = tensor
            embeddings |= {match[1]} if match[2] else set()
    return {
        module: _Pair(found.get("A"), found.get("B"), module in embeddings)
        for module, found in factors.items()
    }


def _patterned(config: Mapping[str, Any], pattern: str, usual: str, module: str) -> float:
    """Return a module's rank or alpha: that of the first pattern that fits its name, as in peft."""
    for key, value in (config.get(pattern) or {}).items():
        if _search(rf"(?:.*\.)?(?:{key})\Z", module):
            return float(value)
    return float(config.get(usual, 8))


def _rank_problems(
    path: Path,
    config: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
    pairs: Mapping[str, _Pair],
) -> Iterator[Problem]:
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
        wanted = _patterned(config, "rank_pattern", "r", module)
        if {pair.a.shape[0], pair.b.shape[1]} != {wanted}:
            yield Problem(
                "rank and tensors do not fit together",
                str(path),
                found=f"{module}: lora_A {pair.a.shape}, lora_B {pair.b.shape}",
                expected=f"rank {wanted:g}, as adapter_config.json says",
                hint="use the adapter_config.json that was saved with these weights",
            )
            return


def _fit_problems(
    path: Path, config: Mapping[str, Any], pairs: Mapping[str, _Pair], base: ModelDir
) -> Iterator[Problem]:
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


_NAMES_SUCH_AS = "names such as base_model.model.{}.lora_A.weight"


def _stray_problems(
    path: Path, tensors: Mapping[str, Tensor], base: ModelDir | None
) -> Iterator[Problem]:
    """Yield tensors that are no factors and belong to no module: nothing would use them."""
    shapes = _base_shapes(base) if base else None
    others = {name: _OTHER.fullmatch(name) for name in tensors if not _FACTOR.fullmatch(name)}
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


def _switch_problems(
    path: Path,
    config: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
    pairs: Mapping[str, _Pair],
) -> Iterator[Problem]:
    """Yield what the configuration switches off or on, and the tensors say otherwise."""
    kinds: dict[str, list[str]] = {}
    for name in tensors:
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


def _effect_problems(
    path: Path,
    config: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
    pairs: Mapping[str, _Pair],
    base: ModelDir | None,
) -> Iterator[Problem]:
    """Yield numbers that are not finite, and products of factors that are all zero."""
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
        if _FACTOR.fullmatch(name):
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
            if _patterned(config, "alpha_pattern", "lora_alpha", module):
                return
            scaled = True
    # Whole modules, biases and magnitudes act without factors.
    others = [name for name in tensors if not _FACTOR.fullmatch(name)]
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
