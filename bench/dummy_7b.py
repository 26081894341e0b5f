"""Models of Qwen2.5-7B's shape or a tiny one, empty or of random weights, and random adapters.

    python -m bench.dummy_7b FOLDER [--shape tiny] [--device cpu]

writes the model of random weights into FOLDER, unless it is there.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

FIXTURE = Path(__file__).parents[1] / "fixtures" / "model"
SEVEN_B: dict[str, Any] = {  # Qwen2.5-7B-Instruct's config.json, as far as speed depends on it
    "architectures": ["Qwen2ForCausalLM"],
    "model_type": "qwen2",
    "hidden_size": 3584,
    "intermediate_size": 18944,
    "num_hidden_layers": 28,
    "num_attention_heads": 28,
    "num_key_value_heads": 4,
    "max_position_embeddings": 32768,
    "rms_norm_eps": 1e-6,
    "rope_theta": 1000000.0,
    "vocab_size": 152064,
    "hidden_act": "silu",
    "tie_word_embeddings": False,
    "dtype": "bfloat16",
    "eos_token_id": 2,
}
TINY = {  # to try on a CPU what is meant for a GPU
    **SEVEN_B, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
    "num_attention_heads": 2, "num_key_value_heads": 1, "vocab_size": 16384,
}  # fmt: skip
SHAPES = {"7b": SEVEN_B, "tiny": TINY}
NAME = "qwen2.5-{}-shape"  # of the model's directory
RANK = 16
SCALE = 0.02  # of random lora_B: large enough to move every token, small enough for finite numbers


def dummy_model(folder: Path, shape: str = "7b") -> Path:
    """Return a model's directory with the embedded model's tokenizer and the headers of no weights.

    Its weights are a safetensors file of the right names and shapes, whose numbers are a hole.
    """
    model = folder / NAME.format(shape)
    model.mkdir()
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copy(FIXTURE / name, model / name)
    (model / "config.json").write_text(json.dumps(SHAPES[shape]))
    header: dict[str, Any] = {}
    place = 0
    for name, sizes in _shapes(SHAPES[shape]).items():
        end = place + 2 * int(np.prod(sizes))
        header[name] = {"dtype": "BF16", "shape": sizes, "data_offsets": [place, end]}
        place = end
    text = json.dumps(header).encode()
    with (model / "model.safetensors").open("wb") as stream:
        stream.write(len(text).to_bytes(8, "little") + text)
        stream.truncate(8 + len(text) + place)
    return model


def fill(model: Path, device: str, seed: int = 0) -> None:
    """Replace the hole by random weights (normal; norms 1), so that adapters move answers.

    Their scale is 0.02 in 7B's shape, and larger in a narrower one, so that logits are spread as
    widely. Tokens beyond the embedded model's vocabulary get logits of 0, and are never the
    likeliest.
    """
    import torch

    config = json.loads((model / "config.json").read_text())
    words = int(json.loads((FIXTURE / "config.json").read_text())["vocab_size"])
    scale = SCALE * math.sqrt(SEVEN_B["hidden_size"] / config["hidden_size"])
    draw = torch.Generator(device).manual_seed(seed)
    file = model / "model.safetensors"
    with file.open("r+b") as stream:
        stream.seek(8 + int.from_bytes(stream.read(8), "little"))
        for name, shape in _shapes(config).items():
            if len(shape) == 1:
                value = 0.0 if name.endswith("bias") else 1.0
                tensor = torch.full(shape, value, dtype=torch.bfloat16)
            else:
                tensor = torch.empty(shape, dtype=torch.bfloat16, device=device)
                tensor.normal_(0, scale, generator=draw)
                if name == "lm_head.weight":
                    tensor[words:] = 0
            stream.write(tensor.cpu().view(torch.uint8).numpy().tobytes())


def _shapes(config: Any) -> dict[str, list[int]]:
    size, inner = config["hidden_size"], config["intermediate_size"]
    keys = size // config["num_attention_heads"] * config["num_key_value_heads"]
    shapes = {"model.embed_tokens.weight": [config["vocab_size"], size]}
    shapes |= {"lm_head.weight": [config["vocab_size"], size], "model.norm.weight": [size]}
    for layer in range(config["num_hidden_layers"]):
        for name, rows, columns in (
            ("self_attn.q_proj", size, size),
            ("self_attn.k_proj", keys, size),
            ("self_attn.v_proj", keys, size),
            ("self_attn.o_proj", size, size),
            ("mlp.gate_proj", inner, size),
            ("mlp.up_proj", inner, size),
            ("mlp.down_proj", size, inner),
        ):
            shapes[f"model.layers.{layer}.{name}.weight"] = [rows, columns]
            if name.endswith(("q_proj", "k_proj", "v_proj")):
                shapes[f"model.layers.{layer}.{name}.bias"] = [rows]
        for name in ("input_layernorm", "post_attention_layernorm"):
            shapes[f"model.layers.{layer}.{name}.weight"] = [size]
    return shapes


def random_adapter(folder: Path, model: Path, seed: int, alpha: int = RANK) -> Path:
    """A LoRA of random numbers on all projections, in peft's format; `alpha` makes it stronger."""
    config = json.loads((model / "config.json").read_text())
    draw = np.random.default_rng(seed)
    tensors, targets = {}, set()
    for name, (rows, *columns) in _shapes(config).items():
        module = name.removesuffix(".weight")
        if not columns or not module.endswith("_proj"):
            continue
        targets.add(module.rpartition(".")[2])
        path = f"base_model.model.{module}"
        a = draw.standard_normal((RANK, columns[0]), dtype=np.float32) * SCALE
        b = draw.standard_normal((rows, RANK), dtype=np.float32) * SCALE
        tensors[f"{path}.lora_A.weight"] = a.astype(np.float16)
        tensors[f"{path}.lora_B.weight"] = b.astype(np.float16)
    folder.mkdir()
    save_file(tensors, folder / "adapter_model.safetensors")
    settings = {"peft_type": "LORA", "task_type": "CAUSAL_LM", "r": RANK, "lora_alpha": alpha}
    settings |= {"target_modules": sorted(targets), "bias": "none"}
    (folder / "adapter_config.json").write_text(json.dumps(settings))
    return folder


def main() -> None:
    """Write a model of random weights, unless it is there."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--shape", choices=SHAPES, default="7b")
    parser.add_argument("--device", default="cuda")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    if not (given.folder / NAME.format(given.shape)).exists():
        fill(dummy_model(given.folder, given.shape), given.device)


if __name__ == "__main__":
    main()
