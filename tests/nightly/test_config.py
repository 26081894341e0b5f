"""`nightly.yaml`: every mistake has its place and its message."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import InputError
from harness.gate import Verdict
from harness.nightly import load_config


def said(folder: Path, text: str) -> str:
    path = folder / "nightly.yaml"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        load_config(path)
    return str(caught.value).replace(f"{folder}/", "")


def test_an_empty_mapping_is_enough(tmp_path: Path) -> None:
    path = tmp_path / "nightly.yaml"
    path.write_text("{}")
    config = load_config(path)

    assert (config.name, config.keep) == ("nightly", 60)
    assert config.alerts.on == (Verdict.ERROR, Verdict.REGRESSED, Verdict.BELOW_THRESHOLD)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "nightly.yaml:1:1: a mapping is wanted"),
        (
            "sutes: [a]\n",
            "nightly.yaml:1:1: key 'sutes' is not known here\n"
            "  wanted: name, model, baseline, pinned, suites, adapters, variants, alerts, keep\n"
            "  did you mean: suites",
        ),
        (
            "variants:\n  new: {adaptor: x}\n",
            "nightly.yaml:2:9: key 'adaptor' is not known here\n"
            "  wanted: model, adapter, system, chat_template, sampling, suites\n"
            "  did you mean: adapter",
        ),
        (
            "keep: 1\n",
            "nightly.yaml:1:7: keep is wrong: input should be greater than or equal to 2\n"
            "  found: 1",
        ),
        (
            "name: a/b\n",
            "nightly.yaml:1:7: name is wrong: string should match pattern '^[A-Za-z0-9_.-]+$'\n"
            "  found: 'a/b'",
        ),
        (
            "alerts:\n  webhook: {timeout: 5}\n",
            "nightly.yaml:2:12: alerts.webhook is wrong: exactly one of url and url_env is wanted",
        ),
        (
            "alerts:\n  webhook: {url: file:///etc/passwd}\n",
            "nightly.yaml:2:18: alerts.webhook.url is wrong: "
            "string should match pattern '^https?://'\n"
            "  found: 'file:///etc/passwd'",
        ),
        (
            "alerts: {on: [worse]}\n",
            "nightly.yaml:1:15: alerts.on.0 is wrong: input should be 'error', 'regressed', "
            "'below_threshold', 'inconclusive' or 'pass'\n"
            "  found: 'worse'",
        ),
    ],
)
def test_a_mistake_has_its_place(tmp_path: Path, text: str, message: str) -> None:
    assert said(tmp_path, text) == message


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        load_config(tmp_path / "none.yaml")

    assert str(caught.value) == f"{tmp_path}/none.yaml: cannot read it: No such file or directory"
