"""From files to cases: what every key of the format does."""

from __future__ import annotations

import gc
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from harness.common import FixSettings, GateSettings, InputError, Sampling, digest
from harness.suites import Case, Position, Suite, load_suite, load_suites, suite_files
from harness.suites import load as loading
from tests.steps import steps

DATA = Path(__file__).parent / "data"


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Suite:
    """The suite that uses every key."""
    folder = tmp_path_factory.mktemp("suites")
    shutil.copytree(DATA, folder, dirs_exist_ok=True)
    return load_suite(folder / "all.yaml")


def case(suite: Suite, case_id: str) -> Case:
    return next(case for case in suite.cases if case.id == case_id)


def said(case: Case) -> tuple[list[str], list[list[Any]]]:
    """The user turns, and the checks on each."""
    checks = [[check.as_json() for check in turn.checks] for turn in case.turns]
    return [turn.user for turn in case.turns], checks


def load(folder: Path, text: str, **files: str) -> Suite:
    folder.joinpath("suite.yaml").write_text(text, encoding="utf-8")
    for name, content in files.items():
        folder.joinpath(name.replace("_", ".")).write_text(content, encoding="utf-8")
    return load_suite(folder / "suite.yaml")


HEAD = "suite: s\ncategory: c\n"


# -- the suite that uses every key -----------------------------------------------------------------


def test_the_suite_says_what_its_file_says(everything: Suite) -> None:
    assert (everything.name, everything.category) == ("invoices", "json_validity")
    assert everything.description == "Everything that a suite file may say."
    assert everything.path.endswith("/all.yaml")
    assert everything.gate == GateSettings(min_pass_rate=0.5, on="score", alpha=0.01, max_errors=1)
    assert everything.fix == FixSettings(pools=("data/pool.jsonl#500",), max_drop=0.05)
    assert (everything.warnings, everything.line) == ((), 1)


def test_cases_come_in_the_order_of_the_file(everything: Suite) -> None:
    assert [case.id for case in everything.cases] == [
        *("invoice-01", "persona-01", "bare-01", "inv-7", "inv-8", "csv-1", "csv-2", "csv-3"),
        *("needle-512-d0-s1", "needle-512-d0-s2", "needle-512-d50-s1", "needle-512-d50-s2"),
        "many-64-d50-s1",
    ]
    assert {(case.suite, case.category) for case in everything.cases} == {
        ("invoices", "json_validity")
    }


def test_a_retired_case_gates_no_more(everything: Suite) -> None:
    assert [case.id for case in everything.retired] == ["old-01"]


def test_defaults_hold_where_a_case_says_nothing(everything: Suite) -> None:
    found = case(everything, "invoice-01")

    assert found.system == "You work for Bolt."
    assert found.sampling == Sampling(temperature=0.5, stop=("\n\n",))
    assert (found.repeats, found.time_limit, found.required) == (2, 30, True)
    assert (found.threshold, found.allow_empty, found.decoding) == (None, False, "free")
    assert found.tags == ("nightly", "smoke")
    assert found.cluster == "none"


def test_the_variables_of_a_case_win_and_are_not_rendered_themselves(everything: Suite) -> None:
    users, checks = said(case(everything, "invoice-01"))

    assert users == ["Extract: {{ 19.99 }} for Bolt"]
    assert checks == [
        [
            {
                "json_schema": {
                    "schema": {"type": "object", "properties": {"on": {"type": "number"}}}
                }
            },
            {"contains": {"text": "Bolt"}, "weight": 2.0},
            {"lowercase": {}},
        ]
    ]


def test_what_a_case_says_itself_wins(everything: Suite) -> None:
    found = case(everything, "persona-01")

    assert found.sampling == Sampling(temperature=0, max_new_tokens=8, stop=("\n\n",))
    assert (found.repeats, found.threshold, found.time_limit) == (1, 0.5, 2.5)
    assert (found.allow_empty, found.decoding, found.cluster) == (True, "constrained", "personas")
    assert said(found) == (
        ["Who are you?", "Really, Acme?"],
        [[], [{"not": {"check": {"contains_any": {"texts": ["NO", "010"]}}}}]],
    )


