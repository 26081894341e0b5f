"""Rows of the table that read files: suites, rows, settings, models, adapters, reports, stores."""

from __future__ import annotations

import io
import json
import os
import random
import shutil
from contextlib import redirect_stderr, redirect_stdout
from datetime import datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow
import yaml
from pyarrow import parquet

from harness.cli import main
from harness.common import HarnessError, Message, digest
from harness.prompts import load_tokenizer
from tests.embedded import ROOT
from tests.hostile.mutations import as_json, bytes_changed, changed, jsonl
from tests.hostile.trying import Row, ran

SUITE = """\
suite: s
category: c
gate: {min_pass_rate: 0.5}
cases:
  - {id: c1, user: hi, checks: [{contains: x}], tags: [a]}
  - {id: c2, user: hi, checks: [{regex: "x+"}, {words: {max: 9}}]}
  - {id: c3, turns: [{user: a}, {user: b, checks: [json]}]}
"""
RICH = (ROOT / "tests" / "suites" / "data" / "all.yaml").read_text("utf-8")
ANSWERS: list[dict[str, Any]] = [
    {"case": "c1", "response": "x", "prompt_tokens": 3, "completion_tokens": 1},
    {"case": "c2", "variant": "new", "repeat": 0, "response": "y", "finish_reason": "stop"},
    {"case": "c3", "responses": ["a", "b"], "reasoning": ["r", None]},
    {"case": "c1", "variant": "new", "steps": [{"turn": 0, "text": "t", "tool_calls": []}]},
    {"case": "c2", "outcome": "error", "reason": "broken"},
]
ROWS: list[dict[str, Any]] = [
    {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]},
    {"instruction": "a", "input": "", "output": "b"},
    {"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]},
    {"prompt": "a", "chosen": "b", "rejected": "c"},
]
NIGHT = {
    "name": "n",
    "suites": ["s.yaml"],
    "variants": {"new": {}},
    "baseline": "base",
    "alerts": {"on": ["regressed"], "webhook": {"url": "http://127.0.0.1:1/", "timeout": 1}},
    "keep": 5,
}
TRAIN = {
    "model": str(ROOT / "fixtures" / "model"),
    "output": "out",
    "data": ["rows.jsonl"],
    "lora": {"rank": 8, "alpha": 16},
    "epochs": 1,
}
SETTINGS = 'backend = "echo"\nsuites = ["s.yaml"]\n[sampling]\ntemperature = 0.5\n[variants.new]\n'


def lay_suite() -> None:
    """A suite, and what runs without a model."""
    Path("s.yaml").write_text(SUITE)
    Path("harness.toml").write_text('backend = "echo"\n')


def lay_run() -> None:
    """The same with a run, its report and its baseline file."""
    lay_suite()
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        assert main(["run", "s.yaml"]) != 2
    assert not ran("baseline", "save", "whole.json", "latest")
    os.rename(next(p for p in Path("reports").iterdir() if not p.is_symlink()), "report")
    shutil.copy(".harness/store.db", "whole.db")


def lay_rows() -> None:
    """Training rows, and a configuration that is right."""
    lay_suite()
    Path("rows.jsonl").write_text("\n".join(map(json.dumps, ROWS[:1] * 20)))
    Path("train.yaml").write_text(json.dumps(TRAIN))
    assert main(["train", "train.yaml", "--dry-run"]) == 0


def suite_bytes(rng: random.Random) -> str:
    text = rng.choice((SUITE, RICH)).encode()
    Path("x.yaml").write_bytes(bytes_changed(text, rng))
    return ran("validate", "x.yaml")


def suite_structure(rng: random.Random) -> str:
    value = changed(yaml.safe_load(rng.choice((SUITE, RICH))), rng)
    Path("x.yaml").write_bytes(as_json(value, rng))  # JSON is YAML
    return ran("validate", "x.yaml")


def answers(rng: random.Random) -> str:
    Path("a.jsonl").write_bytes(jsonl(ANSWERS, rng))
    return ran("score", "s.yaml", "--responses=a.jsonl")


def rows(rng: random.Random) -> str:
    name = rng.choice(("r.jsonl", "r.jsonl", "r.json", "r.parquet"))
    if name == "r.jsonl":
        data = jsonl(ROWS, rng)
    elif name == "r.json":
        data = as_json(changed(ROWS, rng), rng)
        data = bytes_changed(data, rng) if rng.random() < 0.3 else data
    else:
        data = bytes_changed(rng.choice(tables()), rng)
    Path(name).write_bytes(data)
    return ran("rows", name, "--clean", "--skip")


