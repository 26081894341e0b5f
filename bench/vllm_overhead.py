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
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from bench.dummy_7b import FIXTURE, dummy_model, random_adapter
from harness.backends import Address, BackendOptions, Prompt, Request
from harness.backends.effect import unchecked
from harness.backends.vllm.backend import VllmBackend, in_order
from harness.common import Sampling, Variant
from harness.config import Settings, engine_arguments

ADAPTERS = 4


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
        model = dummy_model(Path(folder)) if options.dummy_7b else FIXTURE
        count = 0 if options.only == "base" else ADAPTERS
        adapters = [random_adapter(Path(folder, f"lora{n}"), model, n) for n in range(count)]
        base = Variant("base", str(model))
        tuned = [Variant(path.name, str(model), str(path)) for path in adapters]
        arguments = {"load_format": "dummy"} if options.dummy_7b else {}
        arguments |= engine_arguments(Settings(engine_arg=tuple(options.engine_arg)))
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


if __name__ == "__main__":
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    main()
