"""Does an answer depend on what else is in the run? The same cases alone and all together.

    python -m bench.alone_and_together --cases 60
    python -m bench.alone_and_together --cases 60 --dtype bfloat16
    python -m bench.alone_and_together --cases 60 --backend vllm
    python -m bench.alone_and_together --backend vllm --engine-arg batch_invariant=true  (a GPU)
    python -m bench.alone_and_together --cases 30 --every 7        (a seventh of the run)

Base and both embedded adapters answer the first turns of the starter suites in one call of the
engine; then a sample of these requests, spread evenly, is answered one by one.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from harness.backends import Address, Backend, BackendOptions, Request, open_backend
from harness.common import Variant
from harness.config import Settings, engine_arguments
from harness.evaluation import Plan, Trial, make_plan, messages_of
from harness.evaluation.trial import sampling_of
from harness.suites import load_suites

ROOT = Path(__file__).parents[1]
MODEL = str(ROOT / "fixtures/model")


def main() -> None:
    """Print one row of the table in docs/benchmarks.md."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--cases", type=int, default=60, help="how many are asked alone")
    parser.add_argument("--every", type=int, default=1, help="take every so many-th request")
    parser.add_argument("--backend", default="hf")
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--engine-arg", action="append", default=[], metavar="KEY=VALUE")
    given = parser.parse_args()
    arguments = engine_arguments(Settings(engine_arg=tuple(given.engine_arg)))
    options = BackendOptions(variants(), dtype=given.dtype, engine_args=arguments)
    backend = open_backend(given.backend, options)
    requests = all_requests(backend, options.variants)[:: given.every]
    together, seconds = timed(backend, requests)
    sample = requests[:: max(1, len(requests) // given.cases)][: given.cases]
    alone: dict[str, str] = {}
    spent = 0.0
    for request in sample:
        found, took = timed(backend, [request])
        alone |= found
        spent += took
    backend.close()
    same = sum(together[key] == text for key, text in alone.items())
    dtype = backend.environment(options.variants[0]).dtype
    print("| engine | number format | answers in the run | asked alone too | the same text |")
    print("|---|---|---|---|---|")
    print(f"| {given.backend} | {dtype} | {len(together):,} | {len(alone)} | {same} |")
    print(f"together {seconds:.1f} s, the sample alone {spent:.1f} s")
    for key in [key for key, text in alone.items() if together[key] != text][:3]:
        print(f"{key}\n  together {together[key]!r}\n  alone    {alone[key]!r}")


def variants() -> tuple[Variant, ...]:
    """The base and both adapters."""
    names = ("repaired", "forgetful")
    tuned = (Variant(name, MODEL, str(ROOT / f"fixtures/adapters/{name}")) for name in names)
    return (Variant("base", MODEL), *tuned)


def all_requests(backend: Backend, cast: tuple[Variant, ...]) -> list[Request]:
    """The first turn of every starter case for every variant."""
    suites = load_suites(sorted((ROOT / "suites/starter").glob("*.yaml")))
    plan = make_plan(suites, cast, backend, baseline="base")
    return [request(backend, plan, trial) for trial in plan.trials if trial.repeat == 0]


def request(backend: Backend, plan: Plan, trial: Trial) -> Request:
    """The request of a trial's first turn."""
    prompt = backend.prompt(messages_of(trial, (), plan.haystacks), trial.variant)
    address = Address(trial.case.id, trial.variant.name)
    key = f"{trial.case.id} {trial.variant.name}"
    return Request(key, address, trial.variant, prompt, sampling_of(trial))


def timed(backend: Backend, requests: list[Request]) -> tuple[dict[str, str], float]:
    """Texts by key, and the seconds that they took."""
    started = time.perf_counter()
    texts = {one.key: completion.text for one, completion in backend.generate(requests)}
    return texts, time.perf_counter() - started


if __name__ == "__main__":
    main()
