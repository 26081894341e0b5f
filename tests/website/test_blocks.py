"""Each block of commands in the pages is run or says why not; each command is one that exists."""

from __future__ import annotations

import re
import textwrap
from functools import cache
from pathlib import Path

import pytest

from harness.cli import COMMANDS
from harness.cli.parser import Parser, new_parser, parse
from harness.config import flags
from harness.nightly import load_config
from harness.suites import load_suites
from harness.suites.schema import CaseKeys, SuiteKeys
from harness.training.sft.config import load_train_config
from website.blocks import ROOT, Block, Command, blocks_of, pages
from website.running import same

OPTIONS = {flag.name for _, flag, _ in flags()}
CHECKS = "[{contains: hi}]"
PLACES = {"empty", "recorded", "repository", "server"}
BLOCKS = [block for page in pages() for block in blocks_of(page)]
COMMANDS_SHOWN = [
    pytest.param(command, id=f"{block.where}-{number}")
    for block in BLOCKS
    if block.holds_commands
    for number, command in enumerate(block.commands())
]
YAML = [pytest.param(block, id=block.where) for block in BLOCKS if block.language == "yaml"]
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))


@cache
def _parser() -> tuple[Parser, dict[str, Parser]]:
    parser, commands = new_parser()
    for family in COMMANDS:
        family.add_commands(commands)
    return parser, commands.choices


def test_a_block_is_run_or_says_why_not() -> None:
    undecided = [
        block.where
        for block in BLOCKS
        if block.holds_commands and not block.not_run and block.place not in PLACES
    ]

    assert undecided == []


@pytest.mark.parametrize("command", COMMANDS_SHOWN)
def test_a_command_is_one_that_exists(command: Command, pytestconfig: pytest.Config) -> None:
    program, *words = command.words
    if program == "harness":
        ends = [at for at, word in enumerate(words) if word in ("|", ">", ">>", "&&")]
        parser, choices = _parser()
        parse(parser, words[: min(ends, default=len(words))], choices)
    elif program == "pytest":
        unknown = [
            word
            for word in words
            if word.startswith("--")
            and word.partition("=")[0] not in OPTIONS
            and not hasattr(pytestconfig.option, word[2:].partition("=")[0].replace("-", "_"))
        ]
        assert unknown == []
    elif program == "make":
        assert [word for word in words if "=" not in word and word not in TARGETS] == []
    elif (
        program == "python" and words[:1] == ["-m"] and words[1].startswith(("bench.", "website."))
    ):
        source = (ROOT / f"{words[1].replace('.', '/')}.py").read_text(encoding="utf-8")
        shared = "".join(
            (ROOT / "bench" / f"{name}.py").read_text(encoding="utf-8")
            for name in re.findall(r"from bench\.(\w+) import", source)
        )
        options = [word for word in words[2:] if re.match(r"\[?--\w", word)]
        assert [name for word in options if (name := word.strip("[]")) not in source + shared] == []


@pytest.mark.parametrize("block", YAML)
def test_a_suite_in_a_page_is_a_suite(block: Block, tmp_path: Path) -> None:
    """What shows a part of a suite is put into a whole one; other files are what they are."""
    text, keys = block.text, set(re.findall(r"^(\w+):", block.text, re.M))
    path = tmp_path / "shown.yaml"
    if text.startswith(("- ", " ")):
        starts = text.lstrip()
        inner = "cases" if starts.startswith("- id:") else "checks" if starts[0] == "-" else "fix"
        text, keys = f"{inner}:\n{textwrap.indent(text, '  ')}", {inner}
    if not keys & {"suite", "cases"} and keys <= set(CaseKeys.model_fields):
        case = f"- id: a\n  user: hi\n{textwrap.indent(text, '  ')}"
        text, keys = (
            f"cases:\n{case}" + ("" if "checks" in keys else f"  checks: {CHECKS}\n"),
            {"cases"},
        )
    if keys <= set(SuiteKeys.model_fields):
        text = ("" if "suite" in keys else "suite: shown\n") + text
        text += "" if "category:" in text else "\ncategory: shown\n"
        if not keys & {"cases", "from_file", "generate"}:
            text += f"\ncases: [{{id: a, user: hi, checks: {CHECKS}}}]\n"
        if named := re.search(r"rows: \{([\w/.]+):", text):
            row = f"{{path: {named.group(1)}, case: {{id: b, user: hi, checks: {CHECKS}}}}}"
            text += "" if "from_file" in keys else f"from_file: [{row}]\n"
        if "get_time" in text and "tools" not in keys:
            text += "tools: [{name: get_time, parameters: {properties: {zone: {}}}}]\n"
        for name in re.findall(r"path: ([\w/.]+\.jsonl)", text):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text('{"id": "a", "text": "hi"}\n')
        path.write_text(text, encoding="utf-8")
        assert load_suites([path])
    elif "adapters" in keys:
        path.write_text(text, encoding="utf-8")
        assert load_config(path)
    elif {"model", "output"} <= keys:
        path.write_text(text, encoding="utf-8")
        assert load_train_config(path)
    else:  # a pipeline of another program, which has tests of its own
        assert keys & {"on", "jobs", "include", "stages"}, sorted(keys)


@pytest.mark.parametrize(
    ("shown", "printed", "alike"),
    [
        ("a\nb", "a\nb", True),
        ("a\nb", "a\nc", False),
        ("a", "a\nb", False),
        ("a\n...", "a\nb", True),
        ("...\nb", "a\nb", True),
        ("...\nb", "b\na", False),
        ("a\n...\nc", "a\nb\nc", True),
        ("a\n...\nc\n...", "a\nb\nc\nd", True),
        ("a\n...\nd\n...", "a\nb\nc", False),
        ("took 12 s", "took 3.5 s", True),
        ("a folded\nline", "a folded line", True),
        ("a\n...\nb\nc", "a\nb c", True),
        ("...\na\n...\na", "a", False),
        ("12 cases", "13 cases", False),
        ("reports/20261129-124044-9d2569/x", "reports/20250101-000000-abcdef/x", True),
    ],
)
def test_what_is_shown_is_held_against_what_is_printed(
    shown: str, printed: str, alike: bool
) -> None:
    assert same(shown.splitlines(), printed.splitlines()) is alike


def test_commands_are_read_with_their_outputs_codes_and_marks(tmp_path: Path) -> None:
    page = ROOT / "build" / "page.md"
    text = """
<!-- run in: empty -->

```console
$ harness runs \\
    --store x.db     # exit code 2
no
$ ls
```

    make gate     # a comment
    make test

<sub>Not run here: it takes
long.</sub>

```json
{"a": 1}
```
"""
    page = tmp_path / "page.md"
    page.write_text(text)

    first, second, third = blocks_of(page)
    one, two = first.commands()
    assert (one.words, one.exit_code, one.shown) == (
        ["harness", "runs", "--store", "x.db"],
        2,
        ("no",),
    )
    assert (two.words, two.exit_code, two.shown) == (["ls"], 0, None)
    assert (first.place, first.not_run, second.not_run) == ("empty", "", "it takes long.")
    assert [command.text for command in second.commands()] == [
        "make gate     # a comment",
        "make test",
    ]
    assert [block.holds_commands for block in (first, second, third)] == [True, True, False]
