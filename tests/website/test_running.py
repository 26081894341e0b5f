"""The commands of the pages are run, and print what the pages show."""

from __future__ import annotations

from pathlib import Path

import pytest

from website.blocks import blocks_of, pages
from website.running import run_page

# Pages of recorded answers and files, in seconds; the others generate, and take minutes.
QUICK = ("true-checks.md", "moving-from.md")
RUN = [page for page in pages() if any(b.holds_commands and not b.not_run for b in blocks_of(page))]


@pytest.mark.parametrize("page", [page for page in RUN if page.name in QUICK], ids=lambda p: p.name)
def test_a_page_of_recorded_answers(page: Path) -> None:
    assert run_page(page) == []


@pytest.mark.full
@pytest.mark.parametrize(
    "page", [page for page in RUN if page.name not in QUICK], ids=lambda p: p.name
)
def test_a_page_that_generates(page: Path) -> None:
    assert run_page(page) == []


def test_what_went_wrong_is_told(tmp_path: Path) -> None:
    page = tmp_path / "wrong.md"
    page.write_text(
        "<!-- run in: empty -->\n\n```console\n$ ls nothing\n```\n\n"
        "```console\n$ ls    # exit code 2\n$ cat /dev/null\nwords\n```\n"
    )

    wrong = [line.splitlines()[0] for line in run_page(page)]

    assert wrong == [
        "wrong.md:3: `ls nothing` ended with 2, and not with 0",
        "wrong.md:7: `ls    # exit code 2` ended with 0, and not with 2",
        "wrong.md:7: `cat /dev/null` printed something else:",
    ]
