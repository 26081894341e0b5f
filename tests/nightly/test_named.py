"""What `nightly.yaml` names and is not there: said with its place, before a night begins."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.cli import main
from tests.nightly.conftest import ALL, answers

HEAD = "suites: [suites/colours.yaml]\n"
NO_MODEL = "  hint: give the directory with config.json and *.safetensors"
NO_ADAPTER = "  hint: give the directory with adapter_config.json and adapter_model.safetensors"


def said(capsys: pytest.CaptureFixture[str], text: str, *options: str) -> str:
    Path("nightly.yaml").write_text(text)
    assert main(["nightly", "nightly.yaml", *options]) == 2
    assert not Path(".harness/store.db").exists()  # no night is recorded
    return capsys.readouterr().err.rstrip("\n")


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("suites: [nope]\n", "nightly.yaml:1:10: no such file or folder: nope"),
        (HEAD + "adapters: [nope/*]\n", "nightly.yaml:2:12: no directory matches 'nope/*'"),
        (
            HEAD + "pinned: nope.json\n",
            "nightly.yaml:2:9: nope.json: cannot read the baseline: No such file or directory",
        ),
        (
            HEAD + "baseline: nope.json\n",
            "nightly.yaml:2:11: nope.json: cannot read the baseline: No such file or directory",
        ),
        (
            HEAD + "variants:\n  new: {suites: [suites/colors.yaml]}\n",
            "nightly.yaml:3:18: no such file or folder: suites/colors.yaml\n"
            "  did you mean: suites/colours.yaml",
        ),
        (
            HEAD + "variants:\n  new: {chat_template: t.jinja}\n",
            "nightly.yaml:3:24: t.jinja: there is no such chat template\n"
            "  expected: a Jinja file, such as chat_template.jinja",
        ),
        (
            HEAD + "baseline: latest:base\n",
            "nightly.yaml:2:11: the baseline of a night cannot be `latest`: "
            "that is another run each time\n"
            "  found: latest:base\n"
            "  hint: name the run by its id, or save it as a file: harness baseline save",
        ),
        (
            HEAD + "variants: {new: {}}\nbaseline: nev\n",
            "nightly.yaml:3:11: baseline 'nev' names no variant of this run, and no earlier run\n"
            "  expected: one of base, new; a run (`harness runs` lists them); FILE.json\n"
            "  did you mean: new",
        ),
    ],
)
def test_what_is_not_there_has_its_place(
    capsys: pytest.CaptureFixture[str], text: str, message: str
) -> None:
    assert said(capsys, text) == message


@pytest.fixture
def from_disk(project: Path) -> None:
    """An engine that reads models and adapters from directories; it is never started."""
    (project / "harness.toml").write_text('backend = "hf"\n')
    (project / "empty").mkdir()


@pytest.mark.usefixtures("from_disk")
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model: nope\n", f"nightly.yaml:1:8: nope: there is no such model\n{NO_MODEL}"),
        (
            "adapters: [a=nope]\n",
            f"nightly.yaml:1:12: nope: there is no such adapter directory\n{NO_ADAPTER}",
        ),
        (
            "variants:\n  a: {adapter: empty}\n",
            "nightly.yaml:2:16: empty: is no adapter: adapter_config.json is missing\n"
            "  hint: give the directory that peft's save_pretrained wrote",
        ),
    ],
)
def test_weights_that_are_not_there_have_their_place(
    capsys: pytest.CaptureFixture[str], text: str, message: str
) -> None:
    assert said(capsys, text + HEAD) == message


@pytest.mark.usefixtures("from_disk")
def test_all_of_a_file_is_said_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    text = "model: nope\nsuites: [gone]\nadapters: [no/*, a=nope]\npinned: none.json\n"
    places = [line.partition(": ")[0] for line in said(capsys, text).splitlines()]

    assert [place for place in places if place.startswith("nightly")] == [
        "nightly.yaml:1:8",
        "nightly.yaml:2:10",
        "nightly.yaml:3:12",
        "nightly.yaml:3:18",
        "nightly.yaml:4:9",
    ]


@pytest.mark.usefixtures("project")
def test_where_adapters_are_names_none_has_to_be_there() -> None:
    answers(base=ALL, a=ALL)
    Path("nightly.yaml").write_text(HEAD + "model: any\nadapters: [a=nope]\n")

    assert main(["nightly", "nightly.yaml"]) == 0


def test_paths_are_relative_to_the_file_that_says_them(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("jobs").mkdir()
    Path("jobs/adapters/two").mkdir(parents=True)
    text = "name: jobs\nsuites: [../suites/colours.yaml]\nadapters: [adapters/*]\n"
    Path("jobs/nightly.yaml").write_text(text + "alerts: {markdown: alert.md}\n")
    answers(base=ALL, two=ALL)

    assert main(["nightly", "jobs/nightly.yaml"]) == 0
    assert Path("jobs/alert.md").is_file()

    Path("jobs/nightly.yaml").write_text(text.replace("../", "") + "pinned: saved.json\n")
    assert main(["nightly", "jobs/nightly.yaml"]) == 2
    assert capsys.readouterr().err == (
        "jobs/nightly.yaml:2:10: no such file or folder: jobs/suites/colours.yaml\n"
        "jobs/nightly.yaml:4:9: jobs/saved.json: cannot read the baseline: "
        "No such file or directory\n"
        "2 problems\n"
    )


def test_a_night_is_the_same_from_another_folder(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["nightly", "nightly.yaml"]) == 0
    Path("jobs").mkdir()
    monkeypatch.chdir("jobs")

    assert main(["nightly", "../nightly.yaml"]) == 0
    assert [path.name for path in Path().iterdir()] == []
