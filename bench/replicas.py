"""Replicas, for real: scaling, a killed one, a shared GPU, tensor parallel, LoRA slots, memory.

    python -m bench.replicas OUT                                  two GPUs, Qwen2.5-7B's shape
    python -m bench.replicas OUT --shape embedded --device cpu --backend hf --dtype bfloat16 \\
        --each 40 --tokens 32 --prompt 40 120 --steps model two one memory         two cores

Each step is a process of its own with its own time limit; OUT/results.json is written after each,
OUT/NAME.log holds what it said. Steps joined by + run beside each other, each on its own GPU.

model     the model of random weights with its four adapters, and their hashes (not timed below)
lost      two replicas, one of them ended by kill -9 in the middle
two, one  the same requests by two replicas and by one: requests a second, equal answers
shared    two replicas on one GPU, and then one of them ended by kill -9
parallel  one replica of tensor parallel size two in a placement group of a cluster that exists,
          beside one engine without Ray: what passes on three starter suites
slots     runs beside each other on one warm engine that want more adapters than it has slots, with
          the guard and without it (vllm-project/vllm#47724)
memory    the driver's, for two sizes of a whole run on two replicas that answer at once
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.dummy_7b import FIXTURE, RANK, dummy_model, fill, random_adapter
from bench.echo_overhead import timed
from bench.large_run import VARIANTS, write
from bench.replica_simulation import sleeping
from harness.backends import Address, Backend, BackendOptions, Prompt, Replicas, Request
from harness.backends import open_backend as opened
from harness.backends.base import common_prefix
from harness.backends.replicas.backend import ReplicatedBackend
from harness.common import HarnessError, Sampling, Variant

ROOT = Path(__file__).parents[1]
STEPS = ("model", "lost", "two", "one", "shared+slots", "parallel")
LIMITS = {"model": 150, "lost": 240, "two": 240, "one": 330, "shared": 330, "slots": 280}
LIMITS |= {"parallel": 280, "memory": 580}  # seconds
STRENGTH = 4 * RANK  # of random adapters: the engine's effect check has to see them in 16 bits
SUITES = ("refusal", "json_validity", "instruction_following")
PATIENCE = 90.0  # seconds to wait for the first answer of a replacement
Values = dict[str, Any]


@dataclass(frozen=True)
class Setting:
    """What every step works with: `folder` holds the model and is kept from step to step."""

    folder: Path
    shape: str
    each: int  # requests of a variant
    tokens: int  # of an answer, at most
    prompts: tuple[int, int]  # tokens, shortest and longest
    device: str
    backend: str
    dtype: str

    @property
    def model(self) -> Path:
        return FIXTURE if self.shape == "embedded" else self.folder / "qwen2.5-7b-shape"

    @property
    def variants(self) -> tuple[Variant, ...]:
        model = str(self.model)
        tuned = [Variant(f"lora{n}", model, str(self.folder / f"lora{n}")) for n in range(4)]
        return (Variant("base", model), *tuned)

    def options(self, replicas: Replicas | None = None) -> BackendOptions:
        return BackendOptions(
            self.variants,
            device=self.device,
            dtype=self.dtype,
            cache_dir=self.folder / "cache",
            # The same mode for any number of answers, so that figures compare.
            engine_args={"enforce_eager": True} if self.backend == "vllm" else {},
            replicas=replicas,
        )

    def requests(self, each: int, salt: int) -> list[Request]:
        """Return `each` random prompts for every variant; another salt, other beginnings."""
        draw = random.Random(salt)
        sampling = Sampling(temperature=0, max_new_tokens=self.tokens)
        found = []
        for number in range(each):
            ids = (300 + salt, *(draw.randrange(300, 4000) for _ in range(self.length(draw))))
            prompt = Prompt((), ids, len(ids))
            for variant in self.variants:
                key = f"{salt}-{number}/{variant.name}"
                address = Address(f"{salt}-{number}", variant.name)
                found.append(Request(key, address, variant, prompt, sampling))
        return found

    def length(self, draw: random.Random) -> int:
        return draw.randint(*self.prompts) - 1


@dataclass
class Pass:
    """Answers of one call of `generate`, and when each came (seconds from its beginning)."""

    texts: dict[str, str] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    times: list[float] = field(default_factory=list)
    twice: int = 0

    def facts(self, asked: Sequence[Request]) -> Values:
        lost = [request.key for request in asked if request.key not in self.texts]
        return {
            "requests": len(asked),
            "lost": len(lost) - len(self.errors),
            "errors": list(self.errors.values())[:3],
            "answered_twice": self.twice,
            "seconds": round(self.times[-1], 2),
            "first_answer": round(self.times[0], 2),
            "requests_per_second": round(len(self.texts) / self.times[-1], 2),
        }


def passed(
    backend: Backend, requests: Sequence[Request], look: Callable[[Pass], None] | None = None
) -> Pass:
    """Answer all; `look` sees the pass after each answer."""
    found, begun = Pass(), time.perf_counter()
    for request, done in backend.generate(requests):
        found.times.append(time.perf_counter() - begun)
        found.twice += request.key in found.texts
        if done.error:
            found.errors[request.key] = done.error
        else:
            found.texts[request.key] = done.text
        if look:
            look(found)
    return found


def all_up(backend: ReplicatedBackend) -> bool:
    """Return whether there are replicas, and each of them has answered."""
    return bool(backend._places) and all(place.has_answered for place in backend._places)


@contextmanager
def replicas(setting: Setting, told: Replicas, answers: int) -> Iterator[tuple[Any, Values]]:
    """Start replicas, all of them: each has answered; yield them with what the start took."""
    begun = time.perf_counter()
    backend = opened(setting.backend, setting.options(told))
    assert isinstance(backend, ReplicatedBackend)
    backend.expect(answers)
    try:
        rounds = 0
        first = 0.0
        while not all_up(backend):
            if any(place.given_up for place in backend._places):
                raise RuntimeError(f"not all replicas came up: {'; '.join(backend.notes)}")
            passed(backend, setting.requests(4 * (told.count or 1), salt=100 + rounds))
            first = first or time.perf_counter() - begun
            rounds += 1
        start = time.perf_counter() - begun
        yield backend, {"first_answers_after": round(first, 1), "start": round(start, 1)}
        print(*backend.notes, dict(backend.execution()), sep="\n", flush=True)
    finally:
        backend.close()


def scaled(setting: Setting, count: int) -> Values:
    """Time the requests with this many replicas, and keep the answers."""
    requests = setting.requests(setting.each, salt=0)
    with replicas(setting, Replicas(count), len(requests)) as (backend, start):
        found = passed(backend, requests)
        facts = {**start, **found.facts(requests), "execution": dict(backend.execution())}
    (setting.folder / f"answers-{count}.json").write_text(json.dumps(found.texts))
    both = found.facts(requests)["seconds"] + start["start"]
    facts["requests_per_second_with_start"] = round(len(requests) / both, 2)
    return facts


def killed(backend: ReplicatedBackend, setting: Setting, requests: Sequence[Request]) -> Values:
    """Answer the requests; end a replica at work with SIGKILL after a fifth of the answers."""
    seen: Values = {}

    def look(found: Pass) -> None:
        now = time.perf_counter()
        if "killed" not in seen:
            if len(found.times) >= len(requests) // 5:
                place = next(p for p in backend._places if p.commands and p.hello)
                assert place.hello is not None
                pid = place.hello.pid
                seen.update(killed=now, killed_at=found.times[-1], place=place, pid=pid)
                os.kill(pid, signal.SIGKILL)
            return
        hello = seen["place"].hello
        if "noticed" not in seen and (hello is None or hello.pid != seen["pid"]):
            seen["noticed"] = now
        if "up" not in seen and hello is not None and hello.pid != seen["pid"]:
            seen["up"] = now
        if "up" in seen and "answered" not in seen and seen["place"].has_answered:
            seen["answered"] = now

    facts = passed(backend, requests, look).facts(requests)
    until = time.perf_counter() + PATIENCE  # the other one may have been faster than the new one
    while "answered" not in seen and time.perf_counter() < until:
        more = setting.requests(64, salt=200 + facts.setdefault("further_passes", 0))
        passed(backend, more, look)
        facts["further_passes"] += 1
    facts["notes"] = [note for note in backend.notes if "was lost" in note]
    facts["killed_at"] = round(seen["killed_at"], 2)
    for name in ("noticed", "up", "answered"):  # null: not within the patience
        after = round(seen[name] - seen["killed"], 2) if name in seen else None
        facts[f"{name}_after_kill"] = after
    return facts


def lost(setting: Setting) -> Values:
    """End one of two replicas in the middle."""
    requests = setting.requests(max(2, setting.each // 3), salt=1)
    with replicas(setting, Replicas(2), len(requests)) as (backend, start):
        return {**start, **killed(backend, setting, requests)}


def shared(setting: Setting) -> Values:
    """Let two replicas share a GPU, and end one; what is used of it is what nvidia-smi says."""
    requests = setting.requests(max(2, setting.each // 5), salt=2)
    told = Replicas(2, gpus=0.5 if setting.device == "cuda" else None)
    with replicas(setting, told, len(requests)) as (backend, start):
        found = passed(backend, requests)
        used = ""
        with suppress(OSError):
            query = ["nvidia-smi", "--query-gpu=index,memory.used,memory.total", "--format=csv"]
            used = subprocess.run(query, capture_output=True, text=True, timeout=20).stdout
        facts = {**start, **found.facts(requests), "execution": dict(backend.execution())}
        facts["nvidia_smi"] = used.splitlines()
        facts["killed"] = killed(backend, setting, setting.requests(max(2, setting.each // 5), 3))
    return facts


def parallel(setting: Setting) -> Values:
    """Run three starter suites with one engine, and with one tensor parallel replica on Ray."""
    folder = setting.folder / "parallel"
    folder.mkdir(exist_ok=True)
    (folder / "harness.toml").write_text(f'model = "{FIXTURE}"\n[ray]\nplacement = "strict_pack"\n')
    ray = [sys.executable, "-m", "ray.scripts.scripts"]
    head = ["start", "--head", "--port=6399", "--include-dashboard=false", "--disable-usage-stats"]
    words = [sys.executable, "-m", "harness", "run", "--backend=vllm", f"--model={FIXTURE}"]
    words += [str(ROOT / f"suites/starter/{name}.yaml") for name in SUITES]
    words += [f"--adapter={n}={ROOT}/fixtures/adapters/{n}" for n in ("repaired", "forgetful")]
    more = ["--engine-arg=tensor_parallel_size=2"] if setting.device == "cuda" else []
    more += ["--replicas=1", "--ray=127.0.0.1:6399"]
    facts: Values = {}
    rows: dict[str, Values] = {}
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{os.environ.get('PYTHONPATH', '')}"}
    # On loopback alone; a cluster of one node.
    environment["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
    subprocess.run([*ray, *head], check=True, timeout=60, env=environment)
    try:
        for name, extra in (("one engine", []), ("replica", more)):
            out = folder / name.replace(" ", "-")
            begun = time.perf_counter()
            where = [f"--report-dir={out}", f"--store={out}/store.db"]
            done = subprocess.run([*words, *extra, *where], cwd=folder, env=environment)
            card = json.loads((out / "latest/scorecard.json").read_text())
            rows[name] = {f"{c['suite']}/{c['variant']}": c["passed"] for c in card["categories"]}
            facts[name] = {
                "seconds": round(time.perf_counter() - begun, 1),
                "exit": done.returncode,
                "execution": card["run"]["execution"],
            }
    finally:
        subprocess.run([*ray, "stop", "--force"], timeout=60, env=environment)
    facts["passed"] = rows
    facts["the same"] = rows["one engine"] == rows["replica"]
    return facts


def slots(setting: Setting) -> Values:
    """Ask a warm engine with two slots for two adapters while others are added, both ways.

    0.25 keeps the rows of slots as they were while the batch stays the same, also where an added
    adapter has moved those in use to other slots: so adapters are added all through the answers.
    """
    from harness.backends.vllm.backend import VllmBackend
    from harness.backends.vllm.server import backend as serving
    from harness.backends.vllm.server.home import Home, end
    from harness.backends.vllm.server.starting import start

    spare = 1 if setting.device == "cpu" else 0
    rounds, each, count = 2, 20, max(4, setting.each // 5)
    folder = setting.folder / "slots"
    folder.mkdir(exist_ok=True)
    names = [f"a{n}" for n in range(2 + each * rounds)]
    for number, name in enumerate(names):
        if not (folder / name).exists():
            random_adapter(folder / name, FIXTURE, 50 + number, STRENGTH)
    tuned = [Variant(name, str(FIXTURE), str(folder / name)) for name in names]
    base = Variant("base", str(FIXTURE))
    draw, sampling = random.Random(5), Sampling(temperature=0, max_new_tokens=setting.tokens)
    prompts = [tuple(draw.randrange(300, 4000) for _ in range(40)) for _ in range(count)]

    def asked(variants: Sequence[Variant]) -> list[Request]:
        return [
            Request(
                f"{number}/{variant.name}",
                Address(str(number), variant.name),
                variant,
                Prompt((), ids, len(ids)),
                sampling,
            )
            for number, ids in enumerate(prompts)
            for variant in variants
        ]

    def options(variants: Sequence[Variant], **arguments: int) -> BackendOptions:
        told = {"max_lora_rank": RANK, "enforce_eager": True, **arguments}
        return BackendOptions(tuple(variants), cache_dir=folder / "cache", engine_args=told)

    # What each answers where all have slots and one is asked after the other.
    right: dict[str, str] = {}
    few = [base, *tuned[:4]]
    plain = opened("vllm", options(few, max_loras=4 + spare))
    for variant in few:
        right |= passed(plain, asked([variant])).texts
    again = passed(plain, asked(few)).texts
    plain.close()
    facts: Values = {
        "adapters": len(tuned),
        "slots": 2,
        "mixed in one engine with enough slots, equal": share(right, again),
    }

    def judged(found: Mapping[str, str]) -> Values:
        """Say how many answers are the adapter's own, and how many those of another one."""
        others = 0
        for key, text in found.items():
            number, _, name = key.partition("/")
            if text != right[key]:
                theirs = (right[f"{number}/{v.name}"] for v in few if v.name != name)
                others += text in theirs
        own = sum(text == right[key] for key, text in found.items())
        return {"answers": len(found), "own": own, "of another adapter or the base": others}

    slots = {"max_loras": 2 + spare, "max_cpu_loras": 2 + spare}
    warm = start(options([base], **slots), 600.0, lambda _: None)
    home = Home(folder / "cache")

    def add(variants: Sequence[Variant], said: list[str], stop: threading.Event) -> None:
        """Add one adapter after the other while answers are under way."""
        planner = VllmBackend(options([base, *variants]))
        for variant in variants:
            if stop.wait(0.1):
                return
            named = planner.fingerprint(variant).adapter, Path(str(variant.adapter))
            try:
                serving.load_adapters(warm, home, [named])
                said.append("added")
            except HarnessError as error:
                said.append(str(error.problems[0].found))

    try:
        told = options([base, *tuned[:2]])
        asking = serving.WarmBackend(warm, VllmBackend(told), told)
        facts["alone on the warm engine"] = judged(passed(asking, asked(tuned[:2])).texts)
        for name in ("guard", "no guard"):
            if name == "no guard":
                setattr(serving, "adds_safely", lambda text, *, is_cpu: True)  # noqa: B010 - a name that it imports
            facts[name] = []
            for number in range(rounds):
                said: list[str] = []
                stop = threading.Event()
                mine = tuned[2 + each * number : 2 + each * (number + 1)]
                thread = threading.Thread(target=add, args=(mine, said, stop))
                thread.start()
                begun = time.perf_counter()
                try:
                    row = judged(passed(asking, asked(tuned[:2])).texts)
                except HarnessError as error:  # its own checks see that something is wrong
                    row = {"refused": str(error.problems[0])}
                stop.set()
                thread.join()
                row["seconds"] = round(time.perf_counter() - begun, 2)
                row["meanwhile"] = {text: said.count(text) for text in said}
                facts[name].append(row)
    finally:
        end(folder / "cache")
    return facts


