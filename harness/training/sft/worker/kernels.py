"""What makes training on a GPU fast: fewer kernels a layer, no padding, and only repeatable ones.

* One autograd function for a projection and its adapter. peft computes `base(x) + B(A(x)) * scale`
  under autocast: the input is cast to float32 and back, and scaling and addition read and write the
  whole output once more. Here matrix products add to what is there (addmm), forwards and backwards.
  The matrices that are trained stay in float32, and so do their gradients.
* One kernel for an RMS norm.
* Rows of a batch lie one behind another in one sequence, and `torch.nn.attention.varlen` attends
  within each of them: nothing is padded.

What of it pays was measured (docs/benchmarks.md). On a CPU nothing of it is used.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import torch
from peft.tuners.lora import LoraLayer
from torch import Tensor, nn
from transformers import AttentionInterface

from harness.backends.hf.placement import Placement
from harness.common import InputError, Problem
from harness.training.sft.config import TrainConfig

VARLEN = "harness_varlen"  # the attention's name in a model's configuration
LIGER = {
    "rope": True,
    "rms_norm": True,
    "swiglu": True,
    "cross_entropy": False,
    "fused_linear_cross_entropy": False,  # trl computes the loss from the hidden states itself
}


@dataclass(frozen=True, slots=True)
class Kernels:
    """What a training is computed with: `padding` is why rows are padded, or empty."""

    fused: bool
    liger: bool
    padding: str


def choose_kernels(config: TrainConfig, placement: Placement, model: Any) -> Kernels:
    """Choose for a device and a model's configuration; raise `InputError` where liger cannot be."""
    on_gpu = placement.device.type == "cuda"
    if config.liger and not on_gpu:
        raise InputError(
            Problem(
                f"liger: its kernels need CUDA, and this training runs on {placement.device}",
                hint="leave liger out",
            )
        )
    if config.liger:
        from liger_kernel.transformers.monkey_patch import MODEL_TYPE_TO_APPLY_LIGER_FN as KNOWN

        if model.model_type not in KNOWN:
            raise InputError(
                Problem(
                    f"liger: has no kernels for models of type {model.model_type!r}",
                    hint="leave liger out",
                )
            )
    # Adapters with dropout are peft's matter, and float16 needs autocast, which scales gradients.
    fused = on_gpu and placement.dtype is torch.bfloat16 and not config.lora.dropout
    padding = reason_to_pad(model, placement) if on_gpu else "on a CPU"
    if "attn_implementation" in config.model_args:
        padding = "model_args names another attention"
    if config.method != "sft":
        padding = padding or f"trl computes method: {config.method} so"
    return Kernels(fused, config.liger, padding)


def be_deterministic(placement: Placement, *, strict: bool) -> None:
    """Give the same weights for the same data, seed and machine, on a GPU as well.

    `strict`: an operation that has no deterministic kernel raises a RuntimeError which names it.
    """
    if placement.device.type != "cuda":
        return
    torch.use_deterministic_algorithms(True, warn_only=not strict)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    # torch asks for this variable once, at the first product. As long as it is set, torch parses it
    # anew for every product, which takes as long as the launch. What it is for, a workspace that
    # cuBLAS does not share between streams, torch sees to in any case.
    os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"
    few = torch.ones(8, 8, device=placement.device)
    few @ few
    del os.environ["CUBLAS_WORKSPACE_CONFIG"]


class FusedLora:
    """The layers of a model whose projection and adapter are one function.

    `left` counts LoRA layers that peft goes on computing: on modules that are not linear, say.
    """

    def __init__(self, model: nn.Module, dtype: torch.dtype) -> None:
        """Replace the forward pass of each layer that is plain LoRA on a linear module."""
        self._trained: list[Tensor] = []
        self._copies: list[Tensor] = []
        self.fused = self.left = 0
        for layer in model.modules():
            if not isinstance(layer, LoraLayer):
                continue
            base: Any = layer.get_base_layer()
            names = list(layer.lora_A)
            if (
                len(names) != 1
                or layer.lora_variant
                or layer.lora_bias[names[0]]
                or not isinstance(layer.lora_dropout[names[0]], nn.Identity)
                or not isinstance(base, nn.Linear)
                or not (_in_four_bits(base) or base.weight.dtype == dtype)
            ):
                self.left += 1
                continue
            a: Any = layer.lora_A[names[0]].weight
            b: Any = layer.lora_B[names[0]].weight
            a_copy, b_copy = a.detach().to(dtype), b.detach().to(dtype)
            self._trained += [a, b]
            self._copies += [a_copy, b_copy]
            layer.forward = _projection(base, a, b, a_copy, b_copy, layer.scaling[names[0]])
            self.fused += 1

    def refresh(self) -> None:
        """Take over what the optimiser did to the trained matrices."""
        with torch.no_grad():
            torch._foreach_copy_(self._copies, self._trained)


