"""A small part of what a GitHub runner does: steps of an action, run with bash as they stand."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.embedded import ROOT

EXPRESSION = re.compile(r"\$\{\{\s*([a-z_.\-]+)\s*\}\}")


@dataclass
class Runner:
    """Runs the steps of a composite action in a project; `tools` come first on the PATH.

    `used` are the actions of others that a step named, with their inputs: they are not run.
    `ran` are the steps with a script, with exit code and output.
    """

    project: Path
    tools: Path
    inputs: Mapping[str, str] = field(default_factory=dict)
    github: Mapping[str, str] = field(default_factory=dict)
    used: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    ran: dict[str, tuple[int, str]] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)

    def run(self, action: Path) -> int:
        """Run all steps that their conditions let run; return the job's exit code."""
        whole = yaml.safe_load(action.read_text(encoding="utf-8"))
        given = {name: str(each.get("default", "")) for name, each in whole["inputs"].items()}
        assert set(self.inputs) <= set(given)
        self.known = {f"inputs.{name}": value for name, value in {**given, **self.inputs}.items()}
        self.known |= {f"github.{name}": value for name, value in self.github.items()}
        self.known |= {"runner.os": "Linux", "runner.temp": str(self.tools)}
        failed = 0
        self.steps = whole["runs"]["steps"]
        for step in self.steps:
            condition = step.get("if", "")
            if (failed and "always()" not in condition) or not self.holds(condition):
                continue
            if "uses" in step:
                values = {k: self.filled(str(v)) for k, v in step.get("with", {}).items()}
                self.used.append((step["uses"], values))
                continue
            code, out = self.script(step)
            self.ran[step["name"]] = (code, out)
            failed = failed or code
        for name, each in whole["outputs"].items():
            self.outputs[name] = self.filled(each["value"])
        return failed

    def script(self, step: Mapping[str, Any]) -> tuple[int, str]:
        """Run one script in bash, as a runner does, and read the outputs that it wrote."""
        assert "${{" not in step["run"], "an expression in a script is code from outside"
        folder = self.project / self.filled(step.get("working-directory", "."))
        told, job = self.tools / "output", self.tools / "job-summary"
        told.write_text("")
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", step["run"]],
            cwd=folder,
            env={
                **os.environ,
                **{name: self.filled(value) for name, value in step.get("env", {}).items()},
                "PATH": os.pathsep.join([str(self.tools), os.environ["PATH"]]),
                "PYTHONPATH": str(ROOT),
                "GITHUB_ACTION_PATH": str(ROOT),
                "GITHUB_OUTPUT": str(told),
                "GITHUB_STEP_SUMMARY": str(job),
                "GITHUB_WORKSPACE": str(self.project),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for line in told.read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition("=")
            self.known[f"steps.{step.get('id')}.outputs.{name}"] = value
        return done.returncode, done.stdout

    def filled(self, text: str) -> str:
        """Return a text with what its expressions stand for; one that is not known is empty."""
        return EXPRESSION.sub(lambda found: self.known.get(found.group(1), ""), text)

    def holds(self, condition: str) -> bool:
        """Return whether a condition of comparisons joined by && holds."""
        for term in filter(None, condition.split(" && ")):
            if term == "always()":
                continue
            left, sign, right = term.split(" ")
            equal = self.known.get(left, "") == right.strip("'")
            if equal is not (sign == "=="):
                return False
        return True


def stand_in(folder: Path, name: str, python: str) -> None:
    """Write a program for the PATH: a script of Python, with its arguments in `words`."""
    path = folder / name
    head = f"#!{sys.executable}\nimport json, os, pathlib, sys\nwords = sys.argv[1:]\n"
    path.write_text(f"{head}here = pathlib.Path({str(folder)!r})\n{python}\n")
    path.chmod(0o755)
