"""A minute of `make fuzz`: the same first tries of every row, each in a process with limits."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.embedded import ROOT
from tests.hostile import endings, fuzzing
from tests.hostile.fuzzing import TABLE
from tests.hostile.trying import Row, run

HEAVY = ("train.yaml", "chat template", "tokenizer", "webhook")  # transformers, or nights


@pytest.mark.skipif(sys.platform != "linux", reason="limits of a process as Linux has them")
@pytest.mark.parametrize(
    "row",
    [pytest.param(row, marks=pytest.mark.full if row.name in HEAVY else ()) for row in TABLE],
    ids=[row.name for row in TABLE],
)
def test_every_try_ends_with_a_message_or_a_result(row: Row) -> None:
    survived, faults, seconds = run(row, range(25))

    assert faults == []
    assert survived == len(seconds) == 25


# What reads files and replies of others, and the row of the table that tries it; where there is
# none, the tests of its own.
READERS = {
    "harness.common.reading": (
        *("read_bytes", "read_text", "read_json", "read_object", "read_json_lines", "read_toml"),
        *("parse_json", "decoded"),
    ),
    "harness.common.yaml_positions": ("read_yaml_file", "read_document"),
    "harness.common.web": ("one_reply", "reply_within"),
    "harness.suites.importing.source": ("read_yaml",),
}
TRIED_BY = {
    "backends/adapters.py": "adapter",
    "backends/models.py": "model directory",
    "backends/openai/replies.py": "server",
    "backends/openai/request_pool.py": "server",
    "backends/replay.py": "recorded answers",
    "config/settings.py": "harness.toml",
    "config/yaml_settings.py": "nightly.yaml",
    "evaluation/labels.py": "labels of people",
    "evaluation/rates.py": "rates",
    "evaluation/reasoning.py": "chat template",
    "gate/calibrations.py": "calibrations",
    "gate/sealed.py": "baseline, sealed again",
    "nightly/alerts.py": "webhook",
    "nightly/names.py": "nightly.yaml",
    "prompts/chat_tokenizer.py": "tokenizer",
    "prompts/templates.py": "chat template",
    "reports/reading.py": "scorecard and results",
    "review/files.py": "review, filled in",
    "review/server.py": "pages of review",
    "scorers/embedding.py": "embedding model",
    "scorers/json_checks.py": "patterns and schemas",
    "suites/data_files.py": "training rows",
    "suites/importing/conversations.py": "import log",
    "suites/importing/inspect_log.py": "import inspect",
    "suites/importing/lm_eval/cases.py": "import lm-eval",
    "suites/importing/lm_eval/configuration.py": "import lm-eval",
    "suites/importing/lm_eval/suite.py": "tests/suites/importing/test_lm_eval.py",
    "suites/importing/openai_evals.py": "import openai-evals",
    "suites/importing/promptfoo/assertions.py": "import promptfoo",
    "suites/importing/promptfoo/cases.py": "import promptfoo",
    "suites/importing/promptfoo/configuration.py": "import promptfoo",
    "suites/importing/promptfoo/suite.py": "import promptfoo",
    "suites/importing/source.py": "import promptfoo",
    "suites/load.py": "suite, bytes",
    "suites/practice.py": "tests/suites/test_practice.py",
    "suites/rows.py": "data files",
    "training/contamination/index.py": "tests/training/contamination/test_guard.py",
    "training/linting.py": "adapter",
    "training/repair/blocks.py": "tests/training/repair/test_blocks.py",
    "training/repair/plan.py": "tests/training/sources/test_bad_cases.py",
    "training/rows/files.py": "training rows",
    "training/rows/meaning.py": "training rows",
    "training/rows/spoken.py": "training rows",
    "training/sft/config.py": "train.yaml",
    "training/sft/manifest.py": "tests/training/sft/test_train.py",
}


def test_whatever_reads_something_of_others_is_tried() -> None:
    package = ROOT / "harness"
    found = set()
    for file in sorted(package.rglob("*.py")):
        imports = (
            n for n in ast.walk(ast.parse(file.read_text())) if isinstance(n, ast.ImportFrom)
        )
        for node in imports:
            if {name.name for name in node.names}.intersection(READERS.get(node.module or "", ())):
                found.add(file.relative_to(package).as_posix())
    shared = {name for name in found if name.startswith("common/")}

    assert found - shared == TRIED_BY.keys()
    rows = {row.name for row in TABLE}
    assert [by for by in TRIED_BY.values() if by not in rows and not Path(ROOT, by).is_file()] == []


@pytest.mark.parametrize("command", [fuzzing.command, endings.command])
def test_a_row_that_is_not_there_is_no_empty_table(
    command: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["a program", "--row", "nonsense"])

    with pytest.raises(
        SystemExit, match="no row has 'nonsense' in its name; there are: "
    ) as caught:
        command()
    assert caught.value.code not in (0, None)
