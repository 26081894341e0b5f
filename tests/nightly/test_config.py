"""`nightly.yaml`: every mistake has its place and its message."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.common import InputError
from harness.nightly import load_config
from harness.results import Verdict


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
            "  did you mean: suites\n"
            "  hint: known keys: adapters, alerts, baseline, export, keep, model, name, pinned, "
            "suites, variants",
        ),
        (
            "variants:\n  new: {adaptor: x}\n",
            "nightly.yaml:2:9: key 'adaptor' is not known here\n"
            "  did you mean: adapter\n"
            "  hint: known keys: adapter, chat_template, chat_template_args, model, prices, "
            "reasoning_parser, sampling, suites, system, system_role",
        ),
        (
            "keep: 1\n",
            "nightly.yaml:1:7: wrong value for 'keep'\n  found: number 1\n  expected: 2 or more",
        ),
        (
            "name: a/b\n",
            "nightly.yaml:1:7: wrong value for 'name'\n"
            "  found: text 'a/b'\n"
            "  expected: letters, digits, '_', '.' and '-'",
        ),
        (
            "name: ..\n",
            "nightly.yaml:1:7: name: it names a folder: letters or digits are wanted, "
            "not dots alone",
        ),
        (
            "alerts:\n  webhook: {timeout: 5}\n",
            "nightly.yaml:2:12: alerts.webhook: exactly one of url and url_env is wanted",
        ),
        (
            "alerts:\n  webhook: {url: file:///etc/passwd}\n",
            "nightly.yaml:2:18: wrong value for 'webhook.url'\n"
            "  found: text 'file:///etc/passwd'\n"
            "  expected: http://... or https://...",
        ),
        (
            "alerts: {on: [worse]}\n",
            "nightly.yaml:1:15: wrong value for 'alerts.on'\n"
            "  found: text 'worse'\n"
            "  expected: error, regressed, below_threshold, inconclusive or pass",
        ),
    ],
)
def test_a_mistake_has_its_place(tmp_path: Path, text: str, message: str) -> None:
    assert said(tmp_path, text) == message


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        load_config(tmp_path / "none.yaml")

    assert str(caught.value) == f"{tmp_path}/none.yaml: cannot read it: No such file or directory"
