"""A whole repair in a large model's shape: each stage timed, and two trainings compared.

    python -m bench.repair_gpu --out repair.json                       Qwen2.5-7B's shape, on a GPU
    python -m bench.repair_gpu --shape tiny --rows 64 --cases 44 --device cpu --out repair.json

The model has random weights and the embedded model's tokenizer (or is `--model`, such as the step
`model` of bench.replicas makes). Its suite asks for a fixed answer to messages of about 400 tokens,
which random weights never give; a second suite must lose nothing. Random weights do not know how to
end: answers stop at letters that the right one lacks, so that rewards have whole answers to learn
from, and are sampled at a low temperature, so that hardly a token lies outside the tokenizer.
A run fails, `harness fix` makes rows out of a pool, trains, judges and decides, whatever the
decision is; `--methods` does so with each method, from the base. The same training is done twice,
and the bytes of the two adapters are compared. Every step is a process of its own with
its own limit, and the file of results is written anew after each, so that what ran out of time is
not lost.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

from bench.dummy_7b import FIXTURE, SEVEN_B
from harness.prompts import load_tokenizer

TINY = {
    **SEVEN_B, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 4096,
}  # fmt: skip
SHAPES = {"7b": SEVEN_B, "tiny": TINY}
ANSWER = '{"status": "received"}'
WRONG = "Sorry, I cannot read this."
PROMPTS = 40
FRESH = 8  # of these, that are never trained on
ENDS = ["z", "x", "q", "j", "w"]  # no letter of ANSWER
ASKED = "Confirm that the message above has arrived. Answer with a JSON object and nothing else."
WORDS = (
    "apple", "bread", "chair", "door", "engine", "flower", "garden", "house", "island", "jacket",
    "kettle", "lamp", "mirror", "needle", "orange", "paper", "queen", "river", "silver", "table",
    "umbrella", "village", "window", "yellow", "zebra", "anchor", "basket", "candle", "desert",
    "feather", "guitar", "hammer",
)  # fmt: skip


def save_model(shape: str, folder: Path, device: str) -> None:
    """Write a model of random numbers; on the device, where that is quick."""
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    torch.manual_seed(0)
    torch.set_default_dtype(torch.bfloat16)
    build: Any = Qwen2ForCausalLM
    settings: Any = Qwen2Config
    kept = {k: v for k, v in SHAPES[shape].items() if k not in ("architectures", "dtype")}
    with torch.device(device):
        model = build(settings(**kept, bos_token_id=None))
    words = int(json.loads((FIXTURE / "config.json").read_text())["vocab_size"])
    with torch.no_grad():  # tokens that the tokenizer does not have are never the likeliest
        model.lm_head.weight[words:] = 0
    model.save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copy(FIXTURE / name, folder / name)


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
    rows, cases, rate = given.rows, given.cases, given.learning_rate
    size = given.tokens - tokenizer.count(ASKED) - tokenizer.count(ANSWER) - 20
    asked = [message(draw, size, tokenizer) for _ in range(rows + cases + PROMPTS)]
    learned, prompts, held = asked[:rows], asked[rows : rows + PROMPTS], asked[rows + PROMPTS :]
    pairs = [
        {"prompt": text, "chosen": ANSWER, "rejected": WRONG} for text in learned[: given.pairs]
    ]
    files = {
        "pool": [{"prompt": text, "completion": ANSWER} for text in learned],
        "pairs": pairs,
        "cases": [{"id": f"m-{at}", "text": text} for at, text in enumerate(held)],
        "prompts": [{"id": f"p-{at}", "text": text} for at, text in enumerate(prompts)],
    }
    for name, lines in files.items():
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in lines))
    few = {
        "samples": 8,
        "prompts": PROMPTS - FRESH,
        "fresh": FRESH,
        "others": 4,
        "updates": given.updates,
        "temperature": 0.3,
    }
    sampling = {"sampling": {"temperature": 0, "max_new_tokens": 48, "stop": ENDS}}
    checks = [{"equals": ANSWER}, {"chrf": {"reference": ANSWER, "min": 0.5}}]
    alike = zip(WORDS, (*WORDS[5:], *WORDS[:5]), strict=True)
    suites: dict[str, Any] = {
        "intake": {
            "suite": "intake", "category": "format", "defaults": sampling,
            "gate": {"min_pass_rate": 0.8},
            "fix": {
                "pools": ["pool.jsonl"], "rows": rows, "replay": {"share": 0},
                "generate": {"rows": {"cases.jsonl": "prompts.jsonl"}},
                "pairs": {"pools": ["pairs.jsonl"], "samples": 2}, "rewards": few,
                "train": {"epochs": 1, "held_out_share": 0.02, "learning_rate": rate},
            },
            "from_file": [{"path": "cases.jsonl", "case": {
                "id": "{{ row.id }}", "user": "{{ row.text }}", "checks": checks}}],
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

    def run(self, name: str, limit: float, command: list[str], folder: Path) -> int | None:
        """Run a command; return its exit code, None where it ran past its limit."""
        began = time.monotonic()
        log = self.out.with_name(f"{self.out.stem}-{name}.log")
        path = os.pathsep.join([str(Path.cwd()), *filter(None, [os.environ.get("PYTHONPATH")])])
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
        self.add({"step": name, "seconds": seconds, "exit": code, "tail": tail})
        print(f"{name}: exit {code} after {seconds} s", flush=True)
        return code

    def add(self, step: dict[str, Any]) -> None:
        """Remember a step, and write all that is known."""
        self.found["steps"].append(step)
        self.found["seconds"] = round(time.monotonic() - self.began, 1)
        self.out.write_text(json.dumps(self.found, indent=1) + "\n")


def train_twice(steps: Steps, given: argparse.Namespace, model: Path, project: Path) -> None:
    """Do the same training twice and compare the bytes of the adapters."""
    settings = {
        "model": str(model), "data": ["pool.jsonl"], "max_steps": given.twice,
        "device": given.device,
    }  # fmt: skip
    hashes = []
    for name in ("first", "second"):
        file = project / f"{name}.yaml"
        file.write_text(yaml.safe_dump({**settings, "output": name}))
        steps.run(f"train-{name}", given.limit, harness("train", str(file)), project)
        weights = project / name / "adapter_model.safetensors"
        if weights.is_file():
            hashes.append(hashlib.sha256(weights.read_bytes()).hexdigest()[:16])
    same = len(hashes) == 2 and hashes[0] == hashes[1]
    steps.add({"trained_twice": hashes, "steps": given.twice, "same": same})
    print(f"two trainings of {given.twice} steps: {hashes}, same: {same}", flush=True)


def harness(*words: str) -> list[str]:
    """Return a command line of this harness."""
    return [sys.executable, "-m", "harness", *words]


def main() -> None:
    """Do all steps and print what each took."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--shape", choices=SHAPES, default="7b")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--backend", default="hf")
    parser.add_argument(
        "--methods", nargs="+", default=["sft"], choices=["sft", "dpo", "grpo", "auto"]
    )
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--pairs", type=int, default=128)
    parser.add_argument("--learning-rate", type=float, default=2e-4)
    parser.add_argument("--updates", type=int, default=2, help="of rewards")
    parser.add_argument("--model", type=Path, help="this one, instead of random numbers")
    parser.add_argument("--cases", type=int, default=60)
    parser.add_argument("--tokens", type=int, default=400)
    parser.add_argument("--twice", type=int, default=10, metavar="STEPS", help="0: not")
    parser.add_argument("--limit", type=float, default=300, metavar="SECONDS", help="of one step")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--make-model", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.make_model:
        save_model(given.shape, given.make_model, given.device)
        return
    given.out = given.out.resolve()
    steps = Steps(
        given.out,
        {k: v for k, v in vars(given).items() if k not in ("out", "make_model", "model")},
    )
    with tempfile.TemporaryDirectory(prefix="repair-") as name:
        folder = Path(name)
        model = given.model.resolve() if given.model else folder / "model"
        if not given.model:
            make = [sys.executable, "-m", "bench.repair_gpu", "--out", "x"]
            make += ["--make-model", str(model), "--shape", given.shape, "--device", given.device]
            steps.run("model", 150, make, Path.cwd())
        where = ["--backend", given.backend, "--device", given.device]
        project = folder / "project"
        project.mkdir()
        make_project(project, given)
        ask = harness("run", "intake.yaml", "brief.yaml", "--model", str(model), *where)
        steps.run("failing-run", given.limit, ask, project)
        for number, method in enumerate(given.methods):
            place = ["--current", f".harness/adapters/after-{method}"]  # none sees another's
            repair = harness("fix", "--method", method, *place, *where)
            before = set(project.glob("reports/fix-*/fix.json"))
            steps.run(f"fix-{method}", given.limit, repair, project)
            for file in set(project.glob("reports/fix-*/fix.json")) - before:
                report = json.loads(file.read_text())
                names = ("decision", "reasons", "cost", "suites")
                steps.add({"method": method, **{key: report[key] for key in names}})
            if number == 0 and given.twice:
                train_twice(steps, given, model, project)
    print(f"{given.out}: {steps.found['seconds']} s in all")


if __name__ == "__main__":
    main()
