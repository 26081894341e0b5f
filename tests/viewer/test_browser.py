"""The viewer in a real browser: by keyboard, on a phone, in the dark, while a run goes on."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from harness.config import Settings
from harness.results import Outcome
from harness.store import ResultRow, Store, drop_runs, say_of
from harness.viewer import NAVIGATION, LocalServer, view_routes
from tests.reports.browser import CHROMIUM, DRIVER, MISSING, Browser, browser
from tests.viewer.serving import serving
from tests.viewer.worlds import RUNS, keep, project, record, results_of, run_id, write_runs

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason=MISSING),
]
NEWEST = run_id(RUNS - 1)
ESCAPE, ENTER, DOWN = "\ue00c", "\ue007", "\ue015"
CASE = f"/case?suite=invoices&case=inv-0004&run={NEWEST}"
PATHS = (
    "/",
    f"/run/{NEWEST}",
    CASE,
    "/trend",
    "/trend?suite=invoices&variant=new",
    f"/compare?run={NEWEST}&run={run_id(55)}",
    f"/prompt?run={NEWEST}&position=0",
)
HOSTILE = "</p><script>window.hacked=1</script><img src=x onerror='window.hacked=1'>"


@dataclass(frozen=True)
class Open:
    """A browser, and the server that it looks at."""

    browser: Browser
    server: LocalServer
    settings: Settings

    def go(self, path: str) -> Browser:
        """Open a page with the token, as from the terminal, and wait for its script."""
        self.browser.open(self.server.link(path))
        return self.browser

    def arrived(self, path: str) -> None:
        """Wait until a page is there, by the beginning of its address."""
        ready = "document.documentElement.dataset.ready === 'true'"
        at = "location.pathname + location.search"
        self.browser.wait(f"{ready} && ({at}).startsWith({path!r})")


@pytest.fixture(scope="module")
def window(sixty_runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Open]:
    settings = project(tmp_path_factory.mktemp("project"))
    shutil.copy(sixty_runs, settings.store)
    server = LocalServer(view_routes(settings), port=0, navigation=NAVIGATION)
    with serving(server), browser(tmp_path_factory.mktemp("profile")) as driver:
        yield Open(driver, server, settings)


@pytest.fixture
def viewer(window: Open) -> Iterator[Open]:
    """Whatever a test does, nobody complains and nothing is fetched from elsewhere."""
    window.browser.size(1280, 950)
    window.browser.media(prefers_color_scheme="light")
    yield window
    assert window.browser.complaints() == []
    own = f"http://127.0.0.1:{window.server.port}/"
    assert all(url.startswith((own, "data:,", "about:")) for url in window.browser.requests())


def test_the_token_is_gone_from_the_address(viewer: Open) -> None:
    page = viewer.go("/?q=lina")
    assert page.driver.current_url == f"http://127.0.0.1:{viewer.server.port}/?q=lina"
    assert page.one("h1").text == "60 runs found"


def test_everything_by_keyboard(viewer: Open) -> None:
    page = viewer.go("/")
    page.press("j", "j", "k", DOWN)
    assert page.run("return document.activeElement.getAttribute('href')") == f"/run/{run_id(58)}"
    outline = page.run("return getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    page.press("n")
    viewer.arrived("/?page=2")
    page.press("p")
    viewer.arrived("/?page=1")
    page.press("/", "before", ESCAPE, "k")
    assert page.run("return document.activeElement.matches('[data-row]')")
    page.press("/")
    page.press(f"{run_id(58)[:10]}", ENTER)
    viewer.arrived("/?q=20260428-0")
    page.press("j", ENTER)
    viewer.arrived(f"/run/{run_id(58)}")
    page.press("j", ENTER)
    viewer.arrived("/case?suite=invoices&case=inv-0000")
    page.press("n")
    viewer.arrived("/case?suite=invoices&case=inv-0001")
    page.press("?")
    assert page.one("#keys").is_displayed()
    page.press(ESCAPE)
    assert not page.one("#keys").is_displayed()
    page.press(ESCAPE)
    viewer.arrived(f"/run/{run_id(58)}")
    page.press(ESCAPE)
    viewer.arrived("/")


def test_two_runs_chosen_in_the_list_are_compared(viewer: Open) -> None:
    page = viewer.go("/")
    for box in page.all("input[name=run]")[:2]:
        box.click()
    page.one("#compare button").click()
    viewer.arrived("/compare?run=")
    assert page.texts(".over") == [f"{run_id(58)}:new → {NEWEST}:new"]
    page.one("[data-row]").click()
    viewer.arrived("/case?")
    assert [text.split()[0] for text in page.texts(".side .head")] == ["new", "new"]


def test_two_answers_are_chosen_and_what_differs_is_marked(viewer: Open) -> None:
    page = viewer.go(CASE)
    assert page.texts(".side del") == ["You get a full refund for order "]
    page.all("input[name=left]")[3].click()
    page.wait("location.search.includes('&left=9%40') && document.querySelector('.side ins')")
    assert page.run("return document.querySelector('input[name=left]:checked').value").startswith(
        "9@"
    )
    marked = page.all(".side ins")
    assert marked and all(each.value_of_css_property("text-decoration-line") for each in marked)


def test_a_point_of_the_trend_leads_to_its_run(viewer: Open) -> None:
    page = viewer.go("/trend?suite=invoices&variant=new")
    page.one(f".wide-only a[href='/run/{run_id(3)}'] .ring").click()
    viewer.arrived(f"/run/{run_id(3)}")
    assert page.one("h1").text.startswith(("✓", "✗"))


@pytest.mark.parametrize("path", PATHS)
def test_it_fits_a_phone_and_a_screen_reader(viewer: Open, path: str) -> None:
    viewer.browser.size(390, 844)
    page = viewer.go(path)
    assert page.run("return document.documentElement.scrollWidth") == 390
    assert page.run(OUTSIDE) == 0
    assert page.run(NAMELESS) == 0
    assert len(page.all("h1")) == len(page.all("main")) == 1
    assert page.all("nav [aria-current=page]") or path not in NAVIGATION.values()


OUTSIDE = """return [...document.querySelectorAll('main a, main button, main input')]
    .filter((e) => e.checkVisibility() && e.getBoundingClientRect().right > 391).length"""
NAMELESS = """return [...document.querySelectorAll("main input, main select, main button, main a")]
    .filter((e) => e.type !== "hidden" && !(e.ariaLabel || e.textContent.trim()
      || e.labels?.[0]?.textContent.trim() || e.querySelector("title"))).length"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_in_the_dark_and_in_the_light(viewer: Open, scheme: str) -> None:
    viewer.browser.media(prefers_color_scheme=scheme)
    for path in PATHS[:3]:
        worst = viewer.go(path).run(CONTRAST)
        assert worst >= 4.5, (path, worst)
    dark = (
        viewer.browser.run("return getComputedStyle(document.body).backgroundColor")
        == "rgb(19, 21, 25)"
    )
    assert dark == (scheme == "dark")


