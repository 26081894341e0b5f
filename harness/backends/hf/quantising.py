"""Weights that are quantised while they are loaded, by bitsandbytes: for bases that do not fit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from harness.errors import InputError, Problem

if TYPE_CHECKING:
    from harness.backends.hf.placement import Placement

ARGUMENT = "quantization"  # as vLLM calls its own
KINDS = ("4bit", "8bit")
_PACKAGES = ("bitsandbytes", "accelerate")


def quantising_problems(arguments: Mapping[str, Any]) -> Iterator[Problem]:
    """What is wrong with the argument: its value, or packages that are missing."""
    kind = arguments.get(ARGUMENT)
    if kind is None:
        return
    if kind not in KINDS:
        yield Problem(
            f"hf: {ARGUMENT!r} is wrong",
            found=repr(kind),
            wanted=" or ".join(KINDS),
            did_you_mean="4bit" if kind == "bitsandbytes" else "",  # as vLLM calls it
        )
    missing = [name for name in _PACKAGES if find_spec(name) is None]
    if missing:
        yield Problem(
            f"hf: {ARGUMENT!r} needs {', '.join(missing)}",
            mend="pip install 'adapter-gate-harness[bitsandbytes]'",
        )


def quantisation(arguments: Mapping[str, Any]) -> str:
    """For the environment: "bitsandbytes-nf4", "bitsandbytes-int8", or nothing."""
    names = {"4bit": "bitsandbytes-nf4", "8bit": "bitsandbytes-int8"}
    return names.get(str(arguments.get(ARGUMENT)), "")


def quantised(arguments: Mapping[str, Any], placement: Placement) -> dict[str, Any]:
    """The arguments for `from_pretrained`, with ours spelled out.

    NF4 with double quantisation is what QLoRA adapters are trained on (Dettmers et al. 2023).
    """
    given = {name: value for name, value in arguments.items() if name != ARGUMENT}
    kind = arguments.get(ARGUMENT)
    if kind is None:
        return given
    if placement.device.type != "cuda":
        raise InputError(
            Problem(
                f"hf: {ARGUMENT!r} needs a CUDA GPU",
                found=f"device {placement.device}",
                mend=f"leave {ARGUMENT} out, or use a machine with a GPU",
            )
        )
    from transformers import BitsAndBytesConfig

    settings: Any = BitsAndBytesConfig
    if kind == "8bit":
        config = settings(load_in_8bit=True)
    else:
        config = settings(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=placement.dtype,
        )
    return {**given, "quantization_config": config, "device_map": {"": placement.device}}
