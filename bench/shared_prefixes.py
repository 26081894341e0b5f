"""Would it pay to compute a prefix that prompts share only once? On the embedded model, one thread.

    python -m bench.shared_prefixes

Prefills 32 prompts that share a prefix: as the backend `hf` does, in groups of 2,048 tokens, and
with the prefix computed once and its keys and values expanded to all rows. Then counts how many of
the starter suites' prompt tokens a base and two adapters could share that way.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise, starmap
from operator import eq
from statistics import median
from typing import Any

import torch
from transformers import AutoModelForCausalLM, DynamicCache

from bench.alone_and_together import MODEL, ROOT, request, variants
from harness.backends import BackendOptions, Request, open_backend
from harness.backends.base import common_prefix
from harness.backends.hf.backend import HfBackend
from harness.backends.hf.decoding import CPU_LIMITS, Decoder
from harness.backends.hf.rows import Stopping
from harness.evaluation import make_plan
from harness.suites import load_suites

ROWS, OWN, RUNS, GROUP = 32, 32, 5, 2_048
TOKENS, LONGEST = 16, 8_192


@torch.inference_mode()
def whole(model: Any, prefix: Sequence[int], own: torch.Tensor) -> None:
    """Each prompt from its first token, in groups of GROUP tokens."""
    ids = torch.cat([torch.tensor(prefix).expand(len(own), -1), own], dim=1)
    for group in torch.split(ids, max(1, GROUP // ids.shape[1])):
        cache = DynamicCache(config=model.config)
        model(input_ids=group, past_key_values=cache, use_cache=True, logits_to_keep=1)


@torch.inference_mode()
def once(model: Any, prefix: Sequence[int], own: torch.Tensor) -> None:
    """The prefix once, then what each prompt has of its own."""
    cache = DynamicCache(config=model.config)
    model(input_ids=torch.tensor([prefix]), past_key_values=cache, use_cache=True, logits_to_keep=1)
    cache.batch_repeat_interleave(len(own))
    model(input_ids=own, past_key_values=cache, use_cache=True, logits_to_keep=1)


def seconds(work: Callable[[], None]) -> float:
    """Median of some runs, in seconds of one core: others may use the machine, too."""
    taken = []
    for _ in range(RUNS):
        started = time.process_time()
        work()
        taken.append(time.process_time() - started)
    return median(taken)


def instruct(folder: str) -> dict[str, list[Request]]:
    """First turns of the base in each suite of a folder, with room for prompts of any length."""
    backend = open_backend("hf", BackendOptions(variants()[:1]))
    found = {}
    for file in sorted((ROOT / "suites" / folder).glob("*.yaml")):
        plan = make_plan(load_suites([file]), variants()[:1], backend, baseline="base")
        first = [trial for trial in plan.trials if trial.repeat == 0]
        requests = [request(backend, plan, trial) for trial in first]
        found[file.stem] = [one for one in requests if one.prompt.tokens <= LONGEST]
    return found


def decoded(model: Any, requests: Sequence[Request], saved: int) -> tuple[list[str], float]:
    """Answers, and the core seconds of all, with sharing (512) or without (more than any)."""
    backend = HfBackend(BackendOptions(variants()[:1]))
    variant = variants()[0]
    stopping = Stopping(backend._shelf.tokenizer(variant), backend._shelf.eos(variant))
    decoder = Decoder(model, stopping, replace(CPU_LIMITS, saved=saved))
    started = time.process_time()
    texts = {one.key: completion.text for one, completion in decoder.run(requests)}
    return [texts[one.key] for one in requests], time.process_time() - started


def of_folder(model: Any, folder: str) -> None:
    """What the engine takes with and without, suite by suite, in turn."""
    for suite, requests in instruct(folder).items():
        asked = [
            replace(one, sampling=one.sampling.model_copy(update={"max_new_tokens": TOKENS}))
            for one in requests
        ]
        ids = sorted(one.prompt.token_ids or () for one in asked)
        total, common = sum(map(len, ids)), sum(starmap(common_prefix, pairwise(ids)))
        plain, long = decoded(model, asked, 10**9)
        sharing, short = decoded(model, asked, CPU_LIMITS.saved)
        same = sum(map(eq, plain, sharing))
        print(
            f"| {folder}/{suite} | {total:,} | {100 * common / total:.0f} % | {long:.1f} | "
            f"{short:.1f} | {long / short:.2f} | {same} of {len(asked)} |",
            flush=True,
        )


def main() -> None:
    """Print the tables of docs/benchmarks.md."""
    torch.set_num_threads(1)
    model: Any = AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32)
    own = torch.randint(3, 1_000, (ROWS, OWN), generator=torch.Generator().manual_seed(1))
    print("| prefix, tokens | each prompt whole, s | prefix once, s | ratio |")
    print("|---|---|---|---|")
    for length in (32, 128, 512):
        prefix = [3 + number % 900 for number in range(length)]
        long = seconds(lambda prefix=prefix: whole(model, prefix, own))  # type: ignore[misc]
        short = seconds(lambda prefix=prefix: once(model, prefix, own))  # type: ignore[misc]
        print(f"| {length} | {long:.2f} | {short:.2f} | {long / short:.1f} |", flush=True)
    print("\n| suite | prompt tokens | shared | whole, s | shared once, s | ratio | equal |")
    print("|---|---|---|---|---|---|---|")
    for folder in ("starter", "instruct"):
        of_folder(model, folder)


if __name__ == "__main__":
    main()
