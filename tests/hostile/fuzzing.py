"""Broken and hostile input on every reader, in processes with limits: `make fuzz`.

Each row of the table is one kind of file. A try changes a whole file of that kind, by its structure
or by its bytes, and runs a real command on it. It has survived when the command ended by itself
with a message or a result, within 10 s of processor time and 1 GB of memory above what the process
had when it began; the system enforces both. Tries are numbered: the same number is the same input.

    python -m tests.hostile.fuzzing --tries 3000
    python -m tests.hostile.fuzzing --row baseline --tries 1 --first 815     one input again
"""

from __future__ import annotations

import argparse
import copy
import io
import json
import multiprocessing
import os
import random
import resource
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import yaml

from harness.cli import main
from harness.common import digest
from tests.embedded import ROOT

CPU_SECONDS = 10
BYTES = 10**9
STALLED = 120.0  # wall seconds without an answer: a wait for something that never comes
OURS = "this is a mistake of the harness"

NASTY: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**63, -(2**63), 10**30, 0.5, -0.0, 1e308, 5e-324),
    *("", " ", "\n", "x" * 300, "a" * 5000, "\x1b[31mred", "\u202egnp", "\ud800", "\x00", "é" * 9),
    *("../../etc/passwd", "/dev/zero", "/dev/stdin", "~nobody", "NaN", "inf", "{{ 7 * 7 }}"),
    *("{% for i in range(99999) %}x{% endfor %}", "(((x{9999}){9999}){9999})", "(a+)+$", "*x"),
    *([], {}, [[]], [None], {"": {}}, {"a": {"$ref": "#"}}, [1e308] * 3, ["x"] * 500),
)


def deep(levels: int) -> Any:
    """Return lists in lists."""
    value: Any = []
    for _ in range(levels):
        value = [value]
    return value


