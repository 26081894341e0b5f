"""Which modules an adapter's configuration wraps, as peft reads it, without peft and torch.

peft makes LoRA layers for the modules that `target_modules` names, then looks for their tensors; an
engine such as vLLM looks at the tensors alone. Where the two do not fit together, one file served
by two engines is two models, or no adapter at all.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import regex

from harness.errors import InputError, Problem

_SECONDS = 1.0  # for one pattern of an adapter's configuration, which nobody has looked at
_ALL = "all-linear"
_LAYER = r".*?\.[^.]*\.(\d+)\."  # the first number in a name, after the name of the list


def target_problems(path: Path, config: Mapping[str, Any], modules: Sequence[str]) -> list[Problem]:
    """What is wrong with an adapter whose tensors belong to modules that it does not wrap."""
    if config.get("target_parameters"):  # parameters of experts: they are wrapped by other names
        return []
    missed = [module for module in modules if not wraps(config, module)]
    if not missed:
        return []
    return [_unwrapped(path, config, missed, modules)]


def wraps(config: Mapping[str, Any], module: str) -> bool:
    """Whether peft puts a LoRA layer around this module.

    Raises `InputError` for a pattern that is none, or that takes too long.
    """
    if _named(config.get("exclude_modules"), module):
        return False
    targets = config.get("target_modules")
    if targets is None or targets == _ALL:
        return True
    return _named(targets, module) and (isinstance(targets, str) or _in_layers(config, module))


def _named(names: Any, module: str) -> bool:
    """A text is a pattern for the whole name; a list holds names, or the ends of names."""
    if not names:
        return False
    if isinstance(names, str):
        return _matches(names, module)
    return any(module == name or module.endswith(f".{name}") for name in names)


def _in_layers(config: Mapping[str, Any], module: str) -> bool:
    """Whether the module is in one of the layers that are adapted; all are, where none is named."""
    wanted = config.get("layers_to_transform")
    if wanted is None or wanted == []:
        return True
    lists = config.get("layers_pattern") or []
    lists = [lists] if isinstance(lists, str) else lists
    patterns = [rf"(?:^|.*?\.){name}\.(\d+)\." for name in lists] or [_LAYER]
    found = next(filter(None, (_search(pattern, module) for pattern in patterns)), None)
    layers: Collection[int] = wanted if isinstance(wanted, list) else [wanted]
    return found is not None and int(found[1]) in layers


def _matches(pattern: str, module: str) -> bool:
    return _search(rf"(?:{pattern})\Z", module) is not None


def _search(pattern: str, module: str) -> Any:
    try:
        return regex.match(pattern, module, timeout=_SECONDS)
    except (regex.error, TimeoutError) as error:
        reason = str(error) or f"it takes more than {_SECONDS:g} s"
        raise InputError(
            Problem(f"a pattern for modules cannot be used: {reason}", found=pattern)
        ) from None


def _unwrapped(
    path: Path, config: Mapping[str, Any], missed: Sequence[str], modules: Sequence[str]
) -> Problem:
    targets = config.get("target_modules")
    ends = sorted({module.rpartition(".")[2] for module in modules})
    named = [targets] if isinstance(targets, str) else sorted(targets or [])
    count = "none" if len(missed) == len(modules) else str(len(modules) - len(missed))
    return Problem(
        f"target_modules wrap {count} of the {len(modules)} modules that it has weights for",
        str(path / "adapter_config.json"),
        found=f"{', '.join(map(str, named[:7])) or 'no names'}; not wrapped: {missed[0]}",
        wanted=", ".join(ends[:7]),
        mend="use the adapter_config.json that was saved with these weights",
    )
