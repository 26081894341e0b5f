"""The folder of a warm engine: who holds it, and what is known of it.

Whether an engine is there is told by a lock that its keeper holds as long as it lives: the system
lets go of it however the keeper ends, and a process id that another program has got by now is never
taken for it.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict, replace
from pathlib import Path

from filelock import FileLock, Timeout

from harness.engine.values import Warm

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
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        self.forget()

    def take(self, patience: float = 0.0) -> FileLock | None:
        """The lock, for a keeper; None where another one holds it. `patience` is in seconds."""
        lock = FileLock(self._lock, mode=0o600)
        try:
            lock.acquire(timeout=patience)
        except Timeout:
            return None
        return lock

    def is_held(self) -> bool:
        """Whether a keeper is alive."""
        if not self._lock.exists():
            return False
        lock = self.take()
        if lock is None:
            return True
        lock.release()
        return False

    def read(self) -> Warm | None:
        """The engine that is there; None without one. What a dead one left is not believed."""
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

    def count_load(self, name: str) -> None:
        """Remember that the server was given an adapter: its place stays taken, come what may."""
        with self._loads.open("a", encoding="utf-8") as file:
            file.write(f"{name}\n")

    def loads(self) -> tuple[str, ...]:
        """The adapters that runs have given to the server, one name for each time."""
        try:
            return tuple(self._loads.read_text(encoding="utf-8").split())
        except OSError:
            return ()


def changed(warm: Warm, **fields: object) -> Warm:
    """The same engine with other facts."""
    return replace(warm, **fields)  # type: ignore[arg-type]  # fields of Warm, as it checks itself