@cache
def tables() -> tuple[bytes, ...]:
    """Return files of Parquet: rows, values of other types, and one that is far larger unpacked."""
    said = [{"messages": row["messages"]} for row in ROWS[:1] * 3]
    odd = {
        "prompt": [b"\xff", None, b"x"],
        "completion": [datetime(1, 1, 1), datetime(9999, 12, 31), None],
        "n": [Decimal("1e20"), Decimal(0), None],
        "x": [float("nan"), float("inf"), -0.0],
    }
    large = {"prompt": ["a" * 100_000] * 20_000, "completion": ["b"] * 20_000}
    found = []
    for table in (pyarrow.Table.from_pylist(said), pyarrow.table(odd), pyarrow.table(large)):
        written = io.BytesIO()
        parquet.write_table(table, written)
        found.append(written.getvalue())
    return tuple(found)


def baseline(rng: random.Random) -> str:
    whole = json.loads(Path("whole.json").read_text())
    if rng.random() < 0.2:
        Path("b.json").write_bytes(bytes_changed(Path("whole.json").read_bytes(), rng))
    else:
        content = changed({key: v for key, v in whole.items() if key != "digest"}, rng)
        try:
            sealed = (
                {"digest": digest(content), **content} if isinstance(content, dict) else content
            )
        except (TypeError, ValueError):
            sealed = content
        Path("b.json").write_bytes(as_json(sealed, rng))
    return ran("baseline", "show", "b.json") or ran("run", "s.yaml", "--baseline=b.json")


def settings(rng: random.Random) -> str:
    Path("harness.toml").write_bytes(bytes_changed(SETTINGS.encode(), rng))
    return ran("validate")


def night(rng: random.Random) -> str:
    Path("nightly.yaml").write_bytes(as_json(changed(NIGHT, rng), rng))
    return ran("nightly", "nightly.yaml")


def train(rng: random.Random) -> str:
    Path("train.yaml").write_bytes(as_json(changed(TRAIN, rng), rng))
    return ran("train", "train.yaml", "--dry-run")


def lay_model() -> None:
    """A model and an adapter, without most of their weights' bytes being copied."""
    lay_suite()
    shutil.copytree(ROOT / "fixtures" / "model", "model")
    shutil.copytree(ROOT / "fixtures" / "adapters" / "repaired", "adapter")


def header_changed(file: Path, rng: random.Random) -> None:
    """Give a safetensors file another header."""
    whole = file.read_bytes()
    length = int.from_bytes(whole[:8], "little")
    header = changed(json.loads(whole[8 : 8 + length]), rng)
    text = as_json(header, rng)
    if rng.random() < 0.2:
        text = bytes_changed(text, rng)
    size = len(text) if rng.random() < 0.9 else rng.choice((0, 2**40, 2**63))
    file.write_bytes(size.to_bytes(8, "little") + text + whole[8 + length :])


def adapter(rng: random.Random) -> str:
    source = ROOT / "fixtures" / "adapters" / "repaired"
    if rng.random() < 0.5:
        value = changed(json.loads((source / "adapter_config.json").read_text()), rng)
        Path("adapter/adapter_config.json").write_bytes(as_json(value, rng))
        shutil.copy(source / "adapter_model.safetensors", "adapter")
    else:
        shutil.copy(source / "adapter_config.json", "adapter")
        shutil.copy(source / "adapter_model.safetensors", "adapter")
        header_changed(Path("adapter/adapter_model.safetensors"), rng)
    return ran("lint-adapter", "adapter", f"--model={ROOT / 'fixtures' / 'model'}")


def model(rng: random.Random) -> str:
    source = ROOT / "fixtures" / "model"
    for name in ("config.json", "generation_config.json"):
        if (source / name).is_file():
            value = json.loads((source / name).read_text())
            text = as_json(changed(value, rng) if rng.random() < 0.5 else value, rng)
            Path("model", name).write_bytes(text)
    index = {"metadata": {}, "weight_map": {"a": "model.safetensors"}}
    place = Path("model/model.safetensors.index.json")
    place.unlink(missing_ok=True)
    if rng.random() < 0.4:
        place.write_bytes(as_json(changed(index, rng), rng))
    shutil.copy(source / "model.safetensors", "model")
    if rng.random() < 0.4:
        header_changed(Path("model/model.safetensors"), rng)
    return ran("lint-adapter", str(ROOT / "fixtures" / "adapters" / "repaired"), "--model=model")


