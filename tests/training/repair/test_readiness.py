"""What stops a repair stops its dry run too, in the same words, before anything is asked."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.common import InputError
from harness.config import Settings, load_settings
from harness.evaluation import run_suites
from harness.training.repair import FixOptions, dry_run, fix
from tests.backends.tiny import save_model

SUITE = """\
suite: {name}
category: c
gate: {{min_pass_rate: 0.9}}
defaults: {{sampling: {{max_new_tokens: 1}}}}
{fix}
cases:
"""
POOL = "fix: {pools: [pool.jsonl], replay: {share: 0}}"
Refused = Callable[..., str]


def write_suite(name: str, check: str, fix: str = "") -> None:
    lines = [f"  - {{id: {name}-{at:02}, user: q, checks: [{check}]}}\n" for at in range(40)]
    text = SUITE.format(name=name, fix=fix) + "".join(lines)
    Path(f"suites/{name}.yaml").write_text(text)


def write_suites(fix: str = POOL) -> None:
    write_suite("weak", "{equals: Constantinople}", fix)
    write_suite("able", "{not: {equals: Constantinople}}")


@pytest.fixture(scope="module")
def answered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in which a tiny model fails one of two suites; never written to afterwards."""
    folder = tmp_path_factory.mktemp("ready") / "project"
    with pytest.MonkeyPatch.context() as patch:
        (folder / "suites").mkdir(parents=True)
        patch.chdir(folder)
        model = save_model(folder / "model")
        Path("harness.toml").write_text(
            f'suites = ["suites"]\nmodel = {json.dumps(str(model))}\ndevice = "cpu"\n'
        )
        write_suites()
        turns = [{"role": "user", "content": "Say x."}, {"role": "assistant", "content": "x"}]
        Path("suites/pool.jsonl").write_text(json.dumps({"messages": turns}) + "\n")
        run_suites(load_settings(Path()))
    return folder


