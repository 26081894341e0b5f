"""vLLM under the harness and under lm-evaluation-harness, timed inside the engines.

    python -m bench.engines_beside_lm_eval                          the embedded model, on a CPU too
    python -m bench.engines_beside_lm_eval --dummy-7b --tokens 128  a GPU: Qwen2.5-7B's shape
    python -m bench.engines_beside_lm_eval --folder OUT/work --replicas 2 --tokens 128  two GPUs

One process for each engine; its start is timed apart, and it generates `--runs` times, each time
other prompts, so that no run finds another's prefixes. Both sides begin with text and end with
text: chat template, token ids and decoding are part of it. Greedy, the same limit, the same dtype.
lm-eval takes one adapter for each engine, so base and four adapters are five of its engines and
one of ours, whose one generation answers all five.

With `--replicas` ours are replicas on Ray, and lm-eval has as many (`data_parallel_size`), which it
starts anew in every call: see lm_eval_engine.py for what counts as its start. The model is then one
whose adapters do something: that of `--folder`, where the step `model` of bench.replicas has put
one with four adapters.

`--mode` says how vLLM executes: `eager` and `compiled` force both sides, `own` leaves each side its
own choice (lm-eval: vLLM's default, compiled; ours: what the plan says).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from bench.against_lm_eval import adapters as fixture_adapters
from bench.against_lm_eval import clean, lm_eval, plain_model
from bench.dummy_7b import FIXTURE, dummy_model, random_adapter
from bench.replicas import all_up
from harness.backends import Address, Backend, BackendOptions, Replicas, Request, open_backend
from harness.backends.replicas.backend import ReplicatedBackend
from harness.common import Message, Sampling, Variant

HERE = Path(__file__).parents[1]
ADAPTERS = 4
CONTEXT = 2048  # tokens; the same for both sides
FILLER = "The harbour master wrote the names of all ships into a green book, one line for each. "


@dataclass(frozen=True)
class Engine:
    """What one process took: its start, each generation, and the base's first answers."""

    start: float
    seconds: tuple[float, ...]
    answers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Side:
    """All engines of a side: starts added up, generations added up run by run."""

    name: str
    start: float
    runs: tuple[float, ...]

    @property
    def generation(self) -> float:
        return median(self.runs)


@dataclass(frozen=True)
class Setting:
    """What both sides are given."""

    model: Path
    adapters: Mapping[str, Path]
    talks: Sequence[Sequence[str]]  # user turns, one list for each run
    tokens: int
    dtype: str
    arguments: Mapping[str, Any]  # of vLLM, for both
    replicas: int = 1


# -- our side --------------------------------------------------------------------------------------


def ours(setting: Setting, mode: str, folder: Path) -> list[Engine]:
    """One process, one engine, all variants."""
    job, figures = folder / "ours.json", folder / "ours.figures.json"
    said = {
        "model": str(setting.model),
        "adapters": {name: str(path) for name, path in setting.adapters.items()},
        "talks": setting.talks,
        "tokens": setting.tokens,
        "dtype": setting.dtype,
        "arguments": {**setting.arguments, **_mode(mode)},
        "replicas": setting.replicas,
        "cache": str(folder),
        "figures": str(figures),
    }
    job.write_text(json.dumps(said))
    command = [sys.executable, "-m", "bench.engines_beside_lm_eval", "--child", str(job)]
    _process(command, folder, os.environ)
    return [_read(figures)]


