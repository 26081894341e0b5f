"""Memory that runs out: how to tell, how much there is, and how much a model needs."""

from __future__ import annotations

import sys
from math import prod
from pathlib import Path

import torch

from harness.backends.hf.placement import Placement
from harness.backends.models import ModelDir
from harness.common import MachineryError, Problem

GIB = 2**30
MEMINFO = Path("/proc/meminfo")  # Linux; elsewhere the memory of a CPU is not known
STATM = Path("/proc/self/statm")
CONTAINER = Path("/sys/fs/cgroup/memory.max")

# What torch, oneDNN and the system say on a CPU or an Apple GPU, as seen under a limit of memory.
_OUT_OF_MEMORY = (
    "can't allocate memory",
    "not enough memory",
    "out of memory",
    "cannot allocate memory",
    "could not create a primitive",
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether torch found no memory, on any device."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    said = str(error).lower()
    return isinstance(error, RuntimeError | OSError) and any(t in said for t in _OUT_OF_MEMORY)


def check_room(model: ModelDir, placement: Placement) -> None:
    """Raise `MachineryError` where the weights alone are larger than the memory that is free.

    Without it a CPU would swap for hours, or the system would kill the process without a word.
    """
    free = free_bytes(placement.device)
    if free is not None and weight_bytes(model, placement.dtype) > free:
        raise too_little(model, placement)


def too_little(model: ModelDir, placement: Placement) -> MachineryError:
    """The error of a model that does not fit."""
    needed = weight_bytes(model, placement.dtype) / GIB
    free = free_bytes(placement.device)
    on_cpu = placement.device.type == "cpu"
    where = "this machine" if on_cpu else f"device {placement.device}"
    smaller = "--dtype bfloat16" if on_cpu else "--engine-arg quantization=4bit"
    return MachineryError(
        Problem(
            "there is too little memory for the model",
            str(model.path),
            found="" if free is None else f"{free / GIB:.2f} GiB free on {where}",
            expected=f"{needed:.2f} GiB for its weights in {placement.dtype_name}, "
            "and more to work",
            hint=f"free some memory, or make it smaller: {smaller}",
        )
    )


def weight_bytes(model: ModelDir, dtype: torch.dtype) -> int:
    """The size of the weights in memory, in this format; as stored where they are quantised."""
    if model.quantisation:
        return sum(tensor.end - tensor.start for tensor in model.tensors.values())
    return sum(prod(tensor.shape) for tensor in model.tensors.values()) * dtype.itemsize


def free_bytes(device: torch.device) -> int | None:
    """Memory that can be had on a device, at most; None where that is not known."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    if device.type != "cpu":
        return None
    known = [free for free in (_of_machine(), _of_container(), _of_process()) if free is not None]
    return min(known, default=None)


def _of_machine() -> int | None:
    """What Linux can give, swap included."""
    if not MEMINFO.is_file():
        return None
    rows = (line.split() for line in MEMINFO.read_text(encoding="ascii").splitlines())
    sizes = {row[0]: int(row[1]) for row in rows if len(row) > 1}
    available = sizes.get("MemAvailable:")
    return None if available is None else 1024 * (available + sizes.get("SwapFree:", 0))


def _of_container() -> int | None:
    """All that a container has; how much of it is in use hardly says what could be freed."""
    try:
        return int(CONTAINER.read_text(encoding="ascii"))
    except (OSError, ValueError):  # no such file, or "max"
        return None


def _of_process() -> int | None:
    """What is left of the limit on this process's addresses (`ulimit -v`), if there is one."""
    if sys.platform != "linux" or not STATM.is_file():
        return None
    import resource  # not on Windows

    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit == resource.RLIM_INFINITY:
        return None
    used = int(STATM.read_text(encoding="ascii").split()[0]) * resource.getpagesize()
    return max(0, limit - used)
