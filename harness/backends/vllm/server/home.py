"""The folder of a warm engine: who holds it, and what is known of it.

Whether an engine is there is told by a lock that its keeper holds as long as it lives: the system
lets go of it however the keeper ends, and a process id that another program has got by now is never
taken for it.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from filelock import FileLock, Timeout

from harness.common import JsonValue, MachineryError, Problem, make_folder

STARTING, READY = "starting", "ready"
KEEPER = "harness.backends.vllm.server.keeper"  # the module whose process keeps an engine


@dataclass(frozen=True, slots=True)
class Warm:
    """A server of vLLM on this machine, kept by a process of ours.

    model, weights, environment: what it answers with (`weights` is the content hash). port, key:
    how it is reached; the key is never printed. keeper, server: process ids. idle: seconds without
    a request after which it ends. slots: adapters that fit beside each other.
    """

    model: str
    weights: str
    environment: Mapping[str, JsonValue]
    max_model_len: int | None
    max_lora_rank: int
    slots: int
    is_cpu: bool
    idle: float
    log: str
    key: str = field(repr=False)
    port: int = 0
    keeper: int = 0
    server: int = 0
    started: str = ""
    stage: str = STARTING

    @property
    def url(self) -> str:
        """Return the base URL of its API."""
        return f"http://127.0.0.1:{self.port}/v1"


FOLDER = "engine"


class Home:
    """`engine/` beside the store; only its owner can look into it."""

    def __init__(self, cache_dir: Path) -> None:
        self.folder = cache_dir / FOLDER
        self.state = self.folder / "state.json"
        self.log = self.folder / "vllm.log"
        self.adapters = self.folder / "adapters"
        self._loads = self.folder / "loads"
        self._lock = self.folder / "lock"

    def make(self) -> None:
        """Make the folder, empty of what an earlier engine left."""
        make_folder(self.folder)
        self.folder.chmod(0o700)
        self.forget()

    def take(self, patience: float = 0.0) -> FileLock | None:
        """Take the lock, for a keeper; None where another holds it. `patience` is in seconds."""
        lock = FileLock(self._lock, mode=0o600)
        try:
            lock.acquire(timeout=patience)
        except Timeout:
            return None
        return lock

    def is_held(self) -> bool:
        """Return whether a keeper is alive."""
        if not self._lock.exists():
            return False
        lock = self.take()
        if lock is None:
            return True
        lock.release()
        return False

    def read(self) -> Warm | None:
        """Return the engine that is there, if any. What a dead one left is not believed."""
        if not self.is_held():
            return None
        try:
            return Warm(**json.loads(self.state.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):  # not written yet, or by another version
            return None

    def write(self, warm: Warm) -> None:
        """Keep what is known, in one step; only the owner can read it: there is a key in it."""
        fresh = self.state.with_suffix(".tmp")
        fresh.unlink(missing_ok=True)
        with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(asdict(warm), file)
        fresh.replace(self.state)

    def forget(self) -> None:
        """Remove what is known of an engine that has ended; its log stays."""
        self.state.unlink(missing_ok=True)
        self._loads.unlink(missing_ok=True)
        shutil.rmtree(self.adapters, ignore_errors=True)

    def loading(self) -> FileLock:
        """Return the lock that a run holds while it adds adapters; to be used with `with`."""
        return FileLock(self.folder / "loads.lock", mode=0o600)

    def count_load(self, name: str) -> None:
        """Remember that the server was given an adapter: its place stays taken, come what may."""
        with self._loads.open("a", encoding="utf-8") as file:
            file.write(f"{name}\n")

    def loads(self) -> tuple[str, ...]:
        """Return the adapters that runs have given to the server, one name for each time."""
        try:
            return tuple(self._loads.read_text(encoding="utf-8").split())
        except OSError:
            return ()


def changed(warm: Warm, **fields: object) -> Warm:
    """Return the same engine with other facts."""
    return replace(warm, **fields)  # type: ignore[arg-type]  # fields of Warm, as it checks itself


_PROCESSES = Path("/proc")  # Linux; elsewhere no engine is found


def holders() -> tuple[Problem, ...]:
    """Find each warm engine of this user on this machine; say how to end it.

    For whoever finds too little memory. A keeper may be gone while it is looked at.
    """
    folders: set[Path] = set()
    for process in _PROCESSES.glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_text(encoding="utf-8").split("\0")
            if KEEPER in words[1:4] and process.stat().st_uid == os.getuid():
                told = words[words.index(KEEPER) + 1]
                folders.add((process / "cwd").resolve().joinpath(told).resolve())
        except (OSError, ValueError, IndexError):
            continue
    problems = []
    for folder in sorted(folders):
        try:
            state = json.loads(Home(folder.parent).state.read_text(encoding="utf-8"))
            model = str(state["model"])
        except (OSError, ValueError, KeyError):  # not written yet
            model = "an engine that is starting"
        store = shlex.quote(str(folder.parent / "store.db"))
        problems.append(
            Problem(
                "a warm engine holds memory on this machine",
                found=f"{model}, kept in {folder}",
                hint=f"harness engine down --store {store}",
            )
        )
    return tuple(problems)


def find_engine(cache_dir: Path) -> Warm | None:
    """Return the warm engine beside a store, if one is up."""
    return Home(cache_dir).read()


def wrong_with_engine(cache_dir: Path) -> str:
    """Return what is wrong with the engine beside a store; empty where it answers, or none is kept.

    One that ended unused, or by `end`, is not kept any more; one that was killed left its state.
    """
    home = Home(cache_dir)
    warm = home.read()
    if warm is None:
        left = home.state.exists() and not home.is_held()
        return "it was killed, or broke" if left else ""
    if warm.stage != READY:
        return "it is still starting"
    import httpx  # a seventh of a second, which most commands need not wait

    try:
        reply = httpx.get(f"http://127.0.0.1:{warm.port}/health", timeout=10.0, trust_env=False)
    except httpx.HTTPError as error:
        return f"it does not answer: {type(error).__name__}"
    return "" if reply.is_success else f"it answers with {reply.status_code}"


_PATIENCE = 40.0  # the keeper gives the server 20 s, and then kills it
_LOOK = 0.1


def end(cache_dir: Path) -> Warm | None:
    """End the engine that is there, and wait until its memory is free; None where there was none.

    Only a process that holds the engine's lock is told to stop.
    """
    home = Home(cache_dir)
    warm = home.read()
    if warm is None:
        return None
    with suppress(ProcessLookupError):
        os.kill(warm.keeper, signal.SIGTERM)
    until = time.monotonic() + _PATIENCE
    while home.is_held():
        if time.monotonic() > until:
            raise MachineryError(
                Problem(
                    "the warm engine does not end",
                    found=f"process {warm.keeper}",
                    hint=f"kill -9 {warm.keeper}: its server ends with it",
                )
            )
        time.sleep(_LOOK)
    return warm
