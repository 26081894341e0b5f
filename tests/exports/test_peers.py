"""Exports read back by the real MLflow, W&B, Inspect and lm-eval; `make test-peers`.

What they hold is what docs/export.md says, figure by figure.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from harness.cli import main
from harness.exports import TrackedRun
from tests.exports.fields import agree, fields, in_tracker, look_up, names_of
from tests.recorded_project import CONFIGURATION, recorder, write_project

pytestmark = [
    pytest.mark.peers,
    pytest.mark.filterwarnings("default"),  # those of the libraries are not ours
]
Printed = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project in which `new` lost five of twelve cases, run once with a label and a note."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    write_project(tmp_path)
    recorder(tmp_path)({"base": "++++++++++++", "new": "+++++++-----"})
    assert main(["run", "--label", "first", "--note", "a note"]) == 1
    return tmp_path


def document() -> dict[str, Any]:
    """The newest scorecard, with what the store says beside it."""
    path = Path("reports/latest/scorecard.json")
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return {**found, "remark": {"label": "first", "note": "a note"}}


def contexts(card: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, str]]]:
    for row in card["categories"]:
        for names in names_of(card, row["suite"], row["variant"]):
            yield row["suite"], row["variant"], names


def compare(card: Mapping[str, Any], record: TrackedRun) -> int:
    """Compare a record that was read back with the scorecard; returns how many values agree."""
    compared = 0
    for suite, variant, names in contexts(card):
        for field in fields():
            expected = look_up(card, field.source, names, suite, variant)
            found = in_tracker(record, variant, field.tracker, names)
            assert agree(expected, found), (field, suite, variant, expected, found)
            compared += expected is not None
    return compared


def from_mlflow(uri: str, experiment: str = "harness") -> tuple[Any, TrackedRun, list[str]]:
    """What MLflow's own client reads: the client, the run with its variants, its files."""
    mlflow = pytest.importorskip("mlflow")
    client = mlflow.MlflowClient(tracking_uri=uri)
    runs = client.search_runs([client.get_experiment_by_name(experiment).experiment_id])
    parents = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    (parent,) = parents
    assert {run.info.status for run in runs} == {"FINISHED"}

    def record(run: Any, children: tuple[TrackedRun, ...] = ()) -> TrackedRun:
        tags = dict(run.data.tags)
        note = tags.get("mlflow.note.content", "")
        return TrackedRun(
            run.info.run_name, run.data.params, run.data.metrics, tags, note, children=children
        )

    children = tuple(
        record(run) for run in runs if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id
    )
    files = [file.path for file in client.list_artifacts(parent.info.run_id)]
    return client, record(parent, children), files


def test_mlflow_holds_what_the_scorecard_says(capsys: Printed) -> None:
    pytest.importorskip("mlflow")
    words = ["export", "--to", "mlflow", "--uri", "track/mlflow.db"]
    assert main(words) == 0
    uri = f"sqlite:///{Path('track/mlflow.db').resolve()}"
    client, record, files = from_mlflow(uri)
    assert compare(document(), record) > 100
    assert record.name == "first"
    assert sorted(files) == ["scorecard.html", "scorecard.json", "summary.md"]
    assert not Path("mlruns").exists()

    capsys.readouterr()
    assert main(words) == 2
    said = capsys.readouterr().err
    assert "is in MLflow already\n  found: experiment 'harness', 3 records\n" in said
    # An export that was cut off is replaced without --force, a whole one with it.
    (half,) = client.search_runs(["1"], "attributes.run_name = 'new'")
    client.set_terminated(half.info.run_id, "FAILED")
    assert main(words) == 0
    assert main([*words, "--force"]) == 0
    assert compare(document(), from_mlflow(uri)[1]) > 100


def test_mlflow_that_refuses_is_told_and_ends_no_run(capsys: Printed) -> None:
    pytest.importorskip("mlflow")
    table = '[export]\nafter = ["mlflow"]\nanswers = false\n[export.mlflow]\n'
    again: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        for uri in ("http://127.0.0.1:9", "nonsense://x"):
            Path("harness.toml").write_text(f'{CONFIGURATION}{table}uri = "{uri}"\n')
            capsys.readouterr()
            assert main(["run"]) == 1
            out = capsys.readouterr().out
            assert f"not exported to mlflow: MLflow at {uri} refused\n  found: " in out
            again = out.splitlines()[-1].partition("again: ")[2].split()
            assert main(again[1:]) == 3
            assert f"MLflow at {uri} refused\n  found: " in capsys.readouterr().err
    assert main([*again[1:], "--uri", "late.db"]) == 0
    files = from_mlflow(f"sqlite:///{Path('late.db').resolve()}")[2]
    assert sorted(files) == ["scorecard.json", "summary.md"]  # without answers


def test_wandb_holds_what_the_scorecard_says(capsys: Printed) -> None:
    pytest.importorskip("wandb")
    assert main(["export", "--to", "wandb", "--into", "out"]) == 0
    assert "send them: wandb sync out/wandb/offline-run-*" in capsys.readouterr().out
    records = [from_wandb(path) for path in Path("out/wandb").glob("offline-run-*/*.wandb")]
    parents = [record for kind, record, _ in records if kind == "run"]
    children = tuple(record for kind, record, _ in records if kind == "variant")
    assert (len(parents), sorted(child.name for child in children)) == (1, ["base", "new"])
    parent = parents[0]
    whole = TrackedRun(
        parent.name, parent.params, parent.metrics, parent.tags, parent.note, children=children
    )
    assert compare(document(), whole) > 100
    assert {f for kind, _, files in records for f in files} == {
        "scorecard.html",
        "scorecard.json",
        "summary.md",
    }
    assert main(["export", "--to", "wandb", "--into", "out"]) == 2
    assert "out: this directory is there already\n" in capsys.readouterr().err