def places(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the way to everything inside a value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    for step, item in inner:
        yield (*way, step)
        if isinstance(item, dict | list):
            yield from places(item, (*way, step))


def changed(value: Any, rng: random.Random) -> Any:
    """Return a value with one to four parts replaced, left out, doubled, renamed or nested."""
    value = copy.deepcopy(value)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        ways = list(places(value)) if isinstance(value, dict | list) else []
        if not ways:
            return rng.choice(NASTY)
        *above, last = rng.choice(ways)
        parent = value
        for step in above:
            parent = parent[step]
        act = rng.randrange(8)
        if act < 4:
            parent[last] = copy.deepcopy(rng.choice(NASTY))
        elif act == 4:
            del parent[last]
        elif act == 5:
            parent[last] = deep(rng.choice((3, 90, 150, 400)))
        elif act == 6 and isinstance(parent, dict):
            name = rng.choice(("", "x", "\x00", "a" * 400, str(last).upper(), "__class__"))
            parent[name] = parent.pop(last)
        elif isinstance(parent, list):
            parent.extend(copy.deepcopy(parent[:50]) * rng.choice((1, 20)))
        else:
            parent[f"{last}2"] = copy.deepcopy(parent[last])
    return value


def bytes_changed(data: bytes, rng: random.Random) -> bytes:
    """Return a file with some of its bytes flipped, cut, doubled or overwritten."""
    found = bytearray(data)
    for _ in range(rng.choice((1, 2, 8))):
        at = rng.randrange(len(found) + 1)
        end = min(len(found), at + rng.choice((1, 1, 4, 64)))
        act = rng.randrange(5)
        if act == 0:
            found[at:end] = rng.randbytes(end - at)
        elif act == 1:
            del found[at:]
        elif act == 2:
            found[at:at] = found[at:end] * rng.choice((2, 200))
        elif act == 3:
            signs = (b"{", b"[" * 400, b'"', b"\x00", b"\xff\xfe", b"9" * 5000, b"\r\n", b"&a *a")
            found[at:end] = rng.choice(signs)
        else:
            del found[at:end]
    return bytes(found)


def as_json(value: Any, rng: random.Random) -> bytes:
    """Write JSON, now and then with what only Python's reader takes."""
    text = json.dumps(value, ensure_ascii=rng.random() < 0.5)
    if rng.random() < 0.1:
        text = text.replace("0", rng.choice(("NaN", "Infinity", "9" * 5000, "1e999")), 1)
    return text.encode("utf-8", "surrogatepass")


# -- what is run -----------------------------------------------------------------------------------

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


def ran(*words: str) -> str:
    """Run one command; return what is wrong with how it ended, or nothing."""
    stream = io.StringIO()
    with redirect_stderr(stream), redirect_stdout(stream):
        code = main(list(words))
    said = stream.getvalue()
    if OURS in said or "Traceback" in said:
        return said[:500]
    if code == 2 and not said.strip():
        return "no message"
    return "" if code in (0, 1, 2, 3, 4) else f"exit code {code}"


@dataclass(frozen=True)
class Row:
    """One kind of input: `lay` puts whole files into the folder, `one` makes a try in it."""

    name: str
    lay: Callable[[], None]
    one: Callable[[random.Random], str]


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


def jsonl(rows: list[dict[str, Any]], rng: random.Random) -> bytes:
    lines = [as_json(changed(row, rng) if rng.random() < 0.5 else row, rng) for row in rows]
    data = b"\n".join(lines)
    return bytes_changed(data, rng) if rng.random() < 0.3 else data


def answers(rng: random.Random) -> str:
    Path("a.jsonl").write_bytes(jsonl(ANSWERS, rng))
    return ran("score", "s.yaml", "--responses=a.jsonl")


def rows(rng: random.Random) -> str:
    Path("r.jsonl").write_bytes(jsonl(ROWS, rng))
    return ran("rows", "r.jsonl", "--clean", "--skip")


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


TEMPLATE_PARTS = (
    *("{{ x }}", "{% for m in messages %}", "{% endfor %}", "{{ m.content }}", "{{ m['role'] }}"),
    *("{% set x = x ~ x %}", "{% set x = 'a' * 9999 %}", "{% if x %}", "{% endif %}", "{{ 1/0 }}"),
    *(
        "{% for i in range(9999) %}",
        "{% set ns = namespace(a='b') %}",
        "{% set ns.a = ns.a ~ ns.a %}",
    ),
    *("{{ messages|tojson }}", "{{ raise_exception('no') }}", "{{ ''.__class__.__mro__ }}"),
    *("{% macro f(n) %}{{ f(n) }}{% endmacro %}", "{{ f(1) }}", "{{ 9**9**9 }}", "{{ x|sort }}"),
    *("{{ '%9999999d' % 1 }}", "{{ 'x'.center(99999999) }}", "{{ [1]*9999999 }}", "{{ cycler }}"),
    *("{% set x %}{{ x }}{{ x }}{% endset %}", "{{ lipsum(999) }}", "{{ x|indent(99999999) }}"),
    *("{{ add_generation_prompt }}", "{%- else %}", "{{ x.y.z }}", "{{ 'a'.replace('a', x) }}"),
)


def template(rng: random.Random) -> str:
    from harness.common import HarnessError, Message
    from harness.prompts import load_tokenizer

    parts = [rng.choice(TEMPLATE_PARTS) for _ in range(rng.randrange(1, 14))]
    if rng.random() < 0.6:
        parts = ["{% for m in messages %}{{ m.content }}", *parts, "{% endfor %}"]
    file = Path("model/chat_template.jinja")
    file.write_text("{% set x = 'ab' %}" + "".join(parts))
    try:
        tokenizer = load_tokenizer("model")
        tokenizer.token_ids((Message("user", "hi"),))
    except HarnessError as error:
        return "" if str(error).strip() else "no message"
    return ""


TABLE = (
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
    Row("scorecard and results", lay_run, report),
    Row("damaged store", lay_run, store),
    Row("chat template", lay_model, template),
)


# -- in processes with limits ----------------------------------------------------------------------


def work(row: Row, numbers: range, answers: Connection) -> None:
    """Make the tries in a folder of their own; send each number with what was wrong."""
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        try:
            row.lay()
            for number in range(3):  # imports and caches are no part of a try
                row.one(random.Random(f"warm/{number}"))
        except Exception as error:
            answers.send((-1, f"{row.name} cannot be laid out: {error!r}", 0.0))
            return
        used = Path("/proc/self/statm").read_text().split()
        limit = int(used[0]) * os.sysconf("SC_PAGE_SIZE") + BYTES
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        for number in numbers:
            answers.send((number, None, 0.0))
            before = time.process_time()
            hard = int(before) + 1 + CPU_SECONDS
            resource.setrlimit(resource.RLIMIT_CPU, (hard, resource.RLIM_INFINITY))
            try:
                wrong = row.one(random.Random(f"{row.name}/{number}"))
            except Exception as error:
                wrong = f"{type(error).__name__}: {error}"[:500]
            answers.send((number, wrong, time.process_time() - before))


def tries(row: Row, numbers: range) -> Iterator[tuple[int, str, float]]:
    """Yield number, fault and processor seconds of each try; a process that dies is replaced."""
    forks = multiprocessing.get_context("fork")
    while numbers:
        ours, theirs = forks.Pipe(duplex=False)
        process = forks.Process(target=work, args=(row, numbers, theirs), daemon=True)
        process.start()
        theirs.close()
        current = numbers[0]
        try:
            while ours.poll(STALLED):
                current, wrong, seconds = ours.recv()
                if current < 0:
                    raise RuntimeError(wrong)
                if wrong is not None:
                    numbers = range(current + 1, numbers.stop)
                    yield current, wrong, seconds
                if not numbers:
                    break
            else:
                process.kill()
        except EOFError:
            pass
        process.join(None if numbers else 10)
        if numbers:  # it died, or was ended, at `current`
            yield current, f"the process ended: {process.exitcode}", float(CPU_SECONDS)
            numbers = range(current + 1, numbers.stop)


def run(row: Row, numbers: range) -> tuple[int, list[tuple[int, str]], list[float]]:
    """Return how many survived, the faults by number, and the seconds of all tries."""
    faults: list[tuple[int, str]] = []
    seconds: list[float] = []
    for number, wrong, took in tries(row, numbers):
        seconds.append(took)
        if wrong:
            faults.append((number, wrong))
    return len(seconds) - len(faults), faults, seconds


def command() -> int:
    """Print the table; exit code 1 where a try did not survive."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tries", type=int, default=3000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--row", default="")
    arguments = parser.parse_args()
    numbers = range(arguments.first, arguments.first + arguments.tries)
    broken = 0
    print("| input | tries | survived | median s | worst s |\n|---|---|---|---|---|")
    for row in TABLE:
        if arguments.row not in row.name:
            continue
        good, faults, seconds = run(row, numbers)
        middle, worst = statistics.median(seconds), max(seconds)
        print(
            f"| {row.name} | {len(seconds):,} | {good:,} | {middle:.3f} | {worst:.2f} |", flush=True
        )
        for number, wrong in faults[:20]:
            print(f"    {number}: {wrong}", flush=True)
        broken += len(faults)
    return 1 if broken else 0


if __name__ == "__main__":
    raise SystemExit(command())