def memory(setting: Setting) -> Values:
    """Run the suites of bench.large_run on two replicas whose engine answers at once."""
    facts: Values = {}
    with sleeping():
        for answers in (10_000, 40_000):
            folder = setting.folder / f"memory-{answers}"
            folder.mkdir()
            write(folder, answers * VARIANTS)  # for as many answers of one variant
            (folder / "base").mkdir()
            (folder / "harness.toml").write_text(
                'suites = ["suites"]\nmodel = "base"\nbackend = "sleeping"\n'
            )
            words = [sys.executable, "-m", "harness", "run"]
            for kind, more in (("two replicas", ["--replicas=2"]), ("alone", [])):
                taken = timed([*words, f"--store={kind}/store.db", *more], folder)
                facts[f"{answers:,} answers, {kind}"] = {
                    "seconds": round(taken.seconds, 1),
                    "megabytes": round(taken.memory),
                }
    return facts


def share(one: Mapping[str, str], other: Mapping[str, str]) -> float | None:
    """Return the share of equal answers among those that both have; None without any."""
    keys = one.keys() & other.keys()
    return round(sum(one[key] == other[key] for key in keys) / len(keys), 4) if keys else None


def make(setting: Setting) -> Values:
    """Write what is not there yet, and hash it as every run does once."""
    begun = time.perf_counter()
    if setting.shape != "embedded" and not setting.model.exists():
        dummy_model(setting.folder)
        fill(setting.model, setting.device)
    for number, variant in enumerate(setting.variants[1:]):
        if not Path(variant.adapter or "").exists():
            random_adapter(Path(variant.adapter or ""), setting.model, number, STRENGTH)
    written = time.perf_counter() - begun
    planner = opened(setting.backend, setting.options())
    for variant in setting.variants:
        planner.fingerprint(variant)
    return {"written": round(written, 1), "hashed": round(time.perf_counter() - begun - written, 1)}


