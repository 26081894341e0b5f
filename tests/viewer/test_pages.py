"""The pages of `harness view`: what they show, how they are narrowed down, what they refuse."""

from __future__ import annotations

import re
import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from html import unescape
from pathlib import Path

import httpx
import pytest

from harness.backends import Completion
from harness.common import JsonValue, VariantRole
from harness.config import Settings
from harness.results import Outcome, Verdict
from harness.store import ResultRow, Store, prune, say_of, write_entry
from harness.viewer import NAVIGATION, LocalServer, view_routes
from tests.embedded import ROOT
from tests.store.test_store_versions import DUMPS, restored
from tests.viewer.serving import reader, serving
from tests.viewer.worlds import RUNS, keep, project, record, results_of, run_id, write_runs

NEWEST = run_id(RUNS - 1)
HOSTILE = "</p><script>window.hacked=1</script>\x1b[31m\u202eevil\ud800"


@dataclass(frozen=True)
class Pages:
    """A server over a project, and a reader who was let in."""

    settings: Settings
    client: httpx.Client

    def get(self, path: str, **query: str) -> str:
        """The text of a page, without marks."""
        return self.told(200, path, **query)

    def told(self, status: int, path: str, **query: str) -> str:
        """The text of a page that is answered with this status."""
        answer = self.client.get(path, params=query or None)
        assert answer.status_code == status, answer.text
        inner = re.sub(r"(?s)<head>.*?</head>|<dialog.*?</dialog>", "", answer.text)
        return " ".join(unescape(re.sub(r"<[^>]+>", " ", inner)).split())

    def rows(self, path: str, **query: str) -> list[str]:
        """The addresses that rows lead to."""
        text = self.client.get(path, params=query or None).text
        return [unescape(href) for href in re.findall(r'data-row href="([^"]*)"', text)]


def opened(settings: Settings) -> Iterator[Pages]:
    server = LocalServer(view_routes(settings), port=0, navigation=NAVIGATION)
    with serving(server), reader(server) as client:
        yield Pages(settings, client)


@pytest.fixture(scope="module")
def pages(sixty_runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pages]:
    """Sixty runs, one a day; the newest has a label, a note and a night."""
    settings = project(tmp_path_factory.mktemp("project"))
    shutil.copy(sixty_runs, settings.store)
    with Store(settings.store) as store:
        say_of(store, NEWEST, label="before the move", note="see ticket 81")
        night: JsonValue = {"series": "nightly", "id": "n1", "runs": {"": NEWEST}}
        write_entry(store, "night/nightly/n1", night)
    yield from opened(settings)


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Pages]:
    """A project of one test: two runs."""
    settings = project(tmp_path)
    write_runs(settings.store, 2)
    yield from opened(settings)


def test_the_list_of_runs(pages: Pages) -> None:
    text = pages.get("/")
    assert "60 runs" in text
    assert f"before the move {NEWEST} 29 Apr 2026, 02:00 UTC" in text
    assert "base and new · invoices and languages · models/lina; new: adapters/new" in text
    assert "see ticket 81" in text and "✗ below threshold" in text and "✓ pass" in text
    assert pages.rows("/") == [f"/run/{run_id(n)}" for n in range(59, 9, -1)]
    assert pages.rows("/", page="2") == [f"/run/{run_id(n)}" for n in range(9, -1, -1)]
    assert "page 2 of 2" in pages.get("/", page="2")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"q": "BEFORE the"}, 1),
        ({"q": "ticket 81"}, 1),
        ({"q": "20260301"}, 1),
        ({"q": "models/LINA"}, 60),
        ({"q": "adapters/new"}, 60),
        ({"q": "languages"}, 60),
        ({"q": "started"}, 0),
        ({"q": "%"}, 0),
        ({"verdict": "unfinished"}, 0),
        ({"verdict": "below_threshold", "q": "before"}, 0),
        ({"verdict": "none"}, 0),
        ({"page": "99"}, 60),
        ({"page": "-1"}, 60),
        ({"page": "9" * 30}, 60),
    ],
)
def test_runs_are_searched(pages: Pages, query: dict[str, str], found: int) -> None:
    assert re.search(rf"\b{found} runs?\b", pages.get("/", **query))


