"""Memory that runs out: how to tell, how much there is, and how much a model needs."""

from __future__ import annotations

import sys
from contextlib import suppress
from math import prod
from pathlib import Path

import torch

from harness.backends.hf.placement import Placement
from harness.backends.models import ModelDir
from harness.backends.vllm.server import holders
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
    """Return whether torch found no memory, on any device."""
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
    """Return the error of a model that does not fit, with who else holds memory."""
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
        ),
        *holders(),
    )


def weight_bytes(model: ModelDir, dtype: torch.dtype) -> int:
    """Return the size of the weights in this format; as stored where they are quantised."""
    if model.quantisation:
        return sum(tensor.end - tensor.start for tensor in model.tensors.values())
    return sum(prod(tensor.shape) for tensor in model.tensors.values()) * dtype.itemsize


def free_bytes(device: torch.device) -> int | None:
    """Return the memory that can be had on a device, at most; None where that is not known."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    if device.type != "cpu":
        return None
    known = [_of_process()]
    if MEMINFO.is_file():  # what Linux can give, swap included
        rows = (line.split() for line in MEMINFO.read_text(encoding="ascii").splitlines())
        sizes = {row[0]: int(row[1]) for row in rows if len(row) > 1}
        if "MemAvailable:" in sizes:
            known.append(1024 * (sizes["MemAvailable:"] + sizes.get("SwapFree:", 0)))
    # All that a container has: how much of it is in use hardly says what could be freed.
    with suppress(OSError, ValueError):  # no such file, or "max"
        known.append(int(CONTAINER.read_text(encoding="ascii")))
    return min((free for free in known if free is not None), default=None)


def _of_process() -> int | None:
    """Return what is left of this process's limit of addresses (`ulimit -v`), if it has one."""
    if sys.platform != "linux" or not STATM.is_file():
        return None
    import resource  # not on Windows

    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit == resource.RLIM_INFINITY:
        return None
    used = int(STATM.read_text(encoding="ascii").split()[0]) * resource.getpagesize()
    return max(0, limit - used)