@pytest.fixture
def project(answered: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, around the working directory."""
    folder = tmp_path / "project"
    shutil.copytree(answered, folder, ignore=shutil.ignore_patterns("model", "reports"))
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def refused(project: Path) -> Refused:
    """What both commands say, which is the same."""

    def told(settings: dict[str, object] | None = None, **options: object) -> str:
        given = load_settings(Path(), settings)
        asked = FixOptions(**options)  # type: ignore[arg-type]  # its fields
        said = []
        for command in (dry_run, fix):
            with pytest.raises(InputError) as caught:
                command(given, asked)
            said.append(str(caught.value))
        assert said[0] == said[1]
        return said[0]

    return told


def test_a_dry_run_of_a_repair_that_is_ready(project: Path) -> None:
    plan = dry_run(load_settings(Path()), FixOptions())

    assert plan is not None
    assert [source.kept for source in plan.sources] == [1]


def test_a_device_that_is_not_there(refused: Refused) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    assert refused({"device": "cuda"}) == (
        f"device 'cuda': torch {torch.__version__} sees no GPU\n"
        "  hint: use --device auto or --device cpu"
    )


def test_a_device_that_only_the_suite_names(refused: Refused) -> None:
    write_suites("fix: {pools: [pool.jsonl], replay: {share: 0}, train: {dtype: float7}}")

    assert refused() == (
        "dtype 'float7' is not known\n"
        "  expected: auto, float32, bfloat16, float16\n"
        "  did you mean: float32\n"
        "  hint: say dtype: auto"
    )


@pytest.mark.parametrize("backend", ["echo", "openai"])
def test_an_engine_that_loads_no_adapter(refused: Refused, backend: str) -> None:
    assert refused({"backend": backend}) == (
        f"backend '{backend}' cannot answer with an adapter that is trained here\n"
        "  hint: add --backend hf or --backend vllm"
    )


@pytest.mark.parametrize(
    ("lora", "said"),
    [
        ("{dora: true}", "lora.dora: vLLM loads no DoRA adapters\n  hint: the backend hf does, "),
        (
            "{rank: 32, init: pissa}",
            "lora.rank: vLLM serves rank 32 at most, and this one has 64\n  hint: the backend",
        ),
    ],
)
def test_an_adapter_that_the_engine_will_never_load(
    refused: Refused, lora: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("vllm", reason="the backend vllm is not installed")
    monkeypatch.setattr("harness.training.sft.demands.SERVED_RANKS", (8, 16, 32))
    write_suites(f"fix: {{pools: [pool.jsonl], replay: {{share: 0}}, train: {{lora: {lora}}}}}")

    assert refused({"backend": "vllm"}).startswith(said)


def test_a_block_without_a_source(refused: Refused) -> None:
    write_suites("fix: {}")

    assert refused() == (
        "suites/weak.yaml:1: suite 'weak': nothing under fix: would teach anything\n"
        "  expected: pools or generate, or --bad-cases\n"
        "  hint: fix: {pools: [rows.jsonl]} is the least (docs/repair.md)\n"
        "nothing to replay: no pool is named, and no other suite makes prompts of its own\n"
        "  expected: rows of what the model can do, against forgetting\n"
        "  hint: name pools under fix: {replay: {pools: [...]}}, or set its share to 0"
    )


def test_a_suite_without_anything_to_replay(refused: Refused) -> None:
    write_suites("fix: {pools: [pool.jsonl], replay: {share: 0.9}}")

    assert refused() == (
        "nothing to replay: no pool is named, and no other suite makes prompts of its own\n"
        "  expected: rows of what the model can do, against forgetting\n"
        "  hint: name pools under fix: {replay: {pools: [...]}}, or set its share to 0"
    )


def test_a_place_that_cannot_be_written(project: Path, refused: Refused) -> None:
    assert refused(current=Path("harness.toml/current")) == (
        "harness.toml: nothing can be written here\n"
        "  found: harness.toml: not a directory\n"
        "  hint: name another place for the link: --current PATH"
    )


def test_a_file_of_bad_cases_that_is_not_there(refused: Refused) -> None:
    assert refused(bad_cases=Path("bad.jsonl")) == "bad.jsonl: there is no such file of bad cases"


def test_a_teacher_whose_engine_cannot_be_opened(project: Path, refused: Refused) -> None:
    with Path("harness.toml").open("a") as file:
        file.write('[teachers.big]\nbackend = "replay"\n')
    write_suites("fix: {pools: [pool.jsonl], replay: {share: 0}, teacher: {name: big}}")

    assert refused() == (
        "backend 'replay' needs recorded answers\n  hint: add --responses FILE.jsonl"
    )


def test_a_run_of_recorded_answers_has_no_model(project: Path, refused: Refused) -> None:
    rows = [
        {"case": f"{suite}-{at:02}", "response": "blue"}
        for suite in ("weak", "able")
        for at in range(40)
    ]
    Path("answers.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    recorded = {"backend": "replay", "responses": Path("answers.jsonl")}
    report = run_suites(load_settings(Path(), recorded))

    assert refused() == (
        f"run {report.info.id} has no model that could be trained\n"
        "  found: answers that no model gave (backend replay)\n"
        "  hint: run the same suites with --model M, and fix that run"
    )


def test_a_model_that_is_gone(project: Path, answered: Path, refused: Refused) -> None:
    settings = load_settings(Path())
    shutil.copytree(answered / "model", "moved")
    run_suites(Settings(**{**dict(settings), "model": "moved"}))
    shutil.rmtree("moved")

    assert refused() == (
        "moved: there is no such model\n"
        "  hint: run the same suites with --model M, and fix that run"
    )


def test_a_variant_with_a_chat_template_of_its_own(
    project: Path, answered: Path, refused: Refused
) -> None:
    shutil.copy(answered / "model" / "chat_template.jinja", "own.jinja")
    with Path("harness.toml").open("a") as file:
        file.write('[variants.templated]\nchat_template = "own.jinja"\n')
    run_suites(load_settings(Path()))

    assert refused(variant="templated") == (
        "variant 'templated' has a chat template of its own, and an adapter is trained with the "
        "model's\n"
        "  found: own.jinja\n"
        "  hint: put that template into the model's directory, and run without it"
    )
