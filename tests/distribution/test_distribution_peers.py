"""What is published: built, checked, and installed into environments that hold nothing else.

Run with the tools of requirements/distribution.txt on the PATH: `make test-peers`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.embedded import ROOT

pytestmark = pytest.mark.peers
LIGHT = ("ifeval", "metrics", "pandas", "parquet")
OTHER_PYTHONS = ("3.12", "3.13")


def run(*words: object, cwd: Path = ROOT, code: int = 0) -> str:
    """Run a program; return what it prints."""
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(
        [str(word) for word in words], cwd=cwd, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert done.returncode == code, done.stdout
    return done.stdout


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Wheel and sdist, the wheel built out of the sdist, from a copy of what git knows."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("dist")
    for name in run("git", "ls-files").splitlines():
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, source / name)
    run("pyproject-build", "--outdir", out, source)
    return out


@pytest.fixture(scope="session")
def base(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of programs of an environment with the wheel and what it needs."""
    return environment(built, tmp_path_factory.mktemp("base"), ())


def environment(built: Path, folder: Path, extras: Sequence[str]) -> Path:
    """Make an empty environment and install the wheel with extras; return its programs."""
    run(sys.executable, "-m", "venv", folder)
    (wheel,) = built.glob("*.whl")
    named = f"{wheel}[{','.join(extras)}]" if extras else str(wheel)
    run(folder / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check", named)
    return folder / "bin"


def test_both_files_are_as_the_index_wants_them(built: Path) -> None:
    files = sorted(path.name for path in built.iterdir())

    assert [name.partition("-")[0] for name in files] == ["lora_regression_harness"] * 2
    assert run("twine", "check", "--strict", *built.iterdir()).count("PASSED") == 2


def test_the_wheel_holds_all_that_is_no_code_and_nothing_else(built: Path) -> None:
    (wheel,), (source,) = built.glob("*.whl"), built.glob("*.tar.gz")
    names = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("harness/")}
    tracked = run("git", "ls-files", "harness").splitlines()

    assert sorted(names) == sorted(tracked)
    assert "harness/py.typed" in names
    with tarfile.open(source) as archive:
        kept = {name.partition("/")[2] for name in archive.getnames()}
    assert set(tracked) <= kept


def test_the_base_alone_starts_gates_and_says_what_an_extra_is_for(
    base: Path, tmp_path: Path
) -> None:
    project = tmp_path / "project"
    shutil.copytree(ROOT / "website" / "recorded", project)
    harness = base / "harness"

    assert "may this adapter replace" in run(harness, "--help").lower()
    run(harness, "init", "fresh", cwd=tmp_path)
    run(harness, "validate", cwd=tmp_path / "fresh")
    said = run(harness, "score", "--responses=answers.jsonl", cwd=project, code=1)
    assert "REGRESSED" in said
    wanted = run(harness, "checks", "bleu", cwd=project, code=2)
    assert "pip install" in wanted and "lora-regression-harness[metrics]" in wanted
    lean = "import sys, harness; print('torch' in sys.modules)"
    assert run(base / "python", "-c", lean) == "False\n"


def test_the_light_extras_are_installed_and_run(built: Path, tmp_path: Path) -> None:
    programs = environment(built, tmp_path / "extras", LIGHT)
    project = tmp_path / "project"
    shutil.copytree(ROOT / "website" / "recorded", project)
    harness = programs / "harness"
    lower = "{ifeval: {id: 'change_case:english_lowercase', mode: compat}}"
    (project / "more.yaml").write_text(
        "suite: more\ncategory: c\ncases:\n"
        "  - {id: m, user: hi, checks: [{chrf: {reference: hi there, min: 0.5}}]}\n"
        f"  - {{id: i, user: hi, checks: [{lower}]}}\n"
    )
    answers = '{"case": "m", "response": "hi there"}\n{"case": "i", "response": "hi there"}\n'
    (project / "more.jsonl").write_text(answers)

    said = run(harness, "score", "more.yaml", "--responses=more.jsonl", cwd=project)
    assert "2/2" in said
    run(harness, "export", "latest", "--to=parquet", cwd=project)
    frame = "import harness; print(len(harness.load_run('latest').to_frame()))"
    assert run(programs / "python", "-c", frame, cwd=project) == "2\n"


@pytest.mark.parametrize("python", OTHER_PYTHONS)
def test_the_lock_resolves_for_other_pythons(python: str) -> None:
    """They are not run here: docs/limits.md says so, and .github/workflows/ci.yml runs them."""
    told = run("uv", "pip", "compile", "--quiet", "--no-header", "--no-annotate",
               f"--python-version={python}", "--override=requirements/without.txt",
               "requirements/test.in")  # fmt: skip

    assert "pydantic==" in told and "trl==" in told


def test_vllm_resolves() -> None:
    """On Linux, with the extra alone; it is not installed, as its wheels are for GPUs."""
    told = run("uv", "pip", "compile", "--quiet", "--no-header", "--no-annotate", "--extra=vllm",
               "--python-version=3.11", "--python-platform=x86_64-manylinux_2_28",
               "pyproject.toml")  # fmt: skip

    assert "\nvllm==" in told


@pytest.mark.parametrize("python", OTHER_PYTHONS)
def test_the_types_are_right_for_other_pythons(python: str, tmp_path: Path) -> None:
    told = run(sys.executable, "-m", "mypy", f"--python-version={python}",
               f"--cache-dir={tmp_path}", "harness")  # fmt: skip

    assert told.startswith("Success")


def test_the_container_file_has_no_remark() -> None:
    assert run("hadolint", "Containerfile") == ""


@pytest.mark.parametrize("path", ["pipelines/gate.sh", ".ci/run"])
def test_the_scripts_have_no_remark(path: str) -> None:
    assert run("shellcheck", path) == ""
