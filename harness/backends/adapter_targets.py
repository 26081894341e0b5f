"""Which modules peft puts LoRA layers around: names and patterns of an adapter's configuration."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import regex

from harness.common import InputError, Problem
from harness.common.patterns import compile_pattern

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


def patterned(config: Mapping[str, Any], pattern: str, usual: str, module: str) -> float:
    """Return a module's rank or alpha: that of the first pattern that fits its name, as in peft."""
    for key, value in (config.get(pattern) or {}).items():
        if _search(rf"(?:.*\.)?(?:{key})\Z", module):
            return float(value)
    return float(config.get(usual, 8))
