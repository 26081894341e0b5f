"""Would it pay to compute a prefix that prompts share only once? On the embedded model, one thread.

    python -m bench.shared_prefixes

Prefills 32 prompts that share a prefix: as the engine `hf` does, in groups of 2,048 tokens, and
with the prefix computed once and its keys and values expanded to all rows. Then counts how many of
the starter suites' prompt tokens a base and two adapters could share that way.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from itertools import pairwise, takewhile
from statistics import median
from typing import Any

import torch
from transformers import AutoModelForCausalLM, DynamicCache

from bench.alone_and_together import MODEL, all_requests, variants
from harness.backends import BackendOptions, open_backend

ROWS, OWN, RUNS, GROUP = 32, 32, 5, 2_048


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


def shareable() -> tuple[int, int, int]:
    """Prompt tokens of the starter run, those a neighbour of the same variant shares, answers."""
    backend = open_backend("hf", BackendOptions(variants()))
    prompts: dict[str, list[tuple[int, ...]]] = {}
    requests = all_requests(backend, variants())
    for request in requests:
        prompts.setdefault(request.variant.name, []).append(request.prompt.token_ids or ())
    total = shared = 0
    for ids in prompts.values():
        ordered = sorted(ids)
        total += sum(map(len, ordered))
        shared += sum(_common(one, other) for one, other in pairwise(ordered))
    return total, shared, len(requests)


def _common(one: Sequence[int], other: Sequence[int]) -> int:
    """How many tokens two prompts begin with alike."""
    pairs = zip(one, other, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def main() -> None:
    """Print the tables of docs/benchmarks.md."""
    torch.set_num_threads(1)
    model: Any = AutoModelForCausalLM.from_pretrained(MODEL)
    own = torch.randint(3, 1_000, (ROWS, OWN), generator=torch.Generator().manual_seed(1))
    print("| prefix, tokens | each prompt whole, s | prefix once, s | ratio |")
    print("|---|---|---|---|")
    for length in (32, 128, 512):
        prefix = [3 + number % 900 for number in range(length)]
        long = seconds(lambda prefix=prefix: whole(model, prefix, own))  # type: ignore[misc]
        short = seconds(lambda prefix=prefix: once(model, prefix, own))  # type: ignore[misc]
        print(f"| {length} | {long:.2f} | {short:.2f} | {long / short:.1f} |", flush=True)
    total, shared, count = shareable()
    share = 100 * shared / total
    print(
        f"starter suites: {count:,} prompts of {total:,} tokens, {shared:,} shared ({share:.0f} %)"
    )


if __name__ == "__main__":
    main()