# The smallest contrast of visible text against what is behind it, as WCAG 2 defines it.
CONTRAST = """
const light = (c) => {
  const [r, g, b] = c.map((v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const parts = (text) => text.match(/[\\d.]+/g).map(Number);
const behind = (node) => {
  for (let at = node; at; at = at.parentElement) {
    const c = parts(getComputedStyle(at).backgroundColor);
    if (c.length < 4 || c[3] > 0) return c.slice(0, 3);
  }
  return [255, 255, 255];
};
let worst = 21;
for (const node of document.querySelectorAll("main *, header *")) {
  const own = [...node.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
  if (!own || !node.checkVisibility() || node.closest("svg, .unseen, option")) continue;
  const style = getComputedStyle(node);
  const [a, b] = [light(parts(style.color).slice(0, 3)), light(behind(node))];
  worst = Math.min(worst, (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05));
}
return worst;
"""


def test_a_run_is_followed_until_it_ends(viewer: Open) -> None:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    info, results = replace(record(RUNS, finished=False), started=now), results_of(RUNS)
    rows = [ResultRow(n, row) for n, row in enumerate(results)]
    with Store(viewer.settings.store) as store:
        store.start_run(info)
        page = viewer.go(f"/run/{info.id}")
        assert page.one("h1").text == "Running"
        store.put_results(info.id, rows[:10])
        said = "document.querySelector('[data-live]')?.textContent"
        page.wait(f"{said} === 'running: 10 of 40 results, 25 %'")
        page.wait("document.querySelector('progress').value === 10")
        store.put_results(info.id, rows)
        keep(store, info, results)
        store.finish_run(replace(info, finished=True))
        page.wait("!document.querySelector('[data-live]') && document.querySelector('h1')")
        assert page.one("h1").text == "✓ pass"
        drop_runs(store, [info.id])  # gone for the other tests


def test_hostile_text_does_nothing(viewer: Open) -> None:
    info = record(RUNS + 1)
    hostile = replace(
        results_of(0)[0],
        responses=(HOSTILE,),
        reason=HOSTILE,
        outcome=Outcome.FAIL,
        tags=(HOSTILE,),
    )
    with Store(viewer.settings.store) as store:
        store.start_run(info)
        store.put_result(info.id, 0, replace(hostile, case="hostile"))
        say_of(store, info.id, label=HOSTILE[:60], note=HOSTILE)
        for path in ("/", f"/run/{info.id}", "/case?suite=invoices&case=hostile"):
            page = viewer.go(path)
            assert "window.hacked" in page.one("main").text
            assert page.run("return window.hacked") is None and page.all("main img") == []
        say_of(store, info.id, label="", note="")
        drop_runs(store, [info.id])


def test_the_scorecard_works_in_its_sandbox(viewer: Open) -> None:
    from harness.reports import write_reports
    from tests.reports.story import story

    card, results = story()
    card = replace(card, run=replace(card.run, id=NEWEST))
    write_reports(viewer.settings.path(viewer.settings.report_dir), NEWEST, card, results)
    page = viewer.go(f"/run/{NEWEST}")
    page.one(".links a").click()
    page.wait("document.querySelectorAll('#list .row').length > 0")
    page.one("#list .row").click()
    assert page.all(".panel .side")
    assert page.run("return self.origin") == "null"


@pytest.mark.full
def test_two_hundred_runs_and_a_hundred_thousand_results(
    tmp_path: Path, window: Open, tmp_path_factory: pytest.TempPathFactory
) -> None:
    settings = project(tmp_path)
    write_runs(settings.store, 200, suites=5, cases=50)
    server = LocalServer(view_routes(settings), port=0, navigation=NAVIGATION)
    newest = run_id(199)
    with serving(server):
        large = replace(window, server=server, settings=settings)
        for path, told in {
            "/": "200 runs",
            "/?q=adapters": "200 runs found",
            f"/run/{newest}?q=cannot": "",
            f"/case?suite=suite-4&case=sui-0049&run={newest}": "sui-0049",
            "/trend": "Trend",
            "/trend?suite=suite-3&variant=new": "new",
            f"/compare?run={newest}&run={run_id(3)}": "",
        }.items():
            began = time.monotonic()
            page = large.go(path)
            print(f"{path[:40]:40} {time.monotonic() - began:.2f} s")
            assert page.one("h1").text.startswith(told)
            assert len(page.all("[data-row]")) <= 60 or path.startswith("/compare")
        assert window.browser.complaints() == []
