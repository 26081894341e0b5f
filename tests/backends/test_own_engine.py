"""The engine of docs/backends.md, as it stands there: installed, checked and run."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from harness.backends import (
    PLAIN,
    BackendOptions,
    Completion,
    Environment,
    Prompt,
    Rendering,
    Request,
    check_backend,
    open_backend,
)
from harness.backends.echo import EchoBackend
from harness.backends.hf import open_hf
from harness.common import InputError, Messages, Variant
from harness.config import Settings
from harness.evaluation import variants_of

PAGE = Path(__file__).parents[2] / "docs/backends.md"
SHOUT = "import json, sys; print(json.load(sys.stdin)['messages'][-1]['content'].upper())"
BASE = Variant("base", "my-model")


def blocks(language: str) -> list[str]:
    """The code blocks of the page."""
    found: list[str] = re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(), re.DOTALL)
    return found


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The page's package, as pip would have installed it."""
    engine, test = blocks("python")
    declared = next(text for text in blocks("toml") if "entry-points" in text)
    entries = tomllib.loads(declared)["project"]["entry-points"]["harness.backends"]
    site = tmp_path / "site"
    metadata = site / "command_engine-1.0.dist-info"
    metadata.mkdir(parents=True)
    (site / "command_engine.py").write_text(engine)
    (site / "test_command_engine.py").write_text(test)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: command-engine\nVersion: 1\n")
    lines = [f"{name} = {target}\n" for name, target in entries.items()]
    (metadata / "entry_points.txt").write_text("[harness.backends]\n" + "".join(lines))
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setenv("PYTHONPATH", str(site))
    monkeypatch.delitem(sys.modules, "command_engine", raising=False)
    return site


def test_it_runs_by_its_name(site: Path, tmp_path: Path) -> None:
    (tmp_path / "harness.toml").write_text('suites = ["suites"]\n')
    (tmp_path / "suites").mkdir()
    (tmp_path / "suites/loud.yaml").write_text(
        "suite: loud\ncategory: instruction_following\ncases:\n"
        "  - {id: hello, user: Say hello., checks: [{contains: HELLO}]}\n"
    )
    program = json.dumps([sys.executable, "-c", SHOUT])

    done = subprocess.run(
        [
            *(sys.executable, "-m", "harness", "run", "--backend", "command"),
            *("--model", "my-model", "--engine-arg", f"program={program}"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert done.returncode == 0, done.stderr
    card = json.loads((tmp_path / "reports/latest/scorecard.json").read_text())
    assert card["categories"][0]["pass_rate"] == 1.0
    assert card["run"]["execution"]["program"].startswith(sys.executable)


def test_the_page_s_test_of_it_holds(site: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(site)],
        cwd=site,
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert "1 passed" in done.stdout, done.stdout


def test_what_it_declares_is_asked_before_it_is_opened(site: Path, tmp_path: Path) -> None:
    settings = Settings(
        root=tmp_path, backend="command", model="my-model", adapter=("new=served-name",)
    )

    assert [variant.adapter for variant in variants_of(settings)] == [None, "served-name"]
    with pytest.raises(InputError) as caught:
        variants_of(settings.model_copy(update={"responses": Path("answers.jsonl")}))
    assert str(caught.value) == (
        "--responses names recorded answers, and backend 'command' makes its own\n"
        "  hint: add --backend replay, or use `harness score`"
    )


def test_wrong_options_of_it_are_input_errors(site: Path) -> None:
    with pytest.raises(InputError) as caught:
        open_backend("command", BackendOptions((BASE,)))

    assert str(caught.value) == (
        "command: 'program' is wrong\n  found: None\n"
        "  expected: a list: the program and its arguments"
    )


def test_the_built_in_engines_keep_the_rules(tiny: Path, adapters: tuple[Path, Path]) -> None:
    variants = (Variant("base", str(tiny)), Variant("one", str(tiny), str(adapters[0])))
    options = BackendOptions(variants, device="cpu", engine_args={"threads": 1})

    assert check_backend(open_hf, options) == ()
    assert check_backend(lambda _: EchoBackend(), BackendOptions(variants)) == ()


class Sloppy(EchoBackend):
    """Breaks the rules that its `faults` name."""

    faults: tuple[str, ...] = ()
    opened = 0

    def __init__(self, *faults: str) -> None:
        super().__init__()
        Sloppy.opened += 1
        self.faults, self.number = faults, str(Sloppy.opened)

    @property
    def context_length(self) -> int | None:
        return 50 if "long" in self.faults else None

    def environment(self, variant: Variant) -> Environment:
        version = self.number if "environment" in self.faults else "1"
        return Environment("sloppy", version)

    def prompt(self, messages: Messages, variant: Variant, rendering: Rendering = PLAIN) -> Prompt:
        made = super().prompt(messages, variant)
        return replace(made, estimated="exact" not in self.faults)

    def generate(self, requests: Sequence[Request]) -> Iterator[tuple[Request, Completion]]:
        answers = list(super().generate(requests))
        if "lost" in self.faults:
            answers = answers[1:]
        if "twice" in self.faults:
            answers += answers[:1]
        for request, done in answers:
            if "crowd" in self.faults:
                done = replace(done, text=f"{len(requests)}")
            if "silent" in self.faults:
                done = replace(done, finish_reason="error")
            if "endless" in self.faults:
                done = replace(done, completion_tokens=99)
            yield request, done


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("environment", "environment: two backends opened alike say different things"),
        (
            "exact",
            "prompt: without token ids the number of tokens is an estimate, and does not say so",
        ),
        ("lost", "generate: not every request is answered, or others are"),
        ("twice", "generate: a request is answered twice"),
        (
            "crowd",
            "generate: at temperature 0 an answer depends on what else is asked, or on chance",
        ),
        ("silent", 'completion: `error` and finish_reason "error" do not go together'),
        ("endless", "generate: an answer is longer than max_new_tokens"),
        ("long", "generate: a prompt beyond the context is no completion with an error"),
    ],
)
def test_an_engine_that_breaks_a_rule_is_told(fault: str, said: str) -> None:
    assert said in check_backend(lambda _: Sloppy(fault), BackendOptions((BASE,)))


def test_one_that_breaks_none_is_told_nothing() -> None:
    assert check_backend(lambda _: Sloppy(), BackendOptions((BASE,))) == ()