def _projection(
    base: Any, a: Tensor, b: Tensor, a_copy: Tensor, b_copy: Tensor, scale: float
) -> Callable[[Tensor], Tensor]:
    compute: Any = _LoraLinear.apply  # torch leaves it untyped

    def forward(x: Tensor) -> Tensor:
        result: Tensor = compute(x, a, b, a_copy, b_copy, scale, base)
        return result

    return forward


class _LoraLinear(torch.autograd.Function):
    """`x W' + bias + scale · (x A') B'`; W is frozen, gradients flow to x, A and B."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        a: Tensor,
        b: Tensor,
        a_copy: Tensor,
        b_copy: Tensor,
        scale: float,
        base: Any,
    ) -> Tensor:
        flat = x.reshape(-1, x.shape[-1])
        inner = flat @ a_copy.t()
        inner *= scale
        out = nn.functional.linear(flat, _weight(base), base.bias)
        out.addmm_(inner, b_copy.t())
        ctx.save_for_backward(flat, inner, a_copy, b_copy)
        ctx.scale, ctx.base, ctx.shape = scale, base, x.shape
        return out.view(*x.shape[:-1], out.shape[-1])

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        flat, inner, a_copy, b_copy = ctx.saved_tensors
        grad = grads[0].reshape(-1, grads[0].shape[-1])
        inner_grad = grad @ b_copy
        inner_grad *= ctx.scale
        to_x: Tensor | None = None
        if ctx.needs_input_grad[0]:
            to_x = grad @ _weight(ctx.base)
            to_x.addmm_(inner_grad, a_copy)
            to_x = to_x.view(ctx.shape)
        to_a, to_b = _float_product(inner_grad.t(), flat), _float_product(grad.t(), inner)
        return to_x, to_a, to_b, None, None, None, None


def _in_four_bits(base: nn.Module) -> bool:
    return type(base).__name__ == "Linear4bit"


def _weight(base: Any) -> Tensor:
    """Return a linear layer's matrix; one in four bits is unpacked for the moment."""
    if not _in_four_bits(base):
        weight: Tensor = base.weight
        return weight
    from bitsandbytes.functional import dequantize_4bit

    found: Tensor = dequantize_4bit(base.weight.data, base.weight.quant_state)
    return found


def _float_product(left: Tensor, right: Tensor) -> Tensor:
    """Multiply in 16 bits and sum in 32; where the device hands out 32 bits, nothing is rounded."""
    if left.is_cuda and left.dtype != torch.float32 and hasattr(torch.ops.aten.mm, "dtype"):
        return torch.mm(left, right, out_dtype=torch.float32)
    return (left @ right).float()


def fuse_norms(model: nn.Module) -> int:
    """Let one kernel compute the RMS norms that torch computes as the model does; return how many.

    A norm is known by what it does: on random numbers both must agree but for rounding. A norm that
    adds one to its weights is left as it is.
    """
    count = 0
    for module in model.modules():
        eps = getattr(module, "variance_epsilon", getattr(module, "eps", None))
        weight = getattr(module, "weight", None)
        if not type(module).__name__.endswith("RMSNorm") or eps is None or weight is None:
            continue
        forward = _norm(weight, float(eps))
        draw = torch.Generator().manual_seed(0)
        x = torch.randn(4, *weight.shape, generator=draw).to(weight)
        bound = 2 * torch.finfo(weight.dtype).eps
        with torch.no_grad():
            if torch.allclose(module(x).float(), forward(x).float(), rtol=bound, atol=bound):
                module.forward = forward
                count += 1
    return count


def _norm(weight: Tensor, eps: float) -> Callable[[Tensor], Tensor]:
    def forward(x: Tensor) -> Tensor:
        return nn.functional.rms_norm(x, tuple(weight.shape), weight, eps)

    return forward