def compared(setting: Setting, results: Values) -> Values:
    """Return what one and two replicas say of each other."""
    files = [setting.folder / f"answers-{count}.json" for count in (1, 2)]
    if not all(file.exists() for file in files) or not {"one", "two"} <= results.keys():
        return {}
    one, two = (json.loads(file.read_text()) for file in files)
    first, second = results["one"], results["two"]
    if "error" in first or "error" in second:
        return {}
    begins = [
        common_prefix(one[k].encode(), two[k].encode()) / max(1, len(one[k].encode())) for k in one
    ]
    rate, with_start = "requests_per_second", "requests_per_second_with_start"
    return {
        "efficiency": round(second[rate] / first[rate] / 2, 3),
        "efficiency_with_start": round(second[with_start] / first[with_start] / 2, 3),
        "equal_answers": share(one, two),
        "mean_share_of_an_answer_before_it_differs": round(sum(begins) / len(begins), 4),
    }


def main() -> None:
    """Run one step in this process, or each in its own."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--folder", type=Path, help="for the model; OUT/work otherwise")
    parser.add_argument("--shape", choices=("7b", "embedded"), default="7b")
    parser.add_argument("--each", type=int, default=2000, help="requests of each variant")
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--prompt", type=int, nargs=2, default=(180, 520))
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda")
    parser.add_argument("--backend", choices=("vllm", "hf"), default="vllm")
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--steps", nargs="+", default=STEPS)
    parser.add_argument("--step", help="this one, here")
    told = parser.parse_args()
    folder = (told.folder or told.out / "work").resolve()
    folder.mkdir(parents=True, exist_ok=True)
    told.out.mkdir(parents=True, exist_ok=True)
    setting = Setting(
        folder,
        told.shape,
        told.each,
        told.tokens,
        tuple(told.prompt),
        told.device,
        told.backend,
        told.dtype,
    )
    own: dict[str, Callable[[], Values]] = {
        "model": lambda: make(setting),
        "lost": lambda: lost(setting),
        "two": lambda: scaled(setting, 2),
        "one": lambda: scaled(setting, 1),
        "shared": lambda: shared(setting),
        "parallel": lambda: parallel(setting),
        "slots": lambda: slots(setting),
        "memory": lambda: memory(setting),
    }
    if told.step:
        print(json.dumps(own[told.step](), default=str), flush=True)
        return
    file = told.out / "results.json"
    results: Values = json.loads(file.read_text()) if file.exists() else {}
    for together in told.steps:
        begun = time.perf_counter()
        running = {}
        for gpu, name in enumerate(together.split("+")):
            words = [sys.executable, "-m", "bench.replicas", *sys.argv[1:], f"--step={name}"]
            alone = {"CUDA_VISIBLE_DEVICES": str(gpu)} if "+" in together or name == "one" else {}
            log = (told.out / f"{name}.log").open("w+")
            running[name] = (
                log,
                subprocess.Popen(
                    words,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    cwd=ROOT,
                    env={**os.environ, "PYTHONUNBUFFERED": "1", **alone},
                    start_new_session=True,
                ),
            )
        for name, (log, process) in running.items():
            try:
                process.wait(max(1.0, LIMITS[name] - (time.perf_counter() - begun)))
                log.seek(0)
                lines = [line for line in log.read().splitlines() if line.strip()]
                results[name] = (
                    json.loads(lines[-1])
                    if process.returncode == 0
                    else {"error": f"exit code {process.returncode}", "said": lines[-12:]}
                )
            except subprocess.TimeoutExpired:
                results[name] = {"error": f"over {LIMITS[name]} s"}
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                log.close()
            results[name]["step_seconds"] = round(time.perf_counter() - begun, 1)
            results["compared"] = compared(setting, results)
            file.write_text(json.dumps(results, indent=1))
            print(name, json.dumps(results[name], default=str)[:1500], flush=True)
    print(json.dumps(results.get("compared")), flush=True)


if __name__ == "__main__":
    main()
