"""A project of its own around the embedded model: suites, pools, a store, and the command line."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import chdir, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.cli import main

ROOT = Path(__file__).parents[3]
FIX = "  train: {learning_rate: 0.001, batch_size: 16, max_steps: 40}\n"


@dataclass(frozen=True)
class Done:
    """A finished command."""

    code: int
    out: str


@dataclass(frozen=True)
class Workplace:
    """The folder of a project."""

    folder: Path

    @property
    def suite(self) -> Path:
        """The file of the weak suite."""
        return self.folder / "suites" / "starter" / "json_validity.yaml"

    def replace(self, old: str, new: str) -> None:
        """Change the text of the weak suite."""
        text = self.suite.read_text(encoding="utf-8")
        assert old in text
        self.suite.write_text(text.replace(old, new), encoding="utf-8")

    def command(self, *words: str) -> list[str]:
        """A command line of this harness."""
        return [sys.executable, "-m", "harness", *words]

    def run(self, *words: str, timeout: float = 3600) -> Done:
        """Run a command to its end."""
        done = subprocess.run(
            self.command(*words),
            cwd=self.folder,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        return Done(done.returncode, done.stdout + done.stderr)

    def here(self, *words: str) -> Done:
        """Run a command in this process: one that loads no weights is done in a moment."""
        out = io.StringIO()
        with chdir(self.folder), redirect_stdout(out), redirect_stderr(out):
            code = main(words)
        return Done(code, out.getvalue())

    def killed(self, *words: str, when: Callable[[], bool], timeout: float = 3600) -> None:
        """Start a command and kill it, with all its processes, once something has happened."""
        process = subprocess.Popen(
            self.command(*words),
            cwd=self.folder,
            env=environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        end = time.monotonic() + timeout
        while process.poll() is None and not when() and time.monotonic() < end:
            time.sleep(0.2)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def report(self) -> dict[str, Any]:
        """The report of the only repair."""
        (path,) = (self.folder / "reports").glob("fix-*/fix.json")
        read: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return read


def environment() -> dict[str, str]:
    """One thread, as other tests run beside this one, and two would wait for each other; messages
    160 columns wide."""
    path = str(ROOT)
    return {**os.environ, "COLUMNS": "160", "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}


def new_workplace(folder: Path, store: Path | None = None) -> Workplace:
    """A project with the starter suites and their pools; `store` brings answers along."""
    shutil.copytree(ROOT / "suites" / "starter", folder / "suites" / "starter")
    shutil.copytree(ROOT / "fixtures" / "pools", folder / "fixtures" / "pools")
    model = json.dumps(str(ROOT / "fixtures" / "model"))
    (folder / "harness.toml").write_text(f'suites = ["suites/starter"]\nmodel = {model}\n')
    if store is not None:
        (folder / ".harness").mkdir()
        shutil.copy(store, folder / ".harness" / "store.db")
    return Workplace(folder)
