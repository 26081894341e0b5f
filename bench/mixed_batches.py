"""Would it pay to let rows of the base and of several adapters share a batch in transformers?

    python -m bench.mixed_batches [--every 4] [--rounds 5]

First turns of the starter suites, for the base and both embedded adapters, on one thread: variant
by variant, as the backend `hf` does it, and all in one batch, where peft takes the rows of each
adapter apart in every layer (`adapter_names`). They take turns; medians of core seconds.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

from bench.alone_and_together import all_requests, variants
from harness.backends import BackendOptions, Request
from harness.backends.hf.backend import HfBackend
from harness.backends.hf.decoding import CPU_LIMITS, Decoder
from harness.backends.hf.kv_cache import Prefilled
from harness.backends.hf.loading import LoadedModel
from harness.backends.hf.rows import DecodingRow, Stopping


class Named:
    """A model of peft that is told before each step which adapter each row has."""

    def __init__(self, model: Any, plain: Any) -> None:
        self.rows: list[str] = []
        self.config, self.device, self.forward = plain.config, plain.device, plain.forward
        self._model = model

    def __call__(self, **arguments: Any) -> Any:
        """The model's own output."""
        return self._model(adapter_names=self.rows, **arguments)


class MixedDecoder(Decoder):
    """The engine's decoder, whose rows may be of several variants."""

    names: dict[str, str]  # of variants -> of peft's adapters

    def _prefill(self, group: Sequence[DecodingRow]) -> Prefilled:
        self._model.rows = [self.names[row.request.variant.name] for row in group]
        return super()._prefill(group)

    def _step(self) -> list[DecodingRow]:
        self._model.rows = [self.names[row.request.variant.name] for row in self._rows]
        return super()._step()


def main() -> None:
    """Print both, and whether their answers are equal."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--every", type=int, default=4, help="take every so many-th case")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    cast = variants()
    backend = HfBackend(BackendOptions(cast, dtype="float32", engine_args={"threads": 1}))
    requests = all_requests(backend, cast)
    cases = sorted({request.address.case for request in requests})[:: given.every]
    requests = [request for request in requests if request.address.case in cases]
    names = _names(backend, backend._load(cast[0]))
    ways = {
        "variant by variant": lambda: _grouped(backend, requests),
        "all in one batch": lambda: _mixed(backend, requests, names),
    }
    taken, texts = _in_turn(ways, given.rounds)
    one, other = texts.values()
    same = sum(one[key] == other[key] for key in one)
    print(f"{len(requests)} answers of {len(cast)} variants, {same} equal")
    for name, seconds in taken.items():
        each = " ".join(f"{second:.1f}" for second in seconds)
        print(f"{name}: {median(seconds):.1f} core seconds ({each})")


def _names(backend: HfBackend, loaded: LoadedModel) -> dict[str, str]:
    """Loads the adapters; what peft calls each of them, by variant."""
    names = {}
    for variant in variants():
        adapter = backend._shelf.adapter(variant)
        loaded.activate(adapter)
        names[variant.name] = loaded._adapters[str(adapter.path)] if adapter else "__base__"
    return names


def _grouped(backend: HfBackend, requests: Sequence[Request]) -> dict[str, str]:
    groups = [[one for one in requests if one.variant == variant] for variant in variants()]
    answers = [pair for group in groups for pair in backend._answer(group)]
    return {request.key: completion.text for request, completion in answers}


def _mixed(
    backend: HfBackend, requests: Sequence[Request], names: dict[str, str]
) -> dict[str, str]:
    variant = variants()[-1]
    loaded = backend._load(variant)
    loaded.activate(backend._shelf.adapter(variant))  # so that peft's layers are switched on
    stopping = Stopping(backend._shelf.tokenizer(variant), backend._shelf.eos(variant))
    decoder = MixedDecoder(Named(loaded._peft, loaded.model), stopping, CPU_LIMITS)
    decoder.names = names
    decoder._shares = False  # a beginning that variants share is not the same under each adapter
    return {request.key: completion.text for request, completion in decoder.run(requests)}


def _in_turn(
    ways: dict[str, Callable[[], dict[str, str]]], rounds: int
) -> tuple[dict[str, list[float]], dict[str, dict[str, str]]]:
    taken: dict[str, list[float]] = {name: [] for name in ways}
    texts: dict[str, dict[str, str]] = {}
    for _ in range(rounds):
        for name, work in ways.items():
            started = time.process_time()
            texts[name] = work()
            taken[name].append(time.process_time() - started)
    return taken, texts


if __name__ == "__main__":
    main()
