"""What the harness adds to vLLM: its backend beside `LLM.generate`, in one process, on one engine.

    python -m bench.vllm_overhead                            the embedded model, on a CPU too
    python -m bench.vllm_overhead --only base                without adapters: far faster on a CPU
    python -m bench.vllm_overhead --dummy-7b --tokens 128    a GPU: Qwen2.5-7B's shape, no weights

Both get the same token ids and the same sampling: greedy, ended by the same token. The base alone,
then the base and four random adapters with a part of the requests each. They take turns; medians
and their ratio are printed, and written to `--json FILE`.

Needs vllm, torch, transformers and numpy; the adapters are written without peft.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from harness.backends.effect import unchecked
from harness.backends.values import Address, BackendOptions, Prompt, Request
from harness.backends.vllm.asking import in_order
from harness.backends.vllm.backend import VllmBackend
from harness.sampling import Sampling
from harness.variants import Variant

FIXTURE = Path(__file__).parents[1] / "fixtures" / "model"
SEVEN_B = {  # Qwen2.5-7B-Instruct's config.json, as far as speed depends on it
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
ADAPTERS, RANK = 4, 16
SCALE = 0.02  # of random lora_B: large enough to move every token, small enough for finite numbers


@dataclass(frozen=True)
class Compared:
    """Median seconds of both, over the runs after a first one that does not count."""

    what: str
    requests: int
    raw: float
    harness: float
    raw_runs: tuple[float, ...]
    harness_runs: tuple[float, ...]

    @property
    def ratio(self) -> float:
        return self.harness / self.raw


def main() -> None:
    """Start one engine, and let both generate on it in turn."""
    options = _parsed()
    with tempfile.TemporaryDirectory() as folder:
        model = _dummy_7b(Path(folder)) if options.dummy_7b else FIXTURE
        count = 0 if options.only == "base" else ADAPTERS
        adapters = [_adapter(Path(folder, f"lora{n}"), model, n) for n in range(count)]
        base = Variant("base", str(model))
        tuned = [Variant(path.name, str(model), str(path)) for path in adapters]
        arguments = {"load_format": "dummy"} if options.dummy_7b else {}
        arguments |= dict(map(_argument, options.engine_arg))
        backend = VllmBackend(BackendOptions((base, *tuned), engine_args=arguments))
        backend.expect(options.requests)
        if options.dummy_7b:  # numbers that small move no log-probability
            reason = "the weights are random"
            backend._effects = {str(p): unchecked(p.name, reason) for p in adapters}
        sets = {"base": [base], "base + 4 adapters": [base, *tuned]} if tuned else {"base": [base]}
        results = [
            _compare(backend, what, _requests(variants, options), options.runs)
            for what, variants in sets.items()
        ]
        facts = dict(backend.execution())
        print(*backend.notes, facts, sep="\n")
        for result in results:
            print(
                f"{result.what}, {result.requests} requests: raw {result.raw:.2f} s, "
                f"harness {result.harness:.2f} s, ratio {result.ratio:.3f}",
                flush=True,
            )
        if options.json:
            rows = [{**asdict(result), "ratio": result.ratio} for result in results]
            options.json.write_text(json.dumps({"facts": facts, "rows": rows}, indent=1))
        backend.close()


def _parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--tokens", type=int, default=32, help="of each answer")
    parser.add_argument("--prompt", type=int, nargs=2, default=(180, 520), help="shortest, longest")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", choices=("base",), help="no adapters")
    parser.add_argument("--dummy-7b", action="store_true", help="Qwen2.5-7B's shape, no weights")
    parser.add_argument("--engine-arg", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def _argument(text: str) -> tuple[str, Any]:
    key, _, value = text.partition("=")
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value


def _compare(backend: VllmBackend, what: str, requests: Sequence[Request], runs: int) -> Compared:
    """Raw and harness in turn, each first in every second pair; every run has new prompts."""
    ours: list[float] = []
    theirs: list[float] = []
    for run in range(runs + 1):
        one, other = _salted(requests, 2 * run), _salted(requests, 2 * run + 1)
        if run % 2:
            ours.append(_harness(backend, one))
            theirs.append(_raw(backend, other))
        else:
            theirs.append(_raw(backend, one))
            ours.append(_harness(backend, other))
        print(f"{what}, run {run}: raw {theirs[-1]:.2f} s, harness {ours[-1]:.2f} s", flush=True)
    raw, harness = tuple(theirs[1:]), tuple(ours[1:])
    return Compared(what, len(requests), median(raw), median(harness), raw, harness)


def _harness(backend: VllmBackend, requests: Sequence[Request]) -> float:
    begun = time.perf_counter()
    done = sum(completion.error == "" for _, completion in backend.generate(requests))
    seconds = time.perf_counter() - begun
    assert done == len(requests), f"{len(requests) - done} requests failed"
    return seconds


def _raw(backend: VllmBackend, requests: Sequence[Request]) -> float:
    """What a script would do: one call with all prompts, as text is wanted of each answer."""
    from vllm import SamplingParams
    from vllm.lora.request import LoRARequest

    engine = backend._ready(requests)  # the same engine, started by whoever comes first
    ordered = in_order(requests)
    loras = [backend._lora(request.variant) for request in ordered]
    prompts: Any = [{"prompt_token_ids": list(r.prompt.token_ids or ())} for r in ordered]
    sampling = [_raw_sampling(SamplingParams, request) for request in ordered]
    named = [LoRARequest(a.name, a.number, a.path) if a else None for a in loras]
    begun = time.perf_counter()
    outputs = engine.llm.generate(prompts, sampling, lora_request=named, use_tqdm=False)
    seconds = time.perf_counter() - begun
    assert len(outputs) == len(requests)
    return seconds


def _raw_sampling(kind: Any, request: Request) -> Any:
    tokens = request.sampling.max_new_tokens
    return kind(temperature=0.0, max_tokens=tokens, stop_token_ids=[2])


def _requests(variants: Sequence[Variant], options: argparse.Namespace) -> list[Request]:
    """Random prompts; the requests are shared out among the variants."""
    draw = random.Random(0)
    sampling = Sampling(temperature=0, max_new_tokens=options.tokens)
    made = []
    for number in range(options.requests):
        variant = variants[number % len(variants)]
        ids = tuple(draw.randrange(300, 4000) for _ in range(draw.randint(*options.prompt)))
        prompt = Prompt((), ids, len(ids))
        made.append(
            Request(str(number), Address(str(number), variant.name), variant, prompt, sampling)
        )
    return made


def _salted(requests: Sequence[Request], salt: int) -> list[Request]:
    """The same requests with another first token, so that no run finds another's prefixes."""
    salted = []
    for request in requests:
        ids = (300 + salt, *(request.prompt.token_ids or ())[1:])
        prompt = Prompt((), ids, len(ids))
        salted.append(
            Request(request.key, request.address, request.variant, prompt, request.sampling)
        )
    return salted


