"""A run is reviewed blind by two people, each in a real browser of their own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from harness.review import Review, ReviewItem, ReviewOptions, in_order, plan_review
from harness.review.server import review_server
from harness.store import Store, read_judgements
from harness.viewer import LocalServer
from tests.reports.browser import CHROMIUM, DRIVER, MISSING, Browser, browser
from tests.review.test_planning import NAMES, answer, planned, run
from tests.viewer.serving import serving

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason=MISSING),
]
LEFT, RIGHT, ESCAPE, ENTER = "\ue012", "\ue014", "\ue00c", "\ue007"


@pytest.fixture(scope="module")
def windows(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Browser, Browser]]:
    """Two browsers that share nothing."""
    profiles = [tmp_path_factory.mktemp(name) for name in ("ann", "bob")]
    with browser(profiles[0]) as ann, browser(profiles[1]) as bob:
        yield ann, bob


@pytest.fixture
def store(tmp_path: Path) -> Path:
    Store(tmp_path / "db").close()
    return tmp_path / "db"


def judged(path: Path, rater: str) -> list[tuple[str, str | int | None]]:
    """Return what is in the store of a rater: the case, and the variant or the score."""
    with Store(path) as opened:
        rows = read_judgements(opened, ["s"])
    return [(r.case, r.preferred or r.score) for r in rows if r.rater == rater and not r.undoes]


def press(page: Browser, keys: str) -> None:
    page.one("body").send_keys(keys)


def shown(page: Browser, number: int) -> None:
    """Wait until an item is shown, by its number from 0."""
    page.wait(f"document.getElementById('review').dataset.shown === '{number}'")


def begin(page: Browser, server: LocalServer, rater: str) -> None:
    page.driver.get(server.link())
    page.one("#rater").send_keys(rater + ENTER)
    page.wait(
        "document.getElementById('review') && document.getElementById('review').dataset.shown"
    )


def letter_of(items: Sequence[ReviewItem], at: int, rater: str, variant: str) -> str:
    return "ab"[[each.variant for each in in_order(items, rater, 0)[at]].index(variant)]


def test_two_people_judge_a_run_at_once_and_none_is_told_whose_an_answer_is(
    windows: tuple[Browser, Browser], store: Path
) -> None:
    results = [answer(name, f"c{n}") for n in range(4) for name in NAMES[:2]]
    items = planned(results, by="pairs", sample=4)
    review = Review(store, items)
    with serving(review_server(review, "run", port=0)) as server:
        ann, bob = windows
        begin(ann, server, "ann")
        begin(bob, server, "bob the second")
        for page in windows:
            assert page.texts("#answers .side > h2") == ["A", "B"]
            assert "zebra" not in page.driver.page_source
        assert ann.one("#place").text == "1 of 4"

        for number in range(len(items)):
            shown(ann, number)
            shown(bob, number)
            press(ann, letter_of(items, number, "ann", NAMES[1]))
            press(bob, "t" if number else letter_of(items, number, "bob the second", NAMES[0]))
        for page in windows:
            page.wait("document.getElementById('review').dataset.judged === '4'")
            assert page.one("#done").is_displayed()
        order = [item.case for item in items]
        assert judged(store, "ann") == [(case, NAMES[1]) for case in order]
        assert judged(store, "bob the second") == [
            (case, "tie" if at else NAMES[0]) for at, case in enumerate(order)
        ]

        press(ann, LEFT)
        shown(ann, 2)
        press(ann, "n")
        ann.one("#note").send_keys("too long" + ENTER)
        ann.wait("document.activeElement !== document.getElementById('note')")
        press(ann, "u")  # takes back the note, which was said last; the choice stands
        shown(ann, 2)
        ann.wait("document.getElementById('note').value === ''")
        press(ann, "u")
        shown(ann, 3)
        ann.wait("document.getElementById('review').dataset.judged === '3'")
        assert ann.texts("#sides [aria-pressed=true]") == []
        assert bob.one("#judged").text == "4 judged"
        with Store(store) as opened:
            rows = read_judgements(opened, ["s"])
        assert [row.note for row in rows if row.rater == "ann"][4:] == ["too long", "too long", ""]
        for page in windows:
            assert page.complaints() == []
            at = (f"http://127.0.0.1:{server.port}/", "data:", "chrome:")  # its first tab
            assert [url for url in page.requests() if not url.startswith(at)] == []


def test_scores_go_from_criterion_to_criterion_and_a_phone_has_room(
    windows: tuple[Browser, Browser], store: Path
) -> None:
    results = [answer(NAMES[0], f"c{n}", "word " * 300) for n in range(2)]
    options = ReviewOptions(sample=2, criteria=("It is kind.", "It is short."))
    items = plan_review(run(NAMES[0]), lambda: results, options, cases={})
    with serving(review_server(Review(store, items), "run", "cy", 0)) as server:
        page = windows[0]
        page.size(390, 844)
        page.driver.get(server.link())
        page.wait(
            "document.getElementById('review') && document.getElementById('review').dataset.shown"
        )
        assert page.run("return document.documentElement.scrollWidth") <= 390
        press(page, "4")
        page.wait("document.querySelectorAll('#scores [aria-pressed=true]').length === 1")
        assert page.texts("[aria-current=true] p") == ["It is short."]
        page.all("#scores .points")[1].find_elements("css selector", "button")[1].click()
        shown(page, 1)
        press(page, "6c")  # no keys of this page
        press(page, "\ue0155")  # down: the second criterion first
        page.wait("document.querySelectorAll('#scores [aria-pressed=true]').length === 1")
        press(page, "1")
        page.wait("document.getElementById('review').dataset.judged === '2'")
        first, second = (item.case for item in items)
        assert judged(store, "cy") == [(first, 4), (first, 2), (second, 5), (second, 1)]
        page.driver.refresh()
        shown(page, 1)
        assert page.texts("#scores [aria-pressed=true]") == ["1", "5"]
        assert page.complaints() == []
        page.size(1280, 950)