def test_no_system_prompt_and_an_empty_one_are_two_things(everything: Suite) -> None:
    assert case(everything, "persona-01").system == ""
    assert case(everything, "bare-01").system is None


def test_rows_of_json_keep_their_types_and_are_not_rendered_again(everything: Suite) -> None:
    found = case(everything, "inv-7")

    assert said(found) == (
        ["Invoice 7 over 19.99 EUR, {{ not a template }}"],
        [
            [
                {"json_schema": {"schema": {"type": "object", "required": ["total"]}}},
                {"json_value": {"path": "$.total", "equals": 19.99}},
            ]
        ],
    )
    assert (found.cluster, found.tags) == ("euro", ("nightly", "euro"))


def test_rows_of_csv_are_text(everything: Suite) -> None:
    found = [said(case(everything, f"csv-{n}")) for n in (1, 2, 3)]

    assert [users for users, _ in found] == [["first, with a comma"], ["two\nlines"], ['says "hi"']]
    assert [checks[0][0]["equals"]["text"] for _, checks in found] == ["yes", "NO", "010"]


def test_a_haystack_is_a_case_with_its_hidden_value_as_check(everything: Suite) -> None:
    found = case(everything, "needle-512-d50-s2")

    assert found.haystack is not None
    assert (found.haystack.length, found.haystack.depth, found.haystack.seed) == (512, 0.5, 2)
    value = found.haystack.values[0]
    assert said(found) == ([found.haystack.question], [[{"needle": {"value": value}}]])
    assert (found.system, found.cluster) == ("You work for Acme.", "none")


def test_a_family_of_haystacks_may_have_its_own_checks(everything: Suite) -> None:
    found = case(everything, "many-64-d50-s1")

    assert found.haystack is not None
    assert said(found)[1] == [[{"contains": {"text": found.haystack.values[0]}}]]
    assert (found.system, found.cluster) == ("Read with care, Acme.", "seed 1")
    assert (found.tags, found.required) == (("nightly", "d0.5"), True)


def test_positions_lead_back_to_the_file(everything: Suite) -> None:
    places = {case.id: (case.position.line, case.position.column) for case in everything.cases}

    assert places["invoice-01"] == (16, 5)
    assert places["inv-7"] == places["inv-8"] == (43, 7)
    assert places["needle-512-d0-s1"] == (53, 15)


def test_everything_in_the_suite_stays_as_it_is(everything: Suite) -> None:
    """The hashes pair runs of today with stored ones: they change with a reason, or never."""
    hashes = {case.id: case.hash for case in everything.cases}

    assert digest(hashes, 16) == "ea62cc10e4c343bb"


# -- details ---------------------------------------------------------------------------------------


def test_several_hidden_values_are_all_wanted(tmp_path: Path) -> None:
    text = "generate: [{haystack: {id: n, task: multivalue, lengths: 64, values: 2}}]\n"
    (found,) = load(tmp_path, HEAD + text).cases

    assert found.haystack is not None
    values = list(found.haystack.values)
    assert said(found)[1] == [[{"needles": {"values": values}}]]


@pytest.mark.parametrize("task", ["multikey", "tracking"])
def test_the_values_of_distractors_may_not_stand_beside_the_hidden_one(
    tmp_path: Path, task: str
) -> None:
    """A list of all numbers of the text passed."""
    keys = f"{{id: n, task: {task}, lengths: 64, keys: 3, values: 2}}"

    (found,) = load(tmp_path, HEAD + f"generate: [{{haystack: {keys}}}]\n").cases

    assert found.haystack is not None
    value, others = found.haystack.values[0], list(found.haystack.other_values)
    assert all(f" {number}." in " ".join(found.haystack.distractors) for number in others)
    assert len(others) == (2 if task == "multikey" else 1)
    assert said(found)[1] == [[{"needle": {"value": value, "others": others}}]]


def test_a_count_is_the_only_number_of_an_answer(tmp_path: Path) -> None:
    text = "generate: [{haystack: {id: n, task: counting, lengths: 64}}]\n"

    (found,) = load(tmp_path, HEAD + text).cases

    assert found.haystack is not None
    value = found.haystack.values[0]
    assert said(found)[1] == [[{"needle": {"value": value, "only": True}}]]


