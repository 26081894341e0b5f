"""Options that an engine passes over are said."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.backends import BackendOptions, backend_names, unused_notes
from harness.config import Settings
from harness.evaluation import run_suites

SET = BackendOptions(device="cpu", dtype="float32", base_url="http://h/v1", batch_tokens=8)


@pytest.mark.parametrize(
    ("name", "unused"),
    [
        ("echo", ["--base-url", "--batch-tokens", "--device", "--dtype"]),
        ("replay", ["--base-url", "--batch-tokens", "--device", "--dtype"]),
        ("hf", ["--base-url"]),
        ("vllm", ["--base-url", "--batch-tokens"]),
        ("openai", ["--batch-tokens", "--device", "--dtype"]),
        ("a-plug-in", []),
    ],
)
def test_what_was_set_and_is_of_no_use_is_named(name: str, unused: list[str]) -> None:
    notes = [f"{option} has no effect: backend {name!r} does not use it" for option in unused]

    assert list(unused_notes(name, SET)) == notes
    assert list(unused_notes(name, BackendOptions())) == []
    assert name in (*backend_names(), "a-plug-in")


def test_a_run_notes_it(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(
        "suite: s\ncategory: c\ncases: [{id: a, user: Hi, checks: [{contains: Hi}]}]\n"
    )
    settings = Settings(root=tmp_path, backend="echo", device="cuda:1")

    report = run_suites(settings, [str(tmp_path / "s.yaml")])

    assert "--device has no effect: backend 'echo' does not use it" in report.info.notes