def _dummy_7b(folder: Path) -> Path:
    """A model's directory with the embedded model's tokenizer and the headers of no weights."""
    model = folder / "qwen2.5-7b-shape"
    model.mkdir()
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copy(FIXTURE / name, model / name)
    (model / "config.json").write_text(json.dumps(SEVEN_B))
    _sparse_weights(model / "model.safetensors")
    return model


def _sparse_weights(file: Path) -> None:
    """A safetensors file of the right names and shapes; its numbers are a hole in the file."""
    header: dict[str, Any] = {}
    place = 0
    for name, shape in _shapes(SEVEN_B).items():
        end = place + 2 * int(np.prod(shape))
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [place, end]}
        place = end
    text = json.dumps(header).encode()
    with file.open("wb") as stream:
        stream.write(len(text).to_bytes(8, "little") + text)
        stream.truncate(8 + len(text) + place)


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
    return shapes


def _adapter(folder: Path, model: Path, seed: int) -> Path:
    """A LoRA of random numbers on all projections, in peft's format."""
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
    settings = {"peft_type": "LORA", "task_type": "CAUSAL_LM", "r": RANK, "lora_alpha": RANK}
    settings |= {"target_modules": sorted(targets), "bias": "none"}
    (folder / "adapter_config.json").write_text(json.dumps(settings))
    return folder


if __name__ == "__main__":
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    main()