def test_templates_see_the_values_of_distractors(tmp_path: Path) -> None:
    checks = "[{not: {contains_any: '{{ haystack.distractors }}'}}]"
    keys = f"{{id: n, task: multikey, lengths: 64, checks: {checks}}}"

    (found,) = load(tmp_path, HEAD + f"generate: [{{haystack: {keys}}}]\n").cases

    assert found.haystack is not None
    others = list(found.haystack.other_values)
    assert len(others) == 3
    assert str(others) in str(said(found)[1])


def test_a_haystack_alone_is_no_cluster(tmp_path: Path) -> None:
    text = "generate: [{haystack: {id: n, lengths: [64, 128], seeds: 2}}]\n"

    found = load(tmp_path, HEAD + text).cases

    assert {case.cluster for case in found} == {None}
    assert len({(case.haystack.question, case.haystack.id) for case in found if case.haystack}) == 4


def test_the_position_of_a_case_has_the_path_as_it_was_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmp_path.joinpath("below").mkdir()
    tmp_path.joinpath("below", "a.yml").write_text(
        HEAD + "cases: [{id: a, user: x, checks: [json]}]\n"
    )
    monkeypatch.chdir(tmp_path)

    (suite,) = load_suites(["below"])

    assert suite.path == "below/a.yml"
    assert suite.cases[0].position == Position("below/a.yml", 3, 9)


def test_suites_beside_the_loaded_ones_keep_their_names(tmp_path: Path) -> None:
    first = load(tmp_path, HEAD + "cases: [{id: a, user: x, checks: [json]}]\n")
    tmp_path.joinpath("other.yaml").write_text(
        "suite: t\ncategory: c\ncases: [{id: a, user: x, checks: [json]}]\n"
    )

    with pytest.raises(InputError, match="case id 'a' stands twice"):
        load_suites([tmp_path / "other.yaml"], beside=[first])


def test_the_id_of_a_retired_case_is_taken(tmp_path: Path) -> None:
    text = "retire: [a]\ncases:\n  - {id: a, user: x, checks: [json]}\n"

    with pytest.raises(InputError, match="case id 'a' stands twice"):
        load(tmp_path, HEAD + text + "  - {id: a, user: y, checks: [json]}\n")


def test_a_schema_file_is_read_beside_the_suite(tmp_path: Path) -> None:
    text = "cases: [{id: a, user: x, checks: [{json_schema: {file: one.json}}]}]\n"

    suite = load(tmp_path, HEAD + text, one_json='{"type": "array"}')

    assert suite.cases[0].turns[0].checks[0].as_json() == {
        "json_schema": {"file": "one.json", "schema": {"type": "array"}}
    }


def test_the_users_own_checks_are_used_where_the_configuration_allows_them(tmp_path: Path) -> None:
    check = "{python: {ref: 'harness.scorers.examples:polite', words: [please]}}"
    text = f"{HEAD}cases: [{{id: a, user: x, checks: [{check}]}}]\n"
    tmp_path.joinpath("suite.yaml").write_text(text)

    (suite,) = load_suites([tmp_path], modules=["harness.scorers.examples"])

    assert suite.cases[0].turns[0].checks[0].name == "python"
    with pytest.raises(InputError, match="is not allowed"):
        load_suites([tmp_path])


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "secret.jsonl"
    outside.write_text('{"a": 1}\n')
    folder = tmp_path / "suites"
    folder.mkdir()
    folder.joinpath("data.jsonl").symlink_to(outside)
    text = "from_file: [{path: data.jsonl, case: {id: a, user: '{{ row.a }}', checks: [json]}}]\n"

    with pytest.raises(InputError, match="is outside of the suite's folder"):
        load(folder, HEAD + text)


def test_folders_are_searched_and_each_file_is_loaded_once(tmp_path: Path) -> None:
    for name in ("b.yaml", "a.yml", "c.txt", "sub/d.yaml"):
        tmp_path.joinpath(name).parent.mkdir(exist_ok=True)
        tmp_path.joinpath(name).touch()

    found = suite_files([tmp_path, tmp_path / "b.yaml"])

    assert [path.relative_to(tmp_path).as_posix() for path in found] == [
        *("a.yml", "b.yaml", "sub/d.yaml")
    ]