def test_runs_by_their_verdicts_are_all_runs(pages: Pages) -> None:
    counts = [
        int(re.findall(r"(\d+) runs?", pages.get("/", verdict=verdict.value))[0])
        for verdict in Verdict
    ]
    assert sum(counts) == RUNS and all(counts[n] for n in (2, 4)) and counts[0] == 0


def test_one_run(pages: Pages) -> None:
    text = pages.get(f"/run/{NEWEST}")
    assert "night nightly n1" in text and "see ticket 81" in text
    assert "new 90.0 % 1 fail , 9 pass ✓ pass" in text
    assert "20 cases" in text
    assert "inv-0004 invoices May I send order 4 of invoices back? contains:" in text
    assert "✓ base ✗ new" in text
    assert f"harness show {NEWEST}" in text
    compare = f"/compare?run={run_id(58)}&amp;run={NEWEST}"
    assert compare in pages.client.get(f"/run/{NEWEST}").text


def test_latest_is_the_newest_run_that_finished(pages: Pages) -> None:
    finished = pages.get(f"/run/{NEWEST}")
    assert pages.get("/run/latest") == finished


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"outcome": "fail"}, 2),
        ({"outcome": "fail", "variant": "base"}, 0),
        ({"suite": "languages", "outcome": "fail"}, 1),
        ({"q": "cannot be sent"}, 2),
        ({"q": "ORDER 4 of lang"}, 1),
        ({"q": "outcome"}, 0),
    ],
)
def test_cases_of_a_run_are_narrowed_down(pages: Pages, query: dict[str, str], found: int) -> None:
    assert len(pages.rows(f"/run/{NEWEST}", **query)) == found


def test_one_case_beside_its_baseline(pages: Pages) -> None:
    query = {"suite": "invoices", "case": "inv-0004", "run": NEWEST}
    text = pages.get("/case", **query)
    assert "System You are Lina, the assistant of Acme." in text
    assert "120 answers, the newest run first" in text and "page 1 of 2" in text
    assert "Previous: inv-0003 Next: inv-0005" in text
    html = pages.client.get("/case", params=query).text
    assert "<del>You get a full refund for order </del>" in html and "<ins>Order </ins>" in html
    assert html.count("<strong>base</strong>") == html.count("<strong>new</strong>") == 1
    assert "underlined: what differs" in text and "✗ contains fails: 'refund' not found" in text


def test_any_two_answers_stand_side_by_side(pages: Pages) -> None:
    query = {"suite": "invoices", "case": "inv-0004"}
    text = pages.get("/case", **query, left=f"8@{run_id(0)}", right=f"8@{run_id(9)}")
    assert "1 Mar 2026" in text and "10 Mar 2026" in text
    assert "the same answer on both sides" in text  # nine days make the same number
    other = pages.get("/case", **query, left=f"{run_id(0)}:new", right=f"{run_id(3)}:new")
    assert "✗ fail" in other and "4 Mar 2026" in other
    # What is no result of this case is passed over.
    for wrong in ("x", "8@none", f"2@{run_id(0)}", f"{run_id(0)}:none", "9" * 40 + "@x", ":"):
        assert "29 Apr 2026" in pages.get("/case", **query, left=wrong, right=wrong)


def test_a_trend_of_all_lines_and_of_one(pages: Pages) -> None:
    assert "invoices Variant Runs Newest base" in pages.get("/trend")
    assert "languages" not in pages.get("/trend", q="INV")
    assert "No rate was kept of a suite like that" in pages.get("/trend", q="none")
    text = pages.get("/trend", suite="invoices", variant="new")
    assert "60 runs; the suite demands 85 %; changed: model or adapter 25 Apr" in text
    assert f"29 Apr 2026, 02:00 UTC · {NEWEST} · night nightly n1" in text
    html = pages.client.get("/trend?suite=invoices&variant=new").text
    assert html.count('class="bar"') == 3  # wide, narrow, and what the marks mean
    assert f'<a href="/run/{NEWEST}" tabindex="-1">' in html
    assert 'class="changed"' in html and "1 Mar 2026" in html
    assert pages.rows("/trend", suite="invoices", variant="new")[0] == f"/run/{NEWEST}"
    assert len(pages.rows("/trend", suite="invoices", variant="new", page="2")) == 10


