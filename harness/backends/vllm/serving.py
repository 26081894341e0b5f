"""Adapters that vLLM cannot serve, found before it is started."""

from __future__ import annotations

from collections.abc import Iterator

from harness.backends.adapter_dir import AdapterDir
from harness.backends.vllm.versions import LORA_RANKS, lora_rank
from harness.errors import Problem

_PATTERNS = ("rank_pattern", "alpha_pattern")
_MEND = "use --backend hf, or merge it into its base: --variant NAME=model:DIR"


def rank_of(adapter: AdapterDir) -> int:
    """The rank that the engine must be started for: it asks the configuration, not the tensors."""
    told = [adapter.config.get("r", 0), *(adapter.config.get("rank_pattern") or {}).values()]
    return max([adapter.rank, *(rank for rank in told if isinstance(rank, int))])


def unserved_problems(adapter: AdapterDir, *, serves_patterns: bool) -> Iterator[Problem]:
    """What stands in the way of this adapter; `serves_patterns` as the installed version does."""
    reasons = [*adapter.unserved]
    if not serves_patterns:
        reasons += [name for name in _PATTERNS if adapter.config.get(name)]
    if reasons:
        yield Problem(
            f"vLLM cannot serve this adapter: {', '.join(reasons)}",
            str(adapter.path),
            mend=_MEND,
        )
    if lora_rank(rank_of(adapter)) is None:
        yield Problem(
            f"vLLM cannot serve this adapter: rank {rank_of(adapter)}",
            str(adapter.path),
            wanted=f"at most {LORA_RANKS[-1]}",
            mend=_MEND,
        )