def test_a_suite_of_the_necessary_size_is_not_warned_about(tmp_path: Path) -> None:
    gate = "gate: {policy: non_inferiority, max_drop: 0.1}\ncases:\n"
    cases = "".join(f"  - {{id: c{n}, user: x, checks: [json]}}\n" for n in range(28))

    assert load(tmp_path, HEAD + gate + cases).warnings == ()


def test_what_some_templates_and_servers_refuse_is_warned_about(tmp_path: Path) -> None:
    case = "{id: a, user: x, tools: [{name: math.add}], checks: [json], examples: [{assistant: b}]}"

    assert load(tmp_path, f"{HEAD}cases:\n  - {case}\n").warnings == (
        "examples begin with an answer in 1 case, a first: chat templates that want a user turn "
        "there refuse them",
        "tool 'math.add' has a name that OpenAI's API refuses, and servers like it: up to 64 "
        "letters, digits, '_' and '-' (1 tool)",
    )


def test_the_work_of_loading_grows_with_the_cases(tmp_path: Path) -> None:
    lines = [
        f'  - id: case-{n:05}\n    tags: [smoke]\n    user: "Extract invoice {n} as JSON with keys'
        ' number and total, for {{ who }}: it is over 19.99 EUR."\n'
        "    checks: [{json_value: {path: $.total, equals: 19.99}}, {not: {contains: zzz}}]\n"
        for n in range(400)
    ]
    head = HEAD + "vars: {who: Lina}\ncases:\n"

    half = steps(lambda: load(tmp_path, head + "".join(lines[:200])))
    whole = steps(lambda: load(tmp_path, head + "".join(lines)))

    assert whole < 2.2 * half


def test_rows_share_their_templates(tmp_path: Path) -> None:
    rows = [json.dumps({"id": n, "text": f"Invoice {n}"}) + "\n" for n in range(2_000)]
    entry = "{id: 'r-{{ row.id }}', user: '{{ row.text }}', checks: [{contains: '{{ row.id }}x'}]}"
    text = HEAD + f"from_file: [{{path: rows.jsonl, case: {entry}}}]\n"

    half = steps(lambda: load(tmp_path, text, rows_jsonl="".join(rows[:1_000])))
    whole = steps(lambda: load(tmp_path, text, rows_jsonl="".join(rows)))

    assert whole < 2.2 * half
    assert whole / 2_000 < 1_000, "calls for a row: a template that is compiled takes thousands"


def test_the_garbage_collector_is_left_as_it_was(tmp_path: Path) -> None:
    right, wrong = tmp_path / "right.yaml", tmp_path / "wrong.yaml"
    right.write_text("suite: s\ncategory: c\ncases: [{id: a, user: u, checks: [json]}]\n")
    wrong.write_text("suite: [")

    load_suite(right)
    with pytest.raises(InputError):
        load_suite(wrong)

    assert gc.isenabled()


def test_more_cases_than_are_possible_are_not_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither of one data file, nor of a small one that is named again and again."""
    monkeypatch.setattr(loading, "MAX_CASES", 10)
    head = "suite: s\ncategory: c\nfrom_file:\n"

    def told(entries: int, rows: int) -> str:
        (tmp_path / "rows.csv").write_text("id\n" + "".join(f"{n}\n" for n in range(rows)))
        case = 'case: {{id: "{{{{ row.id }}}}-{0}", user: hi, checks: [{{contains: x}}]}}'
        text = "".join(f"  - {{path: rows.csv, {case.format(n)}}}\n" for n in range(entries))
        (tmp_path / "suite.yaml").write_text(head + text)
        with pytest.raises(InputError) as caught:
            load_suite(tmp_path / "suite.yaml")
        return str(caught.value)

    assert "suite.yaml:4:12: 11 rows; a suite has at most 10 cases" in told(1, 11)
    assert told(50, 4).endswith("suite.yaml:1:1: the suite has more than 10 cases")
