"""The server of a review: who may judge, what is refused, and two servers on one store."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from harness.review import Review
from harness.review.server import review_server
from harness.store import Store, read_judgements
from tests.review.test_planning import NAMES, answer, planned
from tests.viewer.serving import reader, serving

CASES = 12


def review(path: Path) -> Review:
    results = [answer(name, f"c{n}") for n in range(CASES) for name in NAMES[:2]]
    return Review(path, planned(results, by="pairs", sample=CASES))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """An empty store."""
    Store(tmp_path / "db").close()
    return tmp_path / "db"


@pytest.fixture
def client(path: Path) -> Iterator[httpx.Client]:
    with serving(review_server(review(path), "run", port=0)) as server, reader(server) as client:
        yield client


def send(client: httpx.Client, at: str, body: Any) -> httpx.Response:
    return client.post(at, json=body, headers={"Origin": str(client.base_url).rstrip("/")})


def test_the_first_page_asks_who_judges_and_names_no_variant(client: httpx.Client) -> None:
    page = client.get("/")
    assert "Who judges?" in page.text
    named = client.get("/", params={"rater": " Ann ?&%<b>#Bo 安"})
    assert named.url.path.startswith("/rate/")
    assert 'data-rater="Ann ?&amp;%&lt;b&gt;#Bo 安"' in named.text
    for text in (page.text, named.text):
        assert "zebra" not in text
    for name in ("x" * 61, "..", "a/b", "a\nb"):
        assert "That is no name" in client.get("/", params={"rater": name}).text


@pytest.mark.parametrize(
    ("at", "body", "status", "said"),
    [
        ("/rate/ann/items/12", None, 404, "no such item"),
        ("/rate/ann/items/0", {"preferred": "C"}, 400, "preferred"),
        ("/rate/ann/items/0", {"score": 9}, 400, "score"),
        ("/rate/ann/items/0", [], 400, "this judgement"),
        ("/rate/ann/undo", {}, 400, "nothing to undo"),
        ("/rate/" + "x" * 61, None, 404, "no name of a rater"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(
    client: httpx.Client, path: Path, at: str, body: Any, status: int, said: str
) -> None:
    answer = client.get(at) if body is None else send(client, at, body)
    assert (answer.status_code, said in answer.text) == (status, True)
    with Store(path) as store:
        assert read_judgements(store, ["s"]) == ()


def test_a_page_of_another_site_cannot_judge(client: httpx.Client, path: Path) -> None:
    headers = {"Origin": "http://evil.example"}
    refused = client.post("/rate/ann/items/0", json={"preferred": "A"}, headers=headers)
    assert refused.status_code == 403
    with Store(path) as store:
        assert read_judgements(store, ["s"]) == ()


def test_two_servers_on_one_store_lose_nothing(path: Path) -> None:
    def judge(server_of: Review, raters: tuple[str, ...]) -> None:
        with (
            serving(review_server(server_of, "run", port=0)) as server,
            reader(server) as client,
        ):
            for number in range(CASES):
                for rater in raters:
                    side = "AB"[number % 2]
                    found = send(client, f"/rate/{rater}/items/{number}", {"preferred": side})
                    assert found.json()["preferred"] == side
                    assert found.json()["judged"] == number + 1

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(judge, [review(path), review(path)], [("ann", "bob"), ("cy", "dan")]))
    with Store(path) as store:
        rows = read_judgements(store, ["s"])
    assert sorted(row.rater for row in rows) == sorted(["ann", "bob", "cy", "dan"] * CASES)
    assert len({row.id for row in rows}) == 4 * CASES
