"""The backend `hf`: transformers in this process, the base loaded once with all its adapters."""

from __future__ import annotations

import os

from harness.backends.arguments import EngineArgument, whole_from
from harness.backends.base import Backend, BackendOptions, models_are
from harness.backends.registry import require

# How often torch's idle threads look for work before they sleep; libgomp reads it when torch is
# imported. Its own 300,000 cost dearly where other processes want the cores too: 32 prompts on two
# busy cores took more than 8 s, with 20,000 they took 2.1 to 5.3 s; alone on them 1.3 s.
SPINS = "20000"


# Those that are not handed on to `from_pretrained`; `quantization` is, spelled out.
ARGUMENTS = (
    EngineArgument(
        "quantization",
        lambda value: value in ("4bit", "8bit", None),
        "4bit or 8bit",
        {"bitsandbytes": "4bit"},  # as vLLM calls it
    ),
    EngineArgument("rows", whole_from(1), "a number from 1"),
    EngineArgument("threads", whole_from(1), "a number from 1"),
)


@models_are(
    "directories",
    options=("batch_tokens", "device", "dtype", "trust_remote_code"),
    arguments=ARGUMENTS,
)
def open_hf(options: BackendOptions) -> Backend:
    """Open it for these variants, checked and not yet started: no weights are in memory.

    Raises `InputError` for missing packages, and for models, adapters and options that are wrong.
    """
    require("hf", "hf", "torch", "transformers", "peft", "safetensors")
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", SPINS)
    from harness.backends.hf.backend import HfBackend

    return HfBackend(options)
