"""Measure the rates of one replica, and write the file that `harness plan --rate` reads.

    python -m bench.rates FILE --model DIR [--backend hf] [--device cpu] [--gpus 1]

Three steps in one engine: one short answer (the start), long prompts with one token to answer, and
short prompts with up to `--tokens` to answer.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from harness.backends import Address, BackendOptions, Request, open_backend
from harness.common import Message, Sampling, Variant
from harness.evaluation import read_rates

FILLER = "The customer asks about an order, a bill and a parcel that has not come. " * 20


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, write, and read the file again."""
    began = time.perf_counter()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--model", required=True)
    parser.add_argument("--backend", default="hf")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--gpus", type=int, default=0, help="that the engine takes")
    parser.add_argument("--requests", type=int, default=64)
    parser.add_argument("--tokens", type=int, default=64)
    options = parser.parse_args(arguments)
    variant = Variant("base", options.model)
    backend = open_backend(
        options.backend, BackendOptions(variants=(variant,), device=options.device)
    )

    def answered(step: str, count: int, text: str, tokens: int) -> tuple[float, int, int]:
        """Return the seconds, and the tokens of prompts and answers."""
        sampling = Sampling(max_new_tokens=tokens)
        requests = []
        for number in range(count):  # each begins differently: no prefix is shared
            prompt = backend.prompt((Message("user", f"{number} {step}: {text}"),), variant)
            address = Address(f"{step}-{number}", "base")
            requests.append(Request(f"{step}-{number}", address, variant, prompt, sampling))
        start = time.perf_counter()
        found = [completion for _, completion in backend.generate(requests)]
        asked = sum(request.prompt.tokens for request in requests)
        return time.perf_counter() - start, asked, sum(each.completion_tokens for each in found)

    try:
        answered("start", 1, "Say yes.", 1)
        start = time.perf_counter() - began
        seconds, asked, _ = answered("prompts", options.requests, FILLER, 1)
        prompt_rate = asked / seconds
        text = "Write a long story about a lighthouse, a storm and a ship."
        seconds, asked, tokens = answered("answers", options.requests, text, options.tokens)
        answer_rate = tokens / max(seconds - asked / prompt_rate, seconds / 10)
        engine = backend.environment(variant)
    finally:
        backend.close()
    content = {
        "version": 1,
        "engine": f"{engine.engine} {engine.version}",
        "device": options.device,
        "model": Path(options.model).name,
        "command": shlex.join(["python", "-m", "bench.rates", *(arguments or sys.argv[1:])]),
        "measured": f"{datetime.now(UTC):%Y-%m-%d}",
        "start_seconds": round(start, 2),
        "answer_tokens_per_second": round(answer_rate, 1),
        "prompt_tokens_per_second": round(prompt_rate, 1),
        "gpus": options.gpus,
    }
    options.file.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    print(read_rates(options.file))


if __name__ == "__main__":
    main()
