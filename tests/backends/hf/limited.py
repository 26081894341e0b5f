"""Run as a process of its own: answer with a limit on memory, as the system enforces it.

`python -m tests.backends.hf.limited MODEL load=MIB answer=MIB`: MIB is what a process may take
beyond what it holds when the model is loaded (`answer`) or just before (`load`). Each is a fork,
as a limit cannot be taken back; what they print is one line of JSON, by their names.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from pathlib import Path
from random import Random

import torch
from peft import PeftModel  # noqa: F401  # before the limit: code takes memory, too

from harness.backends import Address, BackendOptions, Prompt, Request
from harness.backends.hf.backend import HfBackend
from harness.backends.hf.decoding import BatchLimits, Decoder
from harness.backends.hf.loading import LoadedModel
from harness.backends.hf.placement import place
from harness.backends.hf.rows import Stopping
from harness.backends.models import open_model
from harness.common import HarnessError, Sampling, Variant
from harness.prompts import load_tokenizer

ROWS, TOKENS, NEW = 20, 400, 8
MIB = 2**20


def limit(more: int) -> None:
    """Let this process take so many MiB more than it has."""
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + more * MIB,) * 2)


def requests(model: str) -> list[Request]:
    """Long prompts: all of them at once need far more memory than one."""
    found = []
    for number in range(ROWS):
        random = Random(number)
        ids = tuple(random.randrange(3, 1_000) for _ in range(TOKENS))
        address, prompt = Address(str(number), "base"), Prompt((), ids, TOKENS)
        sampling = Sampling(max_new_tokens=NEW)
        found.append(Request(str(number), address, Variant("base", model), prompt, sampling))
    return found


def answer(model: str, more: int) -> dict[str, object]:
    """Answer with one prompt at a time, then under the limit with all at once."""
    loaded = LoadedModel(open_model(model), place("cpu", "float32"), {})
    stopping = Stopping(load_tokenizer(model), [2])
    asked = requests(model)
    alone = Decoder(loaded.model, stopping, BatchLimits(1, TOKENS + 64, TOKENS))
    expected = {request.key: done.text for request, done in alone.run(asked)}
    limit(more)
    together = Decoder(loaded.model, stopping, BatchLimits(64, 32_768, 32_768))
    given = [(request.key, done.text, done.error) for request, done in together.run(asked)]
    return {
        "answers": len(given),
        "errors": [error for _, _, error in given if error],
        "same": sum(expected[key] == text for key, text, _ in given),
        "tokens": together.limits.tokens,
    }


def load(model: str, more: int) -> str:
    """Load and answer under the limit from the start."""
    backend = HfBackend(BackendOptions((Variant("base", model),), device="cpu"))
    asked = requests(model)
    limit(more)
    try:
        list(backend.generate(asked))
    except HarnessError as error:
        return f"{type(error).__name__}: {error}"
    return ""


def main() -> None:
    torch.set_num_threads(1)
    known = {"answer": answer, "load": load}
    for word in sys.argv[2:]:
        name, _, mib = word.partition("=")
        sys.stdout.flush()
        if child := os.fork():
            _, status = os.waitpid(child, 0)
            if status:
                sys.exit(f"{word} ended with status {status}")
            continue
        print(json.dumps({name: known[name](sys.argv[1], int(mib))}))
        return


if __name__ == "__main__":
    main()