def test_any_two_runs_are_compared(pages: Pages) -> None:
    query = f"/compare?run={NEWEST}&run={run_id(55)}"
    text = pages.get(query)
    assert f"{run_id(55)}:new → {NEWEST}:new" in text
    assert "10 pairs" in text and "↑ got better" in text and "↓ got worse" in text
    href = pages.rows(query)[0]
    assert "got" not in href and f"left={run_id(55)}%3Anew" in href
    assert "Answer of new" in pages.client.get(href).text
    # The same again, from what was kept; sides by their beginnings and by name.
    assert pages.get(query) == text
    assert "base" in pages.get("/compare", left="latest:base", right="latest:new")
    assert "Compare two variants" in pages.get("/compare")


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("run=latest", "1 chosen"),
        (f"run={NEWEST}&run={NEWEST}", "1 chosen"),
        ("left=none:new&right=latest:new", "no run is called 'none'"),
        (f"left={NEWEST}&right=latest:new", "is on two sides"),
        ("left=latest:nev&right=latest:base", "did you mean new"),
        ("left=../a.json&right=latest:base", "no run is called '../a.json'"),
        ("left=/etc/passwd&right=latest:base", "no run is called '/etc/passwd'"),
    ],
)
def test_what_cannot_be_compared_is_said(pages: Pages, query: str, told: str) -> None:
    assert told in pages.told(404, f"/compare?{query}")


@pytest.mark.parametrize(
    ("path", "told"),
    [
        (f"/run/{NEWEST[:-1]}", f"did you mean {NEWEST}"),
        ("/run/..%2f..%2fetc", "there is no such page"),
        ("/case?suite=invoices&case=inv-000", "did you mean inv-0009"),
        ("/case?suite=invoice&case=x", "did you mean invoices"),
        ("/case", "no run has case ''"),
        ("/trend?suite=invoicse", "did you mean invoices"),
        ("/trend?suite=invoices&variant=nev", "did you mean new"),
        (f"/prompt?run={NEWEST}&position=x", "has no result at 'x'"),
        (f"/prompt?run={NEWEST}&position=999", "has no result at '999'"),
        (f"/scorecard/{NEWEST}", f"`harness show {NEWEST}` writes it again"),
        ("/scorecard/.hidden", "there is no such page"),
        ("/scorecard/" + "x" * 300, "there is no such page"),
        ("/live/none", "run 'none' is not in the store"),
    ],
)
def test_what_is_not_there_is_said_with_a_hint(pages: Pages, path: str, told: str) -> None:
    assert told in pages.told(404, path)


def test_the_scorecard_of_a_run_is_given_in_a_sandbox(own: Pages) -> None:
    folder = own.settings.path(own.settings.report_dir) / run_id(1)
    folder.mkdir(parents=True)
    folder.joinpath("scorecard.html").write_text("<h1>Deploy new</h1>")
    answer = own.client.get(f"/scorecard/{run_id(1)}")
    assert answer.text == "<h1>Deploy new</h1>"
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("sandbox allow-scripts;") and "allow-same-origin" not in policy
    assert "Scorecard: intervals and reasons" in own.get(f"/run/{run_id(1)}")