def use_liger(model: Any) -> None:
    """Let liger's Triton kernels compute norms, rotary positions and the MLP's activation."""
    from transformers.integrations.liger import apply_liger_kernel

    apply_liger_kernel(model, LIGER)  # type: ignore[no-untyped-call]  # as transformers has it


def reason_to_pad(model: Any, placement: Placement) -> str:
    """Say why rows of this model are padded on a GPU; empty where they need not be."""
    known = find_spec("torch.nn.attention.varlen")
    if known is None or "window_size" not in inspect.signature(torch_varlen()).parameters:
        return f"torch {torch.__version__} has no attention over rows of several lengths"
    if placement.dtype not in (torch.bfloat16, torch.float16):
        return f"attention over rows of several lengths needs 16 bits, not {placement.dtype_name}"
    if torch.cuda.get_device_capability(placement.device) < (8, 0):
        return "attention over rows of several lengths needs compute capability 8.0"
    text = model.get_text_config()
    size = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    if size > 256 or size % 8:
        return f"attention over rows of several lengths takes no heads of {size} numbers"
    for name in ("attention_dropout", "attn_logit_softcapping"):
        if getattr(text, name, None):
            return f"attention over rows of several lengths knows no {name}"
    return ""


class Varlen:
    """Attention within each of several rows that lie in one sequence, as transformers calls it."""

    def __init__(self, attend: Callable[..., Any]) -> None:
        """`attend` is torch's `varlen_attn`, or computes what that does."""
        self._attend = attend
        # Heads that share keys are asked for by name since torch 2.12; before, they just worked.
        shared = "enable_gqa" in inspect.signature(attend).parameters
        self._shared = {"enable_gqa": True} if shared else {}

    def __call__(
        self,
        module: Any,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attention_mask: Tensor | None,
        scaling: float | None = None,
        sliding_window: int | None = None,
        cu_seq_lens_q: Tensor | None = None,
        max_length_q: int | None = None,
        **_: Any,
    ) -> tuple[Tensor, None]:
        """Attend to what came before in the same row.

        `query`, `key` and `value` are batch × heads × tokens × numbers. `cu_seq_lens_q` are the
        places where rows begin, and the end; without it, each sequence of the batch is one row.
        """
        batch, _heads, tokens, _size = query.shape
        if cu_seq_lens_q is None:
            ends = range(0, (batch + 1) * tokens, tokens)
            cu_seq_lens_q = torch.tensor(ends, dtype=torch.int32, device=query.device)
            max_length_q = tokens
        flat = [part.transpose(1, 2).flatten(0, 1) for part in (query, key, value)]
        found = self._attend(
            *flat,
            cu_seq_lens_q,
            cu_seq_lens_q,
            max_length_q,
            max_length_q,
            scale=scaling,
            window_size=(sliding_window - 1 if sliding_window else -1, 0),
            **self._shared,
        )
        return found.view(batch, tokens, *found.shape[1:]), None


def use_varlen(model: Any, attend: Callable[..., Any]) -> None:
    """Let a model of transformers attend so; no mask is made for it."""
    AttentionInterface.register(VARLEN, Varlen(attend))
    model.set_attn_implementation(VARLEN)


def torch_varlen() -> Callable[..., Any]:
    """Return torch's own attention over rows of several lengths (since torch 2.11)."""
    from torch.nn.attention.varlen import varlen_attn

    found: Callable[..., Any] = varlen_attn
    return found


def collate_varlen(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Lay rows one behind another: ids, labels, positions, and where each begins and ends.

    The first label of a row goes: what stands before it belongs to another row.
    """
    lengths: list[int] = []
    for row in rows:
        lengths += row.get("seq_lengths") or [len(row["input_ids"])]
    ends = torch.tensor([0, *lengths]).cumsum(0).to(torch.int32)
    labels = torch.tensor([label for row in rows for label in row["labels"]])
    labels[ends[:-1].long()] = -100
    return {
        "input_ids": torch.tensor([[token for row in rows for token in row["input_ids"]]]),
        "labels": labels[None],
        "position_ids": torch.cat([torch.arange(length) for length in lengths])[None],
        "cu_seq_lens_q": ends,
        "cu_seq_lens_k": ends,
        "max_length_q": max(lengths),
        "max_length_k": max(lengths),
    }