def child(job: Mapping[str, Any]) -> None:
    """Our engine, from inside: the backend as a run opens it, without store and scorers."""
    begun = time.perf_counter()
    from harness.backends.effect import unchecked
    from harness.backends.vllm.backend import VllmBackend

    base = Variant("base", job["model"])
    tuned = [Variant(name, job["model"], path) for name, path in job["adapters"].items()]
    count = job["replicas"]
    options = BackendOptions(
        (base, *tuned),
        dtype=job["dtype"],
        cache_dir=Path(job["cache"]),  # of hashes, as a run has it
        engine_args=job["arguments"],
        replicas=Replicas(count) if count > 1 else None,
    )
    backend: Backend = open_backend("vllm", options)
    variants = [base, *tuned]
    backend.expect(len(variants) * sum(map(len, job["talks"])))
    first = _requests(backend, variants, job["talks"][0], job["tokens"])
    if isinstance(backend, VllmBackend):
        if "load_format" in job["arguments"]:  # random weights: numbers that small move nothing
            reason = "the weights are random"
            backend._effects = {v.adapter or "": unchecked(v.name, reason) for v in tuned}
        backend._ready(first)
    while isinstance(backend, ReplicatedBackend) and not all_up(backend):
        few = [f"{time.time_ns()} {n}" for n in range(4 * count)]  # so that each has its share
        list(backend.generate(_requests(backend, variants, few, 1)))
    start = time.perf_counter() - begun
    seconds, answers = [], {}
    for number, talks in enumerate(job["talks"]):
        begun = time.perf_counter()
        asked = _requests(backend, variants, talks, job["tokens"])
        for request, completion in backend.generate(asked):
            assert not completion.error, completion.error
            if not number and request.variant is base:
                answers[request.address.case] = completion.text
        seconds.append(time.perf_counter() - begun)
    said = [answers[str(n)] for n in range(len(job["talks"][0]))]
    print(*backend.notes, sep="\n")
    Path(job["figures"]).write_text(
        json.dumps({"start": start, "seconds": seconds, "answers": said})
    )
    backend.close()


def _requests(
    backend: Any, variants: Sequence[Variant], talks: Sequence[str], tokens: int
) -> list[Request]:
    sampling = Sampling(temperature=0, max_new_tokens=tokens)
    made = []
    for variant in variants:
        for number, text in enumerate(talks):
            prompt = backend.prompt((Message("user", text),), variant)
            address = Address(str(number), variant.name)
            made.append(Request(f"{variant.name}/{number}", address, variant, prompt, sampling))
    return made


# -- their side ------------------------------------------------------------------------------------


def theirs(setting: Setting, mode: str, folder: Path, python: Path) -> list[Engine]:
    """One process for the base and one for each adapter."""
    paths = [None, *setting.adapters.values()]
    return [_their_engine(setting, mode, folder, python, n, path) for n, path in enumerate(paths)]


def _their_engine(
    setting: Setting, mode: str, folder: Path, python: Path, number: int, adapter: Path | None
) -> Engine:
    job, figures = folder / f"theirs-{number}.json", folder / f"theirs-{number}.figures.json"
    arguments: dict[str, Any] = {"pretrained": str(setting.model), "dtype": setting.dtype}
    arguments |= {**setting.arguments, **_mode(mode)}
    if adapter:
        rank = json.loads((adapter / "adapter_config.json").read_text())["r"]
        arguments |= {"lora_local_path": str(adapter), "max_lora_rank": max(rank, 8)}
    if setting.replicas > 1:
        arguments["data_parallel_size"] = setting.replicas
    said = {
        "arguments": arguments,
        "prompts": [_templated(setting.model, talks) for talks in setting.talks],
        "tokens": setting.tokens,
        "replicas": setting.replicas,
        "figures": str(figures),
    }
    job.write_text(json.dumps(said))
    command = [str(python), str(HERE / "bench" / "lm_eval_engine.py"), str(job)]
    _process(command, folder, clean())
    return _read(figures)


def _templated(model: Path, talks: Sequence[str]) -> list[str]:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model)
    return [
        str(
            tokenizer.apply_chat_template(
                [{"role": "user", "content": text}], tokenize=False, add_generation_prompt=True
            )
        )
        for text in talks
    ]


# -- both ------------------------------------------------------------------------------------------


def _mode(mode: str) -> dict[str, bool]:
    return {} if mode == "own" else {"enforce_eager": mode == "eager"}


def _process(command: Sequence[str], folder: Path, given: Mapping[str, str]) -> None:
    """Run it to its end; raises `SystemExit` with the end of its output where it breaks."""
    settings = {"HF_HUB_OFFLINE": "1", "VLLM_CPU_KVCACHE_SPACE": "1", "OMP_NUM_THREADS": "1"}
    settings["RAY_USAGE_STATS_ENABLED"] = "0"
    output = folder / "output.txt"
    with output.open("w") as stream:
        done = subprocess.run(
            command, cwd=HERE, env={**settings, **given}, stdout=stream, stderr=stream, check=False
        )
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{output.read_text()[-4000:]}")


