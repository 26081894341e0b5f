"""Ends that nobody planned, and what is lost: kills, signals, full disks, two at once, connections.

    python -m tests.hostile.endings                     the table, half an hour
    python -m tests.hostile.endings --row "full disk"   one row

Each try survives when what had been reported is kept, the next run makes only the rest, its rows
are those of a run that nobody disturbed, and the store has no faults. Tries are numbered.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import chdir
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from harness.store import verify
from harness.training.sft import TrainedAdapter, train
from tests.backends.tiny import save_model
from tests.embedded import ROOT
from tests.evaluation.test_kill import (
    ECHO,
    Subject,
    answers,
    kill_and_resume,
    model,
    rows,
    uninterrupted,
)
from tests.hostile.file_rows import SUITE
from tests.hostile.trying import named
from tests.training.sft.made import config_for, pets, write_rows

HARNESS = [sys.executable, "-m", "harness"]
SCRATCH = Path(tempfile.gettempdir()) / "endings"


@cache
def whole(subject: Subject) -> list[dict[str, Any]]:
    """Return the rows of a run that nobody disturbed."""
    return uninterrupted(subject, Path(tempfile.mkdtemp(dir=SCRATCH)) / "db")


@cache
def small() -> Subject:
    """Return a random Qwen2 with an adapter."""
    return model(Path(tempfile.mkdtemp(dir=SCRATCH)))


def finished(store: Path, reported: int) -> str:
    """Let a run on echo end; return what was lost."""
    made = ECHO.finish(store)
    if made > ECHO.answers - reported:
        return f"{made} answers were made again, of {reported} that had been reported"
    if rows(store) != whole(ECHO):
        return "other rows"
    return "; ".join(map(str, verify(store).faults))


def killed(subject: Subject, folder: Path, rng: random.Random) -> str:
    found = kill_and_resume(subject, folder / "db", rng, whole(subject))
    lost = (found.made_again, found.changed, found.other_verdicts)
    return "" if lost == (0, 0, 0) else str(found)


def signalled(folder: Path, rng: random.Random) -> str:
    """Stop a run at a random moment by a signal that asks for it."""
    kind = rng.choice((signal.SIGINT, signal.SIGTERM))
    run = ECHO.start(folder / "db")
    first = run.line()  # before it, Python itself says what a signal does
    time.sleep(rng.uniform(0, ECHO.span))
    run.send(kind)
    said = [first, *run.rest(timeout=60)]
    if run.process.exitcode == 3:
        return "it ended as broken machinery"
    return finished(folder / "db", answers(said))


def command_signalled(folder: Path, rng: random.Random) -> str:
    """Stop `harness run` by a signal: exit code 130 and one line, or it had ended."""
    kind = rng.choice((signal.SIGINT, signal.SIGTERM))
    Path("s.yaml").write_text(SUITE)
    words = [*HARNESS, "run", "s.yaml", "--backend=echo", "--engine-arg=delay=0.3"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while process.poll() is None and not Path(".harness/store.db").exists():
        time.sleep(0.02)
    time.sleep(rng.uniform(0, 1.5))
    process.send_signal(kind)
    _, said = process.communicate(timeout=60)
    if process.returncode == 130:
        told = said.endswith("stopped; what was finished is kept: run the same command again\n")
        if "Traceback" in said or not told:
            return said[-300:]
    elif process.returncode != 1:  # its gate fails, where it had ended
        return f"exit code {process.returncode}: {said[-300:]}"
    again = subprocess.run([*HARNESS, "run", "s.yaml", "--backend=echo"], capture_output=True)
    return "" if again.returncode == 1 else f"then exit code {again.returncode}"


def two_at_once(folder: Path, rng: random.Random) -> str:
    """Let two processes write the same answers into one store, the second a moment later."""
    first = ECHO.start(folder / "db", delay=0.002)
    time.sleep(rng.uniform(0, 1.5))
    module = [sys.executable, "-m", "tests.evaluation.worker"]
    words = [*module, str(folder / "db"), "other", str(ECHO.cases), "0.002"]
    second = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=120)
    said = "".join(first.rest(timeout=120))
    codes = first.process.exitcode, second.returncode
    if codes != (0, 0):
        return f"exit codes {codes[0]} and {codes[1]}: {said}{second.stderr}"[-500:]
    if rows(folder / "db") != whole(ECHO):
        return "other rows"
    return finished(folder / "db", ECHO.answers)


def without_room(folder: Path, rng: random.Random) -> str:
    """Let no file grow beyond a random size, as a quota does, then let it go on."""
    limit = rng.randrange(20_000, 400_000)
    module = [sys.executable, "-m", "tests.evaluation.worker"]
    words = [*module, str(folder / "db"), "run", str(ECHO.cases), "0", f"--limit={limit}"]
    stopped = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=120)
    if stopped.returncode not in (0, 2, 3) or "Traceback" in stopped.stderr:
        return f"exit code {stopped.returncode}: {stopped.stderr[-300:]}"
    if stopped.returncode and "hint: " not in stopped.stderr:
        return f"no hint: {stopped.stderr[-300:]}"
    return finished(folder / "db", answers(stopped.stdout.splitlines()))


# -- trainings -------------------------------------------------------------------------------------

TRAINING = (
    "import sys; from pathlib import Path\n"
    "from harness.training.sft import read_data, train\n"
    "from tests.training.sft.made import config_for\n"
    "config = config_for(Path(sys.argv[1]), Path(sys.argv[2]), data=[sys.argv[3]])\n"
    "train(config, read_data(config)[0], observer=lambda event: print(event, flush=True))\n"
)


@cache
def trained() -> tuple[Path, float, dict[str, bytes]]:
    """Return a tiny model, the seconds of a training of it, and the adapter that comes of it."""
    base = save_model(Path(tempfile.mkdtemp(dir=SCRATCH)) / "model", initializer_range=0.05)
    began = time.monotonic()
    adapter = train(config_for(base, base.parent / "out"), pets(40))
    return base, time.monotonic() - began, kept(adapter)


def kept(adapter: TrainedAdapter) -> dict[str, bytes]:
    """Return the files of a trained adapter that hold what it learned."""
    names = ("adapter_config.json", "adapter_model.safetensors")
    return {name: (adapter.path / name).read_bytes() for name in names}


def training_killed(folder: Path, rng: random.Random) -> str:
    """Kill a training at a random moment, all of its processes, and let it go on."""
    base, seconds, wanted = trained()
    data = write_rows(folder / "rows.jsonl", pets(40))
    words = [sys.executable, "-c", TRAINING, str(base), str(folder / "out"), str(data)]
    process = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.DEVNULL)
    time.sleep(rng.uniform(0.2, 1) * seconds)
    process.kill()
    process.wait()
    adapter = train(config_for(base, folder / "out"), pets(40))
    return "" if kept(adapter) == wanted else "other weights"


# -- connections -----------------------------------------------------------------------------------

FIXTURES = ROOT / "fixtures"
COMMANDS: tuple[tuple[str, ...], ...] = (
    ("validate", "s.yaml"),
    ("run", "s.yaml", "--backend=echo"),
    ("run", "s.yaml", f"--model={FIXTURES / 'model'}", "--device=cpu"),
    ("plan", "s.yaml", "--backend=echo"),
    ("score", "s.yaml", "--responses=a.jsonl"),
    ("runs",),
    ("show",),
    ("rescore",),
    ("baseline", "save", "b.json", "latest"),
    ("cache", "verify"),
    ("export", "latest", "--to=csv"),
    ("nightly", "nightly.yaml"),
    ("rows", "rows.jsonl", "--clean"),
    ("train", "train.yaml", "--dry-run"),
    ("lint-adapter", str(FIXTURES / "adapters" / "repaired"), f"--model={FIXTURES / 'model'}"),
    ("merge", str(FIXTURES / "adapters" / "repaired"), f"--model={FIXTURES / 'model'}", "--out=m"),
    ("schema",),
    ("checks",),
)
_CONNECT = re.compile(r"sa_family=AF_INET6?, .*?(?:inet_addr\(\"|inet_pton\(AF_INET6, \")([^\"]+)")


def lay_project() -> None:
    """A suite, answers, rows, a night and a training, in the working directory."""
    Path("s.yaml").write_text(SUITE)
    given: list[dict[str, Any]] = [{"case": case, "response": "x"} for case in ("c1", "c2")]
    given.append({"case": "c3", "responses": ["x", "{}"]})
    Path("a.jsonl").write_text("\n".join(map(json.dumps, given)))
    Path("nightly.yaml").write_text(json.dumps({"name": "n", "suites": ["s.yaml"]}))
    Path("harness.toml").write_text('backend = "echo"\n')
    data = write_rows(Path("rows.jsonl"), pets(20))
    config = {"model": str(FIXTURES / "model"), "output": "out", "data": [str(data)]}
    Path("train.yaml").write_text(json.dumps(config))


def traced(words: tuple[str, ...]) -> str:
    """Run a command with its calls of `connect` traced; return the addresses that are not ours."""
    trace = ["strace", "-f", "-qq", "-e", "trace=connect", "-o", "trace.txt"]
    done = subprocess.run([*trace, *HARNESS, *words], capture_output=True, text=True, timeout=600)
    if done.returncode not in (0, 1, 4):
        return f"{words[0]}: exit code {done.returncode}: {done.stderr[-300:]}"
    found = {match[1] for match in _CONNECT.finditer(Path("trace.txt").read_text())}
    away = sorted(each for each in found if not each.startswith("127.") and each != "::1")
    return f"{words[0]} connected to {', '.join(away)}" if away else ""


def connections(folder: Path, rng: random.Random) -> Iterator[str]:
    lay_project()
    for words in COMMANDS:
        yield traced(words)


# -- the table -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """One kind of ending, and how often it is tried."""

    name: str
    tries: int
    one: Callable[[Path, random.Random], str]


TABLE = (
    Row("kill -9, echo", 40, lambda folder, rng: killed(ECHO, folder, rng)),
    Row("kill -9, hf", 12, lambda folder, rng: killed(small(), folder, rng)),
    Row("kill -9, training", 7, training_killed),
    Row("SIGINT or SIGTERM, a run", 10, signalled),
    Row("SIGINT or SIGTERM, the command", 10, command_signalled),
    Row("two processes at once", 10, two_at_once),
    Row("full disk", 10, without_room),
)

CONNECTIONS = "connections"


def tried(row: Row, number: int) -> str:
    """Make one try in a folder of its own."""
    with tempfile.TemporaryDirectory(dir=SCRATCH) as name, chdir(name):
        return row.one(Path(name), random.Random(f"{row.name}/{number}"))


def command() -> int:
    """Print the table; exit code 1 where a try did not survive."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--row", default="")
    parser.add_argument("--tries", type=int, default=0, help="(default: those of the table)")
    arguments = parser.parse_args()
    names = named((*(row.name for row in TABLE), CONNECTIONS), arguments.row)
    SCRATCH.mkdir(exist_ok=True)
    broken = 0
    print("| ending | tries | survived |\n|---|---|---|", flush=True)
    for row in TABLE:
        if row.name in names:
            found = [tried(row, number) for number in range(arguments.tries or row.tries)]
            broken += told(row.name, found)
    if CONNECTIONS in names and shutil.which("strace"):
        with tempfile.TemporaryDirectory(dir=SCRATCH) as name, chdir(name):
            broken += told(CONNECTIONS, list(connections(Path(name), random.Random(0))))
    shutil.rmtree(SCRATCH)
    return 1 if broken else 0


def told(name: str, found: list[str]) -> int:
    """Print a row; return how many tries did not survive."""
    wrong = [each for each in found if each]
    print(f"| {name} | {len(found)} | {len(found) - len(wrong)} |", flush=True)
    for each in wrong:
        print(f"    {each}", flush=True)
    return len(wrong)


if __name__ == "__main__":
    raise SystemExit(command())
