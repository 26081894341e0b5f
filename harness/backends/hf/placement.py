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


def place(device: str, dtype: str) -> Placement:
    """The device and format for these options; `auto` chooses. Raises `InputError`."""
    where, device_reason = _device(device)
    how, dtype_reason = _dtype(dtype, where)
    return Placement(
        where, how, tuple(reason for reason in (device_reason, dtype_reason) if reason)
    )


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


def _device(wanted: str) -> tuple[torch.device, str]:
    if wanted == "auto":
        return _best_device()
    kind = wanted.partition(":")[0]
    if kind not in ("cpu", "cuda", "mps"):
        raise InputError(
            Problem(
                f"device {wanted!r} is not known",
                expected="auto, cpu, cuda, cuda:N or mps",
                did_you_mean=meant(kind, ("auto", "cpu", "cuda", "mps")),
            )
        )
    try:
        device = torch.device(wanted)
    except RuntimeError as error:
        raise InputError(
            Problem(f"device {wanted!r} is not known", expected="a number after the colon")
        ) from error
    _check_present(device, wanted)
    return device, ""


def _check_present(device: torch.device, wanted: str) -> None:
    hint = "use --device auto or --device cpu"
    if device.type == "cuda" and not torch.cuda.is_available():
        raise InputError(
            Problem(f"device {wanted!r}: torch {torch.__version__} sees no GPU", hint=hint)
        )
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        count = torch.cuda.device_count()
        raise InputError(Problem(f"device {wanted!r}: torch sees {count} GPU(s)", hint=hint))
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise InputError(Problem(f"device {wanted!r}: there is no Apple GPU", hint=hint))


def _best_device() -> tuple[torch.device, str]:
    if torch.cuda.is_available():
        return torch.device("cuda"), f"device cuda: {torch.cuda.get_device_name()} is there"
    if torch.backends.mps.is_available():
        return torch.device("mps"), "device mps: the Apple GPU is there"
    return torch.device("cpu"), f"device cpu: torch {torch.__version__} sees no GPU"


def _dtype(wanted: str, device: torch.device) -> tuple[torch.dtype, str]:
    if wanted == "auto":
        return _best_dtype(device)
    if wanted not in DTYPES:
        raise InputError(
            Problem(
                f"dtype {wanted!r} is not known",
                expected=f"auto, {', '.join(DTYPES)}",
                did_you_mean=meant(wanted, ("auto", *DTYPES)),
            )
        )
    return DTYPES[wanted], ""


def _best_dtype(device: torch.device) -> tuple[torch.dtype, str]:
    """16 bit on GPUs, as vLLM serves; 32 bit on CPUs.

    On a CPU most matrix kernels are no faster in 16 bit without AMX or AVX512-BF16, and in 32 bit
    an answer does not turn on what else is in its batch.
    """
    if device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False):
        return torch.bfloat16, "dtype bfloat16: the GPU computes in it"
    if device.type in ("cuda", "mps"):
        return torch.float16, f"dtype float16: this {device.type} device has no fast bfloat16"
    return torch.float32, "dtype float32: on a CPU, answers then hardly depend on their batch"