def test_a_run_that_goes_on_shows_how_far_it_is(own: Pages) -> None:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    info = replace(record(2, finished=False), started=now)
    results = results_of(2)
    live = f"/live/{info.id}"
    with Store(own.settings.store) as store:
        store.start_run(info)
        assert "running: 0 of 40 results, 0 %" in own.get("/")
        store.put_results(info.id, [ResultRow(n, row) for n, row in enumerate(results[:10])])
        told = own.client.get(live).json()
        assert (told["state"], told["done"], told["planned"]) == ("running", 10, 40)
        assert "running: 10 of 40 results, 25 %" in own.get(f"/run/{info.id}")
        assert "5 cases" in own.get(f"/run/{info.id}")
        assert "1 run found" in own.get("/", verdict="unfinished")
        store.put_results(info.id, [ResultRow(n, row) for n, row in enumerate(results)])
        keep(store, info, results)
        store.finish_run(replace(info, finished=True))
    assert own.client.get(live).json()["state"] == "finished"
    assert "data-live" not in own.client.get("/").text


def test_a_run_that_broke_off_says_when(own: Pages) -> None:
    """Its newest sign of life is long ago; and of an older one nobody can tell when."""
    with Store(own.settings.store) as store:
        store.start_run(record(2, finished=False))
        store.put_result(run_id(2), 0, results_of(2)[0])
    told = own.get(f"/run/{run_id(2)}")
    assert "not finished: 1 of 40 results, 2 %; the last answer came 3 Mar 2026" in told
    with Store(own.settings.store) as store:
        store.put("k", Completion("x", "stop"))  # of another run, now
        suites = tuple(replace(each, sampling={"repeats": None}) for each in record(3).suites)
        store.start_run(replace(record(3, finished=False), suites=suites))
    assert "not finished: 1 of 40 results, 2 % " in own.get(f"/run/{run_id(2)}") + " "
    assert "running: 0 results so far" in own.get(f"/run/{run_id(3)}")


def test_what_was_pruned_is_said_and_stays_in_the_trend(own: Pages) -> None:
    with Store(own.settings.store) as store:
        prune(store, 1)
    text = own.told(404, f"/run/{run_id(0)}")
    assert "is not in the store any more: its answers were pruned" in text
    assert "its rates, which are kept" in text
    line = own.get("/trend", suite="invoices", variant="new")
    assert f"{run_id(0)} · pruned" in line and "2 runs" in line
    assert own.rows("/trend", suite="invoices", variant="new") == [f"/run/{run_id(1)}"]
    assert "2 answers, the newest run first" in own.get("/case", suite="invoices", case="inv-0001")


def test_a_store_that_goes_away_is_said_and_comes_back(own: Pages) -> None:
    away = own.settings.store.rename(own.settings.store.with_suffix(".away"))
    assert "nothing was run yet" in own.told(404, "/")
    assert not own.settings.store.exists()
    away.rename(own.settings.store)
    assert "2 runs" in own.get("/")


def test_a_store_without_a_run(tmp_path: Path) -> None:
    settings = project(tmp_path)
    Store(settings.store).close()
    for pages in opened(settings):
        assert "No run yet: harness run makes the first." in pages.get("/")
        assert "No rate was kept yet" in pages.get("/trend")
        assert "Compare two variants" in pages.get("/compare")


@pytest.mark.parametrize("dump", DUMPS, ids=lambda dump: dump.stem)
def test_a_store_of_an_older_harness_is_read_as_it_is(tmp_path: Path, dump: Path) -> None:
    """That harness may be writing it: what is looked at is not brought up to date."""
    settings = project(tmp_path)
    restored(dump, settings.store)
    connection = sqlite3.connect(settings.store)
    if dump.stem > "store_v1":  # no rates, but a sample of a journal
        connection.execute("DELETE FROM journal")
        connection.commit()
    connection.close()
    before = settings.store.read_bytes()
    for pages in opened(settings):
        if dump.stem == "store_v1":
            text = pages.told(404, "/")
            assert "too old to be read" in text and "`harness runs` brings it" in text
        else:
            writer = sqlite3.connect(settings.store)  # of the older harness, at work
            writer.execute("BEGIN IMMEDIATE")
            assert "not finished" in pages.get("/")
            assert "tuned" in pages.get("/case", suite="s", case="a")
            told = pages.told(404, "/compare?left=run:base&right=run:tuned")
            assert "variant 'base' is not part of run run" in told  # its record names none
            writer.rollback()
            writer.close()
    assert settings.store.read_bytes() == before