def _read(figures: Path) -> Engine:
    told = json.loads(figures.read_text())
    return Engine(told["start"], tuple(told["seconds"]), tuple(told["answers"]))


def _side(name: str, engines: Sequence[Engine]) -> Side:
    runs = zip(*(engine.seconds for engine in engines), strict=True)
    return Side(name, sum(engine.start for engine in engines), tuple(map(sum, runs)))


def talks(runs: int, requests: int, words: int) -> list[list[str]]:
    """User turns that begin with a number of their own; `words` sets how long they are."""
    tail = FILLER * words
    return [
        [f"{run * requests + n}. {tail}Tell what stood in line {n}." for n in range(requests)]
        for run in range(runs)
    ]


def _setting(options: argparse.Namespace, folder: Path) -> Setting:
    arguments: dict[str, Any] = {"max_model_len": CONTEXT}
    if options.folder:
        model = options.folder.resolve() / "qwen2.5-7b-shape"
        given = {f"lora{n}": options.folder.resolve() / f"lora{n}" for n in range(ADAPTERS)}
    elif options.dummy_7b:
        model = dummy_model(folder)
        given = {f"lora{n}": random_adapter(folder / f"lora{n}", model, n) for n in range(ADAPTERS)}
        arguments["load_format"] = "dummy"
    else:
        model = plain_model(FIXTURE, folder)
        given = fixture_adapters(folder)
    said = talks(options.runs, options.requests, options.filler)
    dtype = "bfloat16" if options.dummy_7b or options.folder else "float32"
    chosen = given if "five" in options.variants else {}
    return Setting(model, chosen, said, options.tokens, dtype, arguments, options.replicas)


def _report(variants: str, sides: Sequence[Side], equal: str) -> None:
    print(f"variants: {variants}")
    for side in sides:
        runs = ", ".join(f"{run:.2f}" for run in side.runs)
        print(f"{side.name}: start {side.start:.1f} s, generation {side.generation:.2f} s ({runs})")
    mine, other = sides
    whole = (other.start + other.generation) / (mine.start + mine.generation)
    print(f"generation: {other.generation / mine.generation:.2f} times as fast as lm-eval")
    print(f"start and one generation: {whole:.2f} times as fast")
    print(f"equal answers of the base: {equal}", flush=True)


def main() -> None:
    """Both sides, in their engines; a table of medians."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument(
        "--variants", nargs="+", choices=("one", "five"), default=["one"], help="one table for each"
    )
    parser.add_argument("--mode", choices=("own", "eager", "compiled"), default="own")
    parser.add_argument("--requests", type=int, default=500, help="of each variant")
    parser.add_argument("--tokens", type=int, default=64, help="of each answer, at most")
    parser.add_argument("--filler", type=int, default=6, help="sentences that make prompts longer")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--dummy-7b", action="store_true", help="Qwen2.5-7B's shape, no weights")
    parser.add_argument("--folder", type=Path, help="of a model and adapters, of bench.replicas")
    parser.add_argument("--replicas", type=int, default=1, help="on as many GPUs, on both sides")
    parser.add_argument("--environment", type=Path, default=HERE / "build" / "lm-eval")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        return child(json.loads(options.child.read_text()))
    python = lm_eval(options.environment.absolute())
    told = {}
    with tempfile.TemporaryDirectory() as name:
        setting = _setting(options, Path(name))
        alone = replace(setting, adapters={})
        mine = {
            "one": ours(alone, options.mode, Path(name)) if "one" in options.variants else [],
            "five": ours(setting, options.mode, Path(name)) if setting.adapters else [],
        }
        engines = theirs(setting, options.mode, Path(name), python)  # the first has no adapter
    for variants in options.variants:
        other = engines[:1] if variants == "one" else engines
        sides = [_side("harness", mine[variants]), _side("lm-eval", other)]
        pairs = list(zip(mine[variants][0].answers, other[0].answers, strict=True))
        equal = f"{sum(a.strip() == b.strip() for a, b in pairs)} of {len(pairs)}"
        _report(variants, sides, equal)
        rows = [{**asdict(side), "generation": side.generation} for side in sides]
        told[variants] = {"equal": equal, "sides": rows}
    if options.json:
        options.json.write_text(json.dumps(told, indent=1))
    return None


if __name__ == "__main__":
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    main()
