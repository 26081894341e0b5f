"""A whole repair in a large model's shape, by each method: every stage timed.

    python -m bench.repair_gpu --folder M --out sft.json              Qwen2.5-7B's shape, on a GPU
    python -m bench.repair_gpu --folder M --methods grpo --rows 64 --out grpo.json
    python -m bench.repair_gpu --folder M --shape embedded --methods --twice 12 --out twice.json
    python -m bench.repair_gpu --folder F --shape tiny --device cpu --rows 48 --pairs 48 \\
        --cases 44 --prompts 16 --tokens 120 --methods sft dpo grpo auto --out tiny.json   a CPU

The model has random weights and the embedded model's tokenizer: M/qwen2.5-7b-shape, which
bench.dummy_7b and the step `model` of bench.replicas write too. It is made unless it is there, and
a project beside it is kept, so that the next call finds model, failing run and answers, and goes on
where the last one ran out of time.

The suite asks for a fixed answer to messages of --tokens tokens, which random weights never give; a
second suite must lose nothing. The check that grades counts how many of the answer's letters are
there: random text has some of them, so that answers differ in their reward. Random weights do not
know how to end: answers stop at letters that the right one lacks, so that there are whole answers
to learn from, and are sampled at a low temperature, so that hardly a token lies outside the
tokenizer. Learning rates are high, as an adapter that hardly moves the model is refused by every
engine.

A run fails, `harness fix` makes rows, pairs or rewards, trains, judges and decides, whatever the
decision is; each method begins with the base. After each a table says what every stage took, also
where one was refused or ran out of time. `--twice` does the same training of each of
`--twice-methods` twice, all beside each other, and compares the bytes of the adapters. Every step
is a process of its own with its own limit, and the file of results is written anew after each.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import yaml

from bench.dummy_7b import FIXTURE, NAME, SHAPES
from harness.common import Message, digest
from harness.prompts import load_tokenizer
from harness.training import Pair, Rollout, TrainingRow
from harness.training.sft import Lesson, TrainConfig, train

ROOT = Path(__file__).parents[1]
METHODS = ("sft", "dpo", "grpo", "auto")
ANSWER = '{"status": "received"}'
WRONG = "Sorry, I cannot read this."
LETTERS = sorted(set("statusreceived"))
ENDS = ["z", "x", "q", "j", "w"]  # no letter of ANSWER
FRESH = 8  # prompts that are never trained on
RATES = {"sft": 2e-4, "dpo": 5e-4, "grpo": 1e-3}
ASKED = "Confirm that the message above has arrived. Answer with a JSON object and nothing else."
WORDS = (
    "apple", "bread", "chair", "door", "engine", "flower", "garden", "house", "island", "jacket",
    "kettle", "lamp", "mirror", "needle", "orange", "paper", "queen", "river", "silver", "table",
    "umbrella", "village", "window", "yellow", "zebra", "anchor", "basket", "candle", "desert",
    "feather", "guitar", "hammer",
)  # fmt: skip


def message(draw: random.Random, tokens: int, tokenizer: Any) -> str:
    """Return words of so many tokens, and what is asked."""
    said = ""
    while tokenizer.count(said) < tokens:
        said += " ".join(draw.choices(WORDS, k=12)) + f" {draw.randrange(10**6)}.\n"
    return f"{said}\n{ASKED}"


def make_project(folder: Path, given: argparse.Namespace) -> None:
    """Write the suites, the pools of rows and of pairs, and prompts that no case has."""
    tokenizer = load_tokenizer(FIXTURE)
    draw = random.Random(1)
    size = given.tokens - tokenizer.count(ASKED) - tokenizer.count(ANSWER) - 20
    cases, prompts, learned = (
        [message(draw, size, tokenizer) for _ in range(count)]
        for count in (given.cases, given.prompts + FRESH, max(given.rows, given.pairs))
    )
    files = {
        "cases": [{"id": f"m-{at}", "text": text} for at, text in enumerate(cases)],
        "prompts": [{"id": f"p-{at}", "text": text} for at, text in enumerate(prompts)],
        "pool": [{"prompt": text, "completion": ANSWER} for text in learned[: given.rows]],
        "pairs": [
            {"prompt": text, "chosen": ANSWER, "rejected": WRONG} for text in learned[: given.pairs]
        ],
    }
    for name, lines in files.items():
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in lines))
    rates = {**RATES, **({"sft": given.learning_rate} if given.learning_rate else {})}
    sampling = {"sampling": {"temperature": 0, "max_new_tokens": 48, "stop": ENDS}}
    alike = zip(WORDS, (*WORDS[5:], *WORDS[:5]), strict=True)
    suites: dict[str, Any] = {
        "intake": {
            "suite": "intake", "category": "format", "defaults": sampling,
            "gate": {"min_pass_rate": 0.8},
            "fix": {
                "pools": ["pool.jsonl"], "rows": given.rows, "replay": {"share": 0},
                "generate": {"rows": {"cases.jsonl": "prompts.jsonl"}},
                "pairs": {"pools": ["pairs.jsonl"], "samples": 2},
                "rewards": {
                    "samples": 8, "prompts": given.prompts, "fresh": FRESH, "others": 4,
                    "updates": given.updates, "temperature": 0.3, "engine": given.backend,
                },
                "train": {
                    "epochs": 1, "held_out_share": 0.02, "learning_rate": rates["sft"],
                    "dpo": {"learning_rate": rates["dpo"]},
                    "grpo": {"learning_rate": rates["grpo"]},
                },
            },
            "from_file": [{"path": "cases.jsonl", "case": {
                "id": "{{ row.id }}", "user": "{{ row.text }}",
                "checks": [{"equals": ANSWER}, {"contains_all": LETTERS}]}}],
        },
        "brief": {
            "suite": "brief", "category": "length", "defaults": sampling,
            "cases": [{"id": f"b-{at}", "user": f"Name something like {' and '.join(two)}.",
                       "checks": [{"words": {"max": 1000}}]} for at, two in enumerate(alike)],
        },
    }  # fmt: skip
    for name, suite in suites.items():
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(suite, sort_keys=False))
    (folder / "pyproject.toml").write_text("[tool.harness]\n")


class Steps:
    """Does steps one after another, each with its limit, and keeps what is known on the disk."""

    def __init__(self, out: Path, told: dict[str, Any]) -> None:
        self.out, self.found = out, {**told, "steps": []}
        self.began = time.monotonic()

    def run(self, name: str, limit: float, command: list[str], folder: Path) -> dict[str, Any]:
        """Run a command; its `exit` is None where it ran past its limit."""
        began = time.monotonic()
        log = self.out.with_name(f"{self.out.stem}-{name}.log")
        path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        with log.open("w") as stream:
            try:
                code: int | None = subprocess.run(
                    command, cwd=folder, stdout=stream, stderr=subprocess.STDOUT, timeout=limit,
                    env={**os.environ, "PYTHONPATH": path}, check=False,
                ).returncode  # fmt: skip
            except subprocess.TimeoutExpired:
                code = None
        seconds = round(time.monotonic() - began, 1)
        tail = log.read_text(errors="replace").splitlines()[-12:]
        step = {"step": name, "seconds": seconds, "exit": code, "tail": tail}
        self.add(step)
        print(f"{name}: exit {code} after {seconds} s", flush=True)
        if code not in (0, 1):  # 1: a suite has failed, or a repair is rejected
            print(*(f"    {line}" for line in tail), sep="\n", flush=True)
        return step

    def add(self, step: dict[str, Any]) -> None:
        """Remember a step, and write all that is known."""
        self.found["steps"].append(step)
        self.found["seconds"] = round(time.monotonic() - self.began, 1)
        self.out.write_text(json.dumps(self.found, indent=1) + "\n")


def stages(project: Path, since: float) -> list[dict[str, Any]]:
    """Return the stages that repairs have finished since a time, in order, with what they took."""
    found = []
    files = [file for file in project.glob(".harness/fix/*/**/*.json") if "/adapter/" not in
             file.as_posix() and file.stat().st_mtime >= since]  # fmt: skip
    for file in sorted(files, key=lambda file: file.stat().st_mtime):
        body = json.loads(file.read_text())
        if "seconds" not in body:
            continue
        name = file.relative_to(project / ".harness" / "fix").with_suffix("").parts[1:]
        stage = {"stage": "/".join(name), "seconds": body["seconds"]}
        manifest = body["found"].get("manifest", {}).get("run", {})
        facts = {key: manifest.get(key, body["found"].get(key)) for key in ("steps", "tokens")}
        facts["trained"] = manifest.get("seconds")
        facts["reward"] = body["found"].get("watched", {}).get("reward")
        facts["rollouts"] = len(body["found"]["rollouts"]) if "rollouts" in body["found"] else None
        found.append(stage | {key: value for key, value in facts.items() if value is not None})
    return found


def repair(steps: Steps, method: str, run: str, given: argparse.Namespace, project: Path) -> None:
    """Repair the run by one method, and print what its stages took."""
    where = ["--backend", given.backend, "--device", given.device, "--dtype", given.dtype]
    where += [f"--engine-arg={argument}" for argument in given.engine_arg]
    place = ["--current", f".harness/adapters/after-{method}"]  # none sees another's
    since = time.time()
    command = [sys.executable, "-m", "harness", "fix", run, "--method", method, *place, *where]
    step = steps.run(f"fix-{method}", given.limit, command, project)
    done = stages(project, since)
    for file in project.glob("reports/fix-*/fix.json"):
        if file.stat().st_mtime >= since:
            report = json.loads(file.read_text())
            step |= {key: report[key] for key in ("decision", "reasons", "cost", "suites")}
    step["stages"] = done
    steps.out.write_text(json.dumps(steps.found, indent=1) + "\n")
    print(f"\n{method}: {step['seconds']} s, {step.get('decision', 'no decision')}")
    for stage in done:
        facts = {key: value for key, value in stage.items() if key not in ("stage", "seconds")}
        told = ", ".join(f"{key} {value}" for key, value in facts.items())
        print(f"  {stage['stage']:<28}{stage['seconds']:>8.1f}  {told}")
    for reason in step.get("reasons", ()):
        print(f"  {reason}")
    for suite in step.get("suites", ()):
        rates = f"{suite['before']:.3f} -> {suite['after']:.3f}, bound {suite['bound']}"
        print(f"  {suite['suite']}: {rates}, {suite['verdict']}")
    print(flush=True)


def train_once(method: str, place: Path, given: argparse.Namespace, model: Path) -> None:
    """Train a few steps by one method, on made-up lessons."""
    draw = random.Random(method)
    lessons: list[Lesson] = []
    for number in range(4 * given.twice):
        prompt = (Message("user", f"{' '.join(draw.choices(WORDS, k=9 + number % 40))}. {ASKED}"),)
        others = [" ".join(draw.choices(WORDS, k=4 + number % 9)) for _ in range(4)]
        if method == "sft":
            rows = [(*prompt, Message("assistant", text)) for text in others]
            lessons += [TrainingRow(row, f"row {number}") for row in rows]
        elif method == "dpo":
            lessons += [Pair(prompt, ANSWER, text, f"pair {number}") for text in others]
        else:
            worth = zip(others, (1.5, 0.5, -0.5, -1.5), strict=True)
            lessons += [Rollout(prompt, text, at, at, "made up", str(number)) for text, at in worth]
    config = TrainConfig.model_validate({
        "model": str(model), "output": place, "method": method, "max_steps": given.twice,
        "device": given.device, "dtype": given.dtype, "held_out_share": 0, "keep": "last",
        "learning_rate": RATES["sft"], "device_batch_size": 8,
    })  # fmt: skip
    train(config, lessons, cache=place.parent)


def train_twice(steps: Steps, given: argparse.Namespace, model: Path, folder: Path) -> None:
    """Do each training twice, all beside each other, and compare the bytes of the adapters."""
    began = time.monotonic()
    places = {
        (method, time): folder / f"{method}-{time}-{os.getpid()}"
        for method in given.twice_methods
        for time in ("first", "second")
    }
    running = []
    for (method, _), place in places.items():
        command = [sys.executable, "-m", "bench.repair_gpu", *sys.argv[1:], "--model", str(model)]
        command += ["--trained", method, str(place)]
        log = steps.out.with_name(f"{steps.out.stem}-{place.name}.log").open("w")
        running.append(subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT))
    for process in running:
        try:
            process.wait(max(1.0, given.limit - (time.monotonic() - began)))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    for method in given.twice_methods:
        hashes = []
        for when in ("first", "second"):
            weights = places[method, when] / "adapter_model.safetensors"
            if weights.is_file():
                hashes.append(hashlib.sha256(weights.read_bytes()).hexdigest()[:16])
        same = len(hashes) == 2 and hashes[0] == hashes[1]
        steps.add({"trained_twice": method, "hashes": hashes, "steps": given.twice, "same": same})
        print(f"{method} twice, {given.twice} steps: {hashes}, same: {same}", flush=True)
    print(f"all of them: {time.monotonic() - began:.1f} s", flush=True)


def main() -> None:
    """Do all steps and print what each took."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--folder", type=Path, required=True, help="kept, with model and project")
    parser.add_argument("--shape", choices=(*SHAPES, "embedded"), default="7b")
    parser.add_argument("--model", type=Path, help="this one, instead of random numbers")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--backend", choices=("vllm", "hf"), default="vllm")
    parser.add_argument("--engine-arg", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--methods", nargs="*", default=["sft"], choices=METHODS)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--pairs", type=int, default=256)
    parser.add_argument("--prompts", type=int, default=32, help="that are rewarded in an update")
    parser.add_argument("--updates", type=int, default=1, help="of rewards")
    parser.add_argument("--learning-rate", type=float, help=f"of sft, instead of {RATES['sft']}")
    parser.add_argument("--cases", type=int, default=60)
    parser.add_argument("--tokens", type=int, default=400)
    parser.add_argument("--twice", type=int, default=0, metavar="STEPS", help="0: not")
    parser.add_argument("--twice-methods", nargs="+", choices=METHODS[:3], default=METHODS[:3])
    parser.add_argument("--limit", type=float, default=540, metavar="SECONDS", help="of one step")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--trained", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.trained:
        train_once(given.trained[0], Path(given.trained[1]), given, given.model)
        return
    folder, given.out = given.folder.resolve(), given.out.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    steps = Steps(given.out, {k: str(v) for k, v in vars(given).items() if k != "trained"})
    model = FIXTURE if given.shape == "embedded" else folder / NAME.format(given.shape)
    model = given.model.resolve() if given.model else model
    if not model.exists():
        make = [sys.executable, "-m", "bench.dummy_7b", str(folder)]
        make += ["--shape", given.shape, "--device", given.device]
        steps.run("model", given.limit, make, ROOT)
    if given.methods:
        names = ("rows", "pairs", "prompts", "updates", "learning_rate", "cases", "tokens", "dtype")
        told = {name: getattr(given, name) for name in (*names, "backend", "device", "shape")}
        project = folder / f"repair-{digest(told, 8)}"
        if not (project / "pyproject.toml").exists():
            project.mkdir(exist_ok=True)
            make_project(project, given)
        record = project / "reports" / "latest" / "scorecard.json"
        noted = project / "failing-run"
        if not noted.exists():
            where = ["--backend", given.backend, "--device", given.device, "--dtype", given.dtype]
            where += [f"--engine-arg={argument}" for argument in given.engine_arg]
            words = ["run", "intake.yaml", "brief.yaml", "--model", str(model), *where]
            command = [sys.executable, "-m", "harness", *words]
            steps.run("failing-run", given.limit, command, project)
            if not record.exists():
                sys.exit("the first run did not come to its end: nothing to repair")
            noted.write_text(json.loads(record.read_text())["run"]["id"])
        for method in given.methods:
            repair(steps, method, noted.read_text(), given, project)
    if given.twice:
        train_twice(steps, given, model, folder)
    print(f"{given.out}: {steps.found['seconds']} s in all")


if __name__ == "__main__":
    main()