def tokenizer(rng: random.Random) -> str:
    source = ROOT / "fixtures" / "model"
    special = {"eos_token": "<|im_end|>", "pad_token": {"content": "<pad>", "special": True}}
    files: dict[str, Any] = {"special_tokens_map.json": special, "added_tokens.json": {"<x>": 9999}}
    for name in ("tokenizer.json", "tokenizer_config.json"):
        files[name] = json.loads((source / name).read_text("utf-8"))
    broken = rng.sample([*files], rng.choice((1, 1, 2)))
    for name, whole in files.items():
        place = Path("model", name)
        if name not in broken and not (source / name).is_file():
            place.unlink(missing_ok=True)
            continue
        made = as_json(changed(whole, rng) if name in broken else whole, rng)
        cut = name in broken and rng.random() < 0.3
        place.write_bytes(bytes_changed(made, rng) if cut else made)
    try:
        load_tokenizer("model").token_ids((Message("user", "hi"),))
    except HarnessError as error:
        return "" if str(error).strip() else "no message"
    return ""


def report(rng: random.Random) -> str:
    for name in ("scorecard.json", "results.jsonl"):
        whole = next(Path().glob(f"whole-{name}"), None)
        if whole is None:
            whole = Path(shutil.copy(Path("report", name), f"whole-{name}"))
        data = whole.read_bytes()
        if rng.random() < 0.5:
            if rng.random() < 0.2:
                data = bytes_changed(data, rng)
            elif name.endswith("l"):
                data = jsonl([json.loads(line) for line in data.splitlines()], rng)
            else:
                data = as_json(changed(json.loads(data), rng), rng)
        Path("report", name).write_bytes(data)
    return ran("compare", "report:base", "report:base")


def lay_review() -> None:
    """A run, and a review of it that is filled in."""
    lay_run()
    assert not ran("review", "--by=scores", "--rater=ann", "--export=whole.jsonl")
    text = Path("whole.jsonl").read_text("utf-8").replace('"overall": null', '"overall": 4')
    Path("whole.jsonl").write_text(text, "utf-8")


def review(rng: random.Random) -> str:
    whole = Path("whole.jsonl").read_bytes()
    if rng.random() < 0.2:
        data = bytes_changed(whole, rng)
    else:
        data = jsonl([json.loads(line) for line in whole.splitlines()], rng)
    Path("r.jsonl").write_bytes(data)
    return ran("review", "--import=r.jsonl")


def store(rng: random.Random) -> str:
    data = bytearray(Path("whole.db").read_bytes())
    for _ in range(rng.choice((1, 3, 20))):
        at, size = rng.randrange(len(data)), rng.choice((1, 8, 64, 4096))
        act = rng.randrange(3)
        if act == 0:
            data[at : at + size] = rng.randbytes(len(data[at : at + size]))
        elif act == 1:
            page, other = (rng.randrange(len(data) // 4096) * 4096 for _ in range(2))
            data[page : page + 4096] = data[other : other + 4096]
        else:
            del data[max(at, 4096) :]
    for ending in ("-wal", "-shm"):
        Path(f".harness/store.db{ending}").unlink(missing_ok=True)
    Path(".harness/store.db").write_bytes(data)
    words = (("runs",), ("show",), ("cache", "show"), ("cache", "verify"), ("run", "s.yaml"))
    return ran(*rng.choice(words)) or ran("cache", "verify", "--repair")


FILES = (
    Row("suite, bytes", lay_suite, suite_bytes),
    Row("suite, structure", lay_suite, suite_structure),
    Row("recorded answers", lay_suite, answers),
    Row("training rows", lay_suite, rows),
    Row("baseline, sealed again", lay_run, baseline),
    Row("harness.toml", lay_suite, settings),
    Row("nightly.yaml", lay_suite, night),
    Row("train.yaml", lay_rows, train),
    Row("adapter", lay_model, adapter),
    Row("model directory", lay_model, model),
    Row("tokenizer", lay_model, tokenizer),
    Row("scorecard and results", lay_run, report),
    Row("review", lay_review, review),
    Row("damaged store", lay_run, store),
)
