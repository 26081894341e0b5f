"""Where a model runs and in which number format, each choice with its reason."""

from __future__ import annotations

import os
from dataclasses import dataclass

import torch

from harness.backends.registry import meant
from harness.common import InputError, Problem

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True, slots=True)
class Placement:
    """A device and a number format; `reasons` are the choices made for the user."""

    device: torch.device
    dtype: torch.dtype
    reasons: tuple[str, ...] = ()

    @property
    def dtype_name(self) -> str:
        """`float32`, `bfloat16` or `float16`."""
        return str(self.dtype).removeprefix("torch.")

    @property
    def kind(self) -> str:
        """Return what computes: the GPU's name, else `cpu` or `mps`."""
        is_gpu = self.device.type == "cuda"
        return torch.cuda.get_device_name(self.device) if is_gpu else self.device.type


def place(device: str, dtype: str) -> Placement:
    """Choose device and format for these options, where they say `auto`. Raises `InputError`.

    16 bits on GPUs, as vLLM serves; 32 on CPUs, where most matrix kernels are no faster in 16
    without AMX or AVX512-BF16, and in 32 an answer does not turn on what else is in its batch.
    """
    reasons = []
    if device != "auto":
        chosen = _named_device(device)
    elif torch.cuda.is_available():
        chosen = torch.device("cuda")
        reasons.append(f"device cuda: {torch.cuda.get_device_name()} is there")
    elif torch.backends.mps.is_available():
        chosen = torch.device("mps")
        reasons.append("device mps: the Apple GPU is there")
    else:
        chosen = torch.device("cpu")
        reasons.append(f"device cpu: torch {torch.__version__} sees no GPU")

    if dtype not in ("auto", *DTYPES):
        raise InputError(
            Problem(
                f"dtype {dtype!r} is not known",
                expected=f"auto, {', '.join(DTYPES)}",
                did_you_mean=meant(dtype, ("auto", *DTYPES)),
            )
        )
    if dtype != "auto":
        number_format = DTYPES[dtype]
    elif chosen.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False):
        number_format = torch.bfloat16
        reasons.append("dtype bfloat16: the GPU computes in it")
    elif chosen.type in ("cuda", "mps"):
        number_format = torch.float16
        reasons.append(f"dtype float16: this {chosen.type} device has no fast bfloat16")
    else:
        number_format = torch.float32
        reasons.append("dtype float32: on a CPU, answers then hardly depend on their batch")
    return Placement(chosen, number_format, tuple(reasons))


def _named_device(name: str) -> torch.device:
    """Return the device that a user names; raise `InputError` for one that is not there."""
    kind = name.partition(":")[0]
    if kind not in ("cpu", "cuda", "mps"):
        raise InputError(
            Problem(
                f"device {name!r} is not known",
                expected="auto, cpu, cuda, cuda:N or mps",
                did_you_mean=meant(kind, ("auto", "cpu", "cuda", "mps")),
            )
        )
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise InputError(
            Problem(f"device {name!r} is not known", expected="a number after the colon")
        ) from error
    hint = "use --device auto or --device cpu"
    if kind == "cuda" and not torch.cuda.is_available():
        raise InputError(
            Problem(f"device {name!r}: torch {torch.__version__} sees no GPU", hint=hint)
        )
    if kind == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        count = torch.cuda.device_count()
        raise InputError(Problem(f"device {name!r}: torch sees {count} GPU(s)", hint=hint))
    if kind == "mps" and not torch.backends.mps.is_available():
        raise InputError(Problem(f"device {name!r}: there is no Apple GPU", hint=hint))
    return device


def visible_gpus() -> int:
    """Count the CUDA GPUs that this process may use; none of them is touched."""
    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def check_named(device: str, dtype: str) -> None:
    """Raise `InputError` for what is named and not there; `auto` is left to be chosen later.

    To choose, a GPU is asked for its name, which takes memory on it for as long as a process lives.
    """
    place("cpu" if device == "auto" else device, "float32" if dtype == "auto" else dtype)


def use_threads(wanted: int | None) -> int:
    """Let torch use this many threads, or one for each processor that this process may use.

    OMP_NUM_THREADS holds where it is set. Returns the number in use.
    """
    if wanted is None and "OMP_NUM_THREADS" not in os.environ:
        affinity = getattr(os, "sched_getaffinity", None)
        usable = len(affinity(0)) if affinity else os.cpu_count() or 1
        wanted = min(usable, torch.get_num_threads())
    if wanted:
        torch.set_num_threads(wanted)
    return torch.get_num_threads()
