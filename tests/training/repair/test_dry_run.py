"""What a repair would do, on the embedded model: nothing is asked, nothing is trained."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.training.repair.workplace import ROOT, Workplace

pytestmark = pytest.mark.slow


def add_row(place: Workplace, user: str, answer: str) -> Path:
    """One more row in the pool of the weak suite, at its end; all rows are taken."""
    pool = place.folder / "fixtures" / "pools" / "json_validity.jsonl"
    messages = [{"role": "user", "content": user}, {"role": "assistant", "content": answer}]
    with pool.open("a", encoding="utf-8") as file:
        file.write(json.dumps({"messages": messages}) + "\n")
    place.replace("json_validity.jsonl#400", "json_validity.jsonl")
    return pool


def test_rewordings_need_cases_to_reword(tmp_path: Path) -> None:
    done = Workplace(tmp_path).here("fix", "--dry-run", "--paraphrases", "3")

    assert (done.code, done.out) == (
        2,
        "--paraphrases rewords bad cases: there are none\n  hint: give --bad-cases FILE with it\n",
    )


def test_the_plan_and_the_first_rows_are_shown(failing: Workplace) -> None:
    done = failing.here("fix", "--dry-run")

    assert done.code == 0, done.out
    assert "repair json_validity: 23 cases to look at, 19 held out" in done.out
    assert "in use: the base without an adapter" in done.out
    assert "pool fixtures/pools/json_validity.jsonl: 400 of 400 (all kept)" in done.out
    assert "guard: 0 rows removed" in done.out
    assert "assistant: {" in done.out
    assert not (failing.folder / ".harness" / "adapters").exists()


def test_a_pool_with_a_copied_case_is_caught(failing: Workplace) -> None:
    rows = (failing.folder / "suites/starter/data/notes.jsonl").read_text().splitlines()
    case = json.loads(rows[4])
    add_row(failing, case["user"], json.dumps(case["value"]))

    done = failing.here("fix", "--dry-run")

    assert done.code == 0, done.out
    assert "guard: 1 row removed" in done.out
    assert f"json_validity.jsonl:601: exact of case note-{case['id']} (json_validity)" in done.out


def test_rows_in_a_foreign_chat_template_are_refused(failing: Workplace) -> None:
    add_row(failing, "[INST] Extract the colour as JSON. [/INST]", '{"colour": "red"}')

    done = failing.here("fix", "--dry-run")

    assert done.code == 2
    assert "json_validity.jsonl:601" in done.out
    assert "the text is rendered in the chat template of" in done.out


def test_a_setting_that_the_trainer_does_not_know_is_refused(failing: Workplace) -> None:
    failing.replace("learning_rate: 0.001", "lerning_rate: 0.001")

    done = failing.here("fix", "--dry-run")

    assert done.code == 2
    assert "json_validity.yaml:20:11: key 'lerning_rate' is not known here" in done.out
    assert "did you mean: learning_rate" in done.out


def block(failing: Workplace, text: str) -> None:
    """Put another `fix:` block in place of the weak suite's own."""
    whole = failing.suite.read_text(encoding="utf-8")
    failing.suite.write_text(re.sub(r"^fix:\n(?:  .*\n)+", text, whole, flags=re.MULTILINE))


def test_the_smallest_block_of_the_page_works(failing: Workplace) -> None:
    page = (ROOT / "docs" / "repair.md").read_text(encoding="utf-8")
    smallest = (
        page.partition("The least that works:")[2].partition("```yaml\n")[2].partition("```")[0]
    )
    assert smallest.startswith("fix:\n")
    block(failing, smallest)

    done = failing.here("fix", "--dry-run")

    assert done.code == 0, done.out
    assert "pool fixtures/pools/json_validity.jsonl: 600 of 600 (all kept)" in done.out
    assert "pool fixtures/pools/refusal.jsonl: 257 of 300" in done.out, done.out


def test_all_that_stands_in_the_way_is_told_at_once(failing: Workplace) -> None:
    block(failing, "fix: {max_drop: 0.02, replay: {pools: []}}\n")
    for suite in ("long_context", "instruction_following", "multilingual", "refusal"):
        (failing.folder / "suites" / "starter" / f"{suite}.yaml").unlink()
    failing.here("run")

    done = failing.here("fix", "--dry-run")

    assert done.code == 2
    heads = [line for line in done.out.splitlines() if not line.startswith("  ")]
    assert heads.pop() == "3 problems"
    assert [head.rpartition(".yaml:1: ")[2] for head in heads] == [
        "suite 'role_consistency' is too small to show that it lost less than 0.02",
        "suite 'json_validity': nothing under fix: would teach anything",
        "nothing to replay: no pool is named, and no other suite makes prompts of its own",
    ]