BLOCK, HEAD = 32_768, 7  # bytes of LevelDB's log, in which W&B writes its records


def records_in(path: Path) -> Iterator[bytes]:
    """The records of an offline file: parts in blocks, each with checksum, length and kind."""
    data = path.read_bytes()
    assert data[:4] == b":W&B"
    at, whole = HEAD, b""
    while at < len(data):
        if BLOCK - at % BLOCK < HEAD:  # no head fits in: the rest of the block is empty
            at += BLOCK - at % BLOCK
            continue
        length, kind = int.from_bytes(data[at + 4 : at + 6], "little"), data[at + 6]
        whole += data[at + HEAD : at + HEAD + length]
        at += HEAD + length
        if kind in (1, 4):  # whole, or the last part
            yield whole
            whole = b""


def from_wandb(path: Path) -> tuple[str, TrackedRun, set[str]]:
    """What W&B's own messages say in an offline file: the kind of record, itself, its files."""
    from wandb.proto import wandb_internal_pb2

    config: dict[str, Any] = {}
    summary: dict[str, Any] = {}
    metrics: dict[str, float] = {}
    name = kind = note = ""
    files: set[str] = set()
    for data in records_in(path):
        record = wandb_internal_pb2.Record()
        record.ParseFromString(data)
        match record.WhichOneof("record_type"):
            case "run":
                name, kind, note = record.run.display_name, record.run.job_type, record.run.notes
                config |= {
                    each.key: json.loads(each.value_json) for each in record.run.config.update
                }
            case "config":
                config |= {each.key: json.loads(each.value_json) for each in record.config.update}
            case "summary":
                summary |= {
                    each.key or ".".join(each.nested_key): json.loads(each.value_json)
                    for each in record.summary.update
                }
            case "history":
                metrics |= {
                    each.key or ".".join(each.nested_key): json.loads(each.value_json)
                    for each in record.history.item
                }
            case "artifact":
                files |= {entry.path for entry in record.artifact.manifest.contents}
            case "request" if record.request.HasField("log_artifact"):
                contents = record.request.log_artifact.artifact.manifest.contents
                files |= {entry.path for entry in contents}
    verdicts = {key: value for key, value in summary.items() if key.endswith("verdict")}
    assert verdicts == {k: v for k, v in config["tags"].items() if k.endswith("verdict")}
    return kind, TrackedRun(name, config["params"], metrics, config["tags"], note), files


def test_wandb_online_needs_a_key(capsys: Printed, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb")
    monkeypatch.setenv("NETRC", str(Path("none").resolve()))
    Path("harness.toml").write_text(CONFIGURATION + '[export.wandb]\nmode = "online"\n')
    assert main(["export", "--to", "wandb"]) == 2
    assert "W&B has no API key here\n  hint: `wandb login`" in capsys.readouterr().err


def test_inspect_reads_its_logs() -> None:
    log_module = pytest.importorskip("inspect_ai.log")
    assert main(["export", "--to", "inspect", "--into", "out"]) == 0
    infos = log_module.list_eval_logs("out")
    assert len(infos) == 2
    card = document()
    for info in infos:
        log = log_module.read_eval_log(info)
        header = log_module.read_eval_log(info, header_only=True)
        assert (log.status, header.status, header.samples) == ("success", "success", None)
        assert len(log.samples) == 12
        plain = json.loads(log.model_dump_json())
        for suite, variant, names in contexts(card):
            for field in fields():
                if field.inspect and variant == log.eval.metadata["variant"]:
                    expected = look_up(card, field.source, names, suite, variant)
                    found = look_up(plain, field.inspect, names, suite, variant)
                    assert agree(expected, found), (field, suite, variant, expected, found)
        last = log.samples[-1]
        assert last.id == "c11"
        assert last.messages[-1].text == last.output.completion
        assert last.scores["harness"].value == ("C" if last.output.completion == "red" else "I")


def test_lm_eval_reads_its_files() -> None:
    utils = pytest.importorskip("lm_eval.utils")
    datasets = pytest.importorskip("datasets")
    assert main(["export", "--to", "lm-eval", "--into", "out"]) == 0
    names = [str(path) for path in Path("out").rglob("*.json*")]
    results, samples = utils.get_results_filenames(names), utils.get_sample_results_filenames(names)
    assert (len(results), len(samples)) == (2, 2)
    assert {utils.get_file_task_name(Path(name).name) for name in samples} == {"colours"}
    table = utils.make_table(json.loads(Path("out/new", Path(results[0]).name).read_text()))
    (row,) = (line for line in table.splitlines() if line.startswith("|colours"))
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells == ["colours", "0", "none", "0", "pass_rate", "↑", "0.5833", "±", "0.1486"]
    loaded = datasets.load_dataset("json", data_files=samples, split="train", cache_dir="cache")
    assert loaded.num_rows == 24
    assert sorted(set(loaded["pass_rate"])) == [0.0, 1.0]
