"""The registry: one door for all checks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.scorers import Answer, Args, Context, Finding, UnknownScorerError, get, names, scorer

_PLUGIN = '''
from harness.scorers import Answer, Args, Context, Finding, scorer, verdict

class ShoutArgs(Args):
    """How many exclamation marks."""
    marks: int = 1

@scorer("acme_shout", version=3, shorthand="marks")
def shout(answer: Answer, context: Context, args: ShoutArgs) -> Finding:
    """The answer shouts."""
    return verdict(answer.text.count("!") >= args.marks, "shouts")
'''


def _package(folder: Path, module: str, code: str) -> None:
    """An installed package as its metadata show it."""
    (folder / f"{module}.py").write_text(code)
    info = folder / f"{module}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[harness.scorers]\nacme = {module}\n")


def _run(folder: Path, code: str) -> subprocess.CompletedProcess[str]:
    paths = os.pathsep.join([str(folder), str(Path(__file__).parents[2])])
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_plug_in_registers_through_the_same_door(tmp_path: Path) -> None:
    _package(tmp_path, "acme_checks", _PLUGIN)

    done = _run(
        tmp_path,
        "from harness.scorers import *\n"
        "check = parse_check({'acme_shout': 2})\n"
        "print(check(Answer('a!!'), Context()).passed, check.scorer.version)",
    )

    assert done.stdout == "True 3\n", done.stderr


def test_a_broken_plug_in_is_named(tmp_path: Path) -> None:
    _package(tmp_path, "broken_checks", "import not_there")

    done = _run(
        tmp_path,
        "from harness.common.errors import InputError\n"
        "from harness.scorers import names\n"
        "try: names()\n"
        "except InputError as error: print(error)",
    )

    assert done.stdout == (
        "the plug-in 'acme' of package 'broken_checks' cannot be loaded\n"
        "  found: ModuleNotFoundError: No module named 'not_there'\n"
        "  hint: mend or uninstall broken_checks\n"
    ), done.stderr


def test_a_plug_in_cannot_replace_a_check(tmp_path: Path) -> None:
    _package(tmp_path, "rude_checks", _PLUGIN.replace("acme_shout", "contains"))

    done = _run(
        tmp_path,
        "from harness.common.errors import InputError\n"
        "from harness.scorers import names\n"
        "try: names()\n"
        "except InputError as error: print(error)",
    )

    assert "found: ValueError: scorer 'contains' is registered twice" in done.stdout, done.stderr


def test_an_unknown_name_comes_with_a_suggestion() -> None:
    with pytest.raises(UnknownScorerError) as caught:
        get("contian")

    assert caught.value.did_you_mean == "contains"
    assert str(caught.value) == "check 'contian' is not known"


def test_a_name_is_registered_once() -> None:
    def other(answer: Answer, context: Context, args: Args) -> Finding:
        return Finding(True, 1.0, "")

    with pytest.raises(ValueError, match="scorer 'equals' is registered twice"):
        names() and scorer("equals", version=1)(other)


def test_all_names_of_the_contract_are_there() -> None:
    contract = """
        equals contains contains_all contains_any regex one_of starts_with ends_with numeric
        words sentences lines paragraphs bullets lowercase uppercase no_markdown markdown_table
        xml code_block no_repetition ifeval json json_schema json_value identity no_prompt_leak
        language script no_code_switching refuses complies needle needles bleu chrf rouge bertscore
        similarity judge python not all_of any_of at_least
    """

    assert set(contract.split()) <= set(names())


def test_importing_the_package_imports_nothing_heavy(tmp_path: Path) -> None:
    heavy = ["torch", "transformers", "lingua", "jsonschema", "sacrebleu", "scipy", "numpy"]
    code = f"import sys, harness.scorers; print([m for m in {heavy} if m in sys.modules])"

    assert _run(tmp_path, code).stdout == "[]\n"


def test_listing_all_checks_imports_nothing_heavy(tmp_path: Path) -> None:
    heavy = ["torch", "transformers", "lingua", "jsonschema", "sacrebleu", "scipy"]
    code = (
        "import sys; from harness.scorers import names; names(); "
        f"print([m for m in {heavy} if m in sys.modules])"
    )

    assert _run(tmp_path, code).stdout == "[]\n"
