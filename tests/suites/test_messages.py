"""Every message about a suite file, word by word: `messages.txt` has the files and what is said."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.common import InputError
from harness.scorers import names
from harness.suites import load_suites

HERE = Path(__file__).parent


def table() -> Iterator[tuple[str, str, str]]:
    """Name, suite file and message of each entry."""
    for entry in (HERE / "messages.txt").read_text(encoding="utf-8").split("#### ")[1:]:
        head, _, said = entry.partition("---->\n")
        name, _, text = head.partition("\n")
        yield name, text, said.strip().replace("{checks}", ", ".join(names()))


TABLE = list(table())


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with all data files."""
    shutil.copytree(HERE / "data", tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(("text", "message"), [row[1:] for row in TABLE], ids=[r[0] for r in TABLE])
def test_a_wrong_suite_file_is_explained(text: str, message: str, folder: Path) -> None:
    folder.joinpath("suite.yaml").write_text(text, encoding="utf-8")

    with pytest.raises(InputError) as caught:
        load_suites(["suite.yaml"])

    assert str(caught.value) == message


def test_a_file_that_is_not_utf8_is_refused_with_its_line(folder: Path) -> None:
    folder.joinpath("suite.yaml").write_bytes(b"suite: s\ncategory: caf\xe9\n")

    with pytest.raises(InputError) as caught:
        load_suites(["suite.yaml"])

    assert str(caught.value) == (
        "suite.yaml:2: the file is not UTF-8\n  found: byte 0xe9\n  hint: save it as UTF-8"
    )


def test_a_control_character_is_refused_with_its_place(folder: Path) -> None:
    folder.joinpath("suite.yaml").write_bytes(b"suite: s\ncategory: a\x07b\n")

    with pytest.raises(InputError) as caught:
        load_suites(["suite.yaml"])

    assert str(caught.value) == (
        "suite.yaml:2:12: not valid YAML: the character U+0007 is not allowed\n"
        '  hint: write it as "\\u0007" in double quotes'
    )


def test_a_file_that_is_too_large_is_refused(folder: Path) -> None:
    folder.joinpath("suite.yaml").write_bytes(b"#" * (32 * 2**20 + 1))

    with pytest.raises(InputError) as caught:
        load_suites(["suite.yaml"])

    assert str(caught.value) == (
        "suite.yaml: cannot read it: it is larger than 32 MiB\n"
        "  hint: keep rows in a JSONL file and name it under from_file"
    )


@pytest.mark.parametrize("text", ["[" * 50_000, "- " * 50_000, "{a: " * 50_000])
def test_deep_nesting_is_refused_and_breaks_nothing(text: str, folder: Path) -> None:
    folder.joinpath("suite.yaml").write_text(text)

    with pytest.raises(InputError) as caught:
        load_suites(["suite.yaml"])

    place, _, said = str(caught.value).partition(": ")
    assert place == f"suite.yaml:1:{101 * (len(text) // 50_000) + 1}"
    assert said == "not valid YAML: more than 100 levels"


def test_a_billion_laughs_are_refused(folder: Path) -> None:
    lines = ["l0: &l0 [x, x, x, x, x, x, x, x, x, x]"]
    for level in range(1, 9):
        aliases = ", ".join([f"*l{level - 1}"] * 10)
        lines.append(f"l{level}: &l{level} [{aliases}]")
    folder.joinpath("suite.yaml").write_text("\n".join(lines))

    with pytest.raises(InputError) as caught:
        load_suites(["suite.yaml"])

    assert "more than 100,000 values, with aliases followed" in str(caught.value)


def test_of_many_wrong_rows_the_first_are_shown(folder: Path) -> None:
    folder.joinpath("many.jsonl").write_text("x\n" * 45)
    folder.joinpath("suite.yaml").write_text(
        "suite: s\ncategory: c\n"
        "from_file: [{path: many.jsonl, case: {id: a, user: x, checks: [json]}}]\n"
    )

    with pytest.raises(InputError) as caught:
        load_suites(["suite.yaml"])

    assert len(caught.value.problems) == 21
    assert str(caught.value.problems[19]) == "many.jsonl:20:1: not valid JSON: Expecting value"
    assert str(caught.value.problems[20]) == "many.jsonl: 25 more problems of this file"


@pytest.mark.parametrize(
    ("name", "head", "blank", "said"),
    [
        ("many.csv", "a,b\n1,2\n", "\n", "many.csv:1003: more than 1,000 blank lines"),
        ("many.jsonl", '{"a": 1}\n', "\n", "many.jsonl:1002: more than 1,000 blank lines"),
        ("many.jsonl", '{"a": 1}\n', " \r\n", "many.jsonl:1002: more than 1,000 blank lines"),
        ("many.csv", "a,b\n1,2\n", " \n", "many.csv: more than 1,000 rows"),
    ],
)
def test_floods_of_blank_lines_end_where_they_are_too_many(
    name: str, head: str, blank: str, said: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.suites.rows.MAX_ROWS", 1_000)
    case = "{id: a, user: x, checks: [{contains: x}]}"
    folder.joinpath("suite.yaml").write_text(
        f"suite: s\ncategory: c\nfrom_file: [{{path: {name}, case: {case}}}]\n"
    )
    folder.joinpath(name).write_text(head + "\n" * 1_000)
    assert len(load_suites(["suite.yaml"])[0].cases) == 1

    folder.joinpath(name).write_text(head + blank * 1_200)
    with pytest.raises(InputError) as caught:
        load_suites(["suite.yaml"])

    assert str(caught.value.problems[0]).startswith(said)


def test_names_are_unique_over_files(folder: Path) -> None:
    text = "suite: s\ncategory: c\ncases:\n  - {id: a, user: x, checks: [json]}\n"
    folder.joinpath("one.yaml").write_text(text)
    folder.joinpath("two.yaml").write_text("# the same\n" + text)

    with pytest.raises(InputError) as caught:
        load_suites(["one.yaml", "two.yaml"])

    assert str(caught.value) == (
        "two.yaml:2:1: suite name 's' stands twice\n"
        "  found: first at one.yaml:1:1\n"
        "  hint: give each a name of its own\n"
        "two.yaml:5:5: case id 'a' stands twice\n"
        "  found: first at one.yaml:4:5\n"
        "  hint: give each a name of its own"
    )


def test_the_problems_of_all_files_come_at_once(folder: Path) -> None:
    folder.joinpath("one.yaml").write_text("suite: [\n")
    folder.joinpath("two.yaml").write_text("- a\n")

    with pytest.raises(InputError) as caught:
        load_suites(["one.yaml", "two.yaml"])

    assert {problem.path for problem in caught.value.problems} == {"one.yaml", "two.yaml"}


def test_missing_files_and_folders_without_suites_are_named(folder: Path) -> None:
    folder.joinpath("suite.yaml").touch()
    folder.joinpath("empty").mkdir()

    with pytest.raises(InputError) as caught:
        load_suites(["suit.yaml", "empty", "no/where.yaml"])

    assert str(caught.value) == (
        "no such file or folder: suit.yaml\n"
        "  did you mean: suite.yaml\n"
        "no suite below empty\n"
        "  expected: a .yaml or .yml file\n"
        "no such file or folder: no/where.yaml"
    )


def test_a_suite_too_small_for_its_policy_is_warned_about(folder: Path) -> None:
    head = "suite: s\ncategory: c\ngate: {policy: non_inferiority, max_drop: 0.1}\ncases:\n"
    lines = [f"  - {{id: c{n}, user: x, cluster: k{n % 2}, checks: [json]}}\n" for n in range(40)]
    folder.joinpath("clustered.yaml").write_text(head + "".join(lines))
    folder.joinpath("small.yaml").write_text(head + lines[0].replace(", cluster: k0", ""))
    folder.joinpath("large.yaml").write_text(
        head + "".join(lines).replace("cluster: k", "tags: []#")
    )

    said = [load_suites([name])[0].warnings for name in ("clustered.yaml", "small.yaml")]

    assert said == [
        (
            "2 clusters cannot pass non_inferiority with max_drop 0.1, even where nothing changes:"
            " 28 clusters are needed",
        ),
        (
            "1 case cannot pass non_inferiority with max_drop 0.1, even where nothing changes:"
            " 28 cases are needed",
        ),
    ]
