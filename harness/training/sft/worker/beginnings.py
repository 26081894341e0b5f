"""How an adapter begins: as another one, or as a part of the base that is taken out of it.

PiSSA (arXiv 2404.02948) and OLoRA (arXiv 2406.01775) begin with the main directions of each matrix:
`W - s B0 A0` stays as it is, and `s B A` is trained. Such an adapter fits no base that is served.
What was learned, `s (B A - B0 A0)`, has twice the rank at most, and is written as plain LoRA. Both
products are as large as W itself; so their difference is computed here, in float64, and not by the
engine that serves it in 16 bits.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from peft import get_peft_model_state_dict, set_peft_model_state_dict
from peft.tuners.lora import LoraLayer
from safetensors.torch import load_file, save, save_file
from torch import Tensor

from harness.common import InputError, MachineryError, Problem
from harness.training.sft.checkpoints import CONFIG, TRAINED, WEIGHTS, replace_file
from harness.training.sft.config import LoraSettings

NAME = "default"  # of the only adapter, as peft calls it
BEGINNING = "beginning.safetensors"  # in the folder of a training: what was taken out of the base


def begin_with(model: Any, weights: Path) -> None:
    """Give the new adapter these weights of another one; its form is the same."""
    found: Any = set_peft_model_state_dict(model, load_file(weights))
    if found.unexpected_keys:
        raise MachineryError(
            Problem(
                "adapter: some of its weights belong to no module of the model",
                str(weights),
                found=", ".join(found.unexpected_keys[:3]),
            )
        )


def begin_in_the_base(model: Any, init: str, work: Path, *, writes: bool) -> dict[str, Tensor]:
    """Take the adapter's first factors out of the base; return them, by the names of peft's files.

    What was taken is remembered in `work`: a training that goes on takes the same, whatever a
    decomposition says the second time. Raise InputError for modules that lie the other way round.
    """
    layers: list[Any] = [module for module in model.modules() if isinstance(module, LoraLayer)]
    file = work / BEGINNING
    if file.is_file():
        begin_with(model, file)
    else:
        for layer in layers:
            weight = layer.get_base_layer().weight
            if getattr(layer, "fan_in_fan_out", False):
                raise InputError(
                    Problem(
                        f"lora.init: {init} is for linear modules, and this model has others",
                        found=type(layer.get_base_layer()).__name__,
                        hint="say init: default, gaussian or orthogonal",
                    )
                )
            before = weight.data.clone()
            if init == "olora":
                layer.olora_init(NAME)
            else:
                layer.pissa_init(NAME, init)
            weight.data = before
    factors = get_peft_model_state_dict(model)
    begun = {name: value.detach().cpu().clone() for name, value in factors.items()}
    if writes and not file.is_file():
        replace_file(file, save(begun))
    for layer in layers:
        a, b, base = layer.lora_A[NAME].weight, layer.lora_B[NAME].weight, layer.get_base_layer()
        with torch.no_grad():
            rest = base.weight.data.float() - layer.scaling[NAME] * (b.float() @ a.float())
        base.weight.data = rest.to(base.weight.dtype)
    return begun


def save_as_plain(folder: Path, begun: Mapping[str, Tensor], lora: LoraSettings) -> None:
    """Make the adapter in a folder one for the base as it was; what was trained stays beside it."""
    trained = load_file(folder / WEIGHTS)
    (folder / WEIGHTS).rename(folder / TRAINED)
    save_file(difference(trained, begun), folder / WEIGHTS, metadata={"format": "pt"})
    config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    plain = lora.saved
    config |= {"r": plain.rank, "lora_alpha": plain.scale, "init_lora_weights": True}
    (folder / CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def difference(trained: Mapping[str, Tensor], begun: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return factors of twice the rank whose product is `B A - B0 A0`, for each module.

    The two are equally large, and orthogonal in themselves: nothing in them cancels out.
    """
    found: dict[str, Tensor] = {}
    for name in (name for name in trained if ".lora_A." in name):
        other = name.replace(".lora_A.", ".lora_B.")
        right = torch.cat([trained[name], begun[name]]).double()
        left = torch.cat([trained[other], -begun[other]], dim=1).double()
        (left_q, left_r), (right_q, right_r) = torch.linalg.qr(left), torch.linalg.qr(right.t())
        u, sizes, vh = torch.linalg.svd(left_r @ right_r.t(), full_matrices=False)
        root = sizes.sqrt()
        a, b = torch.zeros_like(right), torch.zeros_like(left)  # a small module has fewer rows
        a[: len(root)] = root[:, None] * (vh @ right_q.t())
        b[:, : len(root)] = left_q @ u * root
        found[name], found[other] = a.float().contiguous(), b.float().contiguous()
    return found