def test_a_damaged_result_is_said(own: Pages) -> None:
    connection = sqlite3.connect(own.settings.store)
    connection.execute("UPDATE results SET body = replace(body, 'full refund', 'no refund')")
    connection.commit()
    connection.close()
    text = own.told(500, "/case", suite="invoices", case="inv-0001")
    assert "the store is damaged" in text and "cache verify --repair" in text
    assert "2 runs" in own.get("/")


def test_hostile_text_is_shown_and_does_nothing(own: Pages) -> None:
    info = record(2)
    hostile = replace(
        results_of(2)[0],
        responses=(HOSTILE,),
        reason=HOSTILE,
        outcome=Outcome.FAIL,
        tags=("<b>",),
        prompt=({"role": "user", "content": HOSTILE},),
    )
    variants = tuple(replace(each, model=HOSTILE.replace("\ud800", "")) for each in info.variants)
    with Store(own.settings.store) as store:
        store.start_run(replace(info, variants=variants))
        store.put_result(info.id, 0, hostile)
        say_of(store, info.id, label="<i>label</i>", note="<script>note</script>\n\x07")
    for path in (
        "/",
        f"/run/{info.id}",
        f"/case?suite={hostile.suite}&case={hostile.case}",
        f"/prompt?run={info.id}&position=0",
    ):
        html = own.client.get(path).text
        assert not re.search(r"<script>|<i>|<b>|[\x07\x1b\u202e\ud800]", html), path
    case = own.client.get("/case", params={"suite": hostile.suite, "case": hostile.case}).text
    assert "&lt;script&gt;window.hacked=1&lt;/script&gt;\\x1b[31m\\u202eevil\\ud800" in case
    for query in ({"q": HOSTILE[:-1]}, {"suite": "<b>"}, {"variant": '"><script>'}):
        html = own.client.get(f"/run/{info.id}", params=query).text
        assert "<script>" not in html and "<b>" not in html


@pytest.mark.full  # imports transformers
def test_the_prompt_as_it_is_rendered(own: Pages) -> None:
    """By the template and the tokenizer of the model, and counted against the run."""
    model = str(ROOT / "fixtures" / "model")
    info = record(2)
    info = replace(
        info,
        backend="hf",
        variants=tuple(replace(each, model=model, adapter=None) for each in info.variants),
    )
    right = replace(
        results_of(2)[0], prompt=({"role": "user", "content": "Hi <|im_end|>"},), prompt_tokens=11
    )
    with Store(own.settings.store) as store:
        store.start_run(info)
        rows = [right, replace(right, prompt_tokens=99, variant="new")]
        store.put_results(info.id, [ResultRow(n, row) for n, row in enumerate(rows)])
    answer = own.client.get("/prompt", params={"run": info.id, "position": "0"}).text
    found = re.search(r"(?s)<pre[^>]*>(.*?)</pre>", answer)
    assert found and unescape(found[1]) == (
        "<|im_start|>user\nHi <|im_end|><|im_end|>\n<|im_start|>assistant\n"
    )
    assert "11 tokens, as many as the run counted" in answer
    assert "11 tokens, the run counted 99" in own.get(f"/prompt?run={info.id}&position=1")
    assert "suites/invoices.yaml has no such case now" in answer
    told = own.get("/prompt", run=run_id(0), position="0")
    assert "Not rendered. backend echo takes messages" in told


def test_a_model_that_is_gone_is_said(own: Pages) -> None:
    info = replace(record(2), backend="hf")
    with Store(own.settings.store) as store:
        store.start_run(info)
        store.put_result(info.id, 0, results_of(2)[0])
    told = own.get("/prompt", run=info.id, position="0")
    assert "Not rendered. the model is not there any more: models/lina" in told
    assert "May I send order 0 of invoices back?" in told
    assert VariantRole.BASELINE.value in own.get(f"/run/{info.id}")
