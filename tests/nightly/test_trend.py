"""`trend.html`: lines, marks and findings; everything from the project is escaped."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from harness.nightly import Night, NightFinding, Rival
from harness.nightly.alerts import headline
from harness.nightly.trend import write_trend
from harness.nightly.values import NightRate
from harness.results import Basis, Verdict
from tests.nightly.conftest import ALL, CONFIG, WORSE, Sleep
from tests.reports.browser import CHROMIUM, DRIVER, MISSING, Browser, browser


def page(report_page: Path) -> str:
    return report_page.read_text("utf-8")


def rate(share: float, run: str, signature: str = "s") -> NightRate:
    return NightRate("colours", "format", "new", 10, round(share * 10), share, 0, 1, run, signature)


def night(number: int, share: float, signature: str = "s", **more: object) -> Night:
    return Night(
        id=f"n{number}",
        series="production",
        started=f"2026-11-{20 + number}T02:00:00+00:00",
        plan="p",
        runs={"suites": f"run{number}"},
        finished=True,
        rates=(rate(share, f"run{number}", signature),),
        **more,  # type: ignore[arg-type]  # findings, say
    )


def test_a_line_has_a_point_for_every_night(sleep: Sleep) -> None:
    report = [sleep(day) for day in range(3)][-1]

    lines = re.findall(r'class="line" points="([^"]+)"', page(report.page))
    assert [len(line.split()) for line in lines] == [3, 3]
    assert "No alert" in page(report.page)
    assert 'href="../../' in page(report.page)
    run = report.night.rates[0].run
    assert f"run {run}</a>" in page(report.page)
    assert f"<title>run {run}, " in page(report.page)


def test_nights_that_may_not_be_compared_are_not_joined(tmp_path: Path) -> None:
    """Other cases or checks leave a gap; another adapter is marked on the line."""
    bases = [Basis("a", "e", "c", "m"), Basis("a", "e", "c", "n"), Basis("b", "e", "c", "n")]
    nights = [
        replace(each, rates=(replace(each.rates[0], basis=basis, bar=0.8),))
        for each, basis in zip([night(n, 0.5) for n in range(3)], bases, strict=True)
    ]
    text = page(write_trend(tmp_path / "trend.html", nights, (), ()))

    assert [len(x.split()) for x in re.findall(r'class="line" points="([^"]+)"', text)] == [2]
    assert "changed: model or adapter 21 Nov, cases or checks 22 Nov" in text
    ticks = re.findall(r'class="tick[^>]*>([^<]+)<', text)
    assert ticks == ["80 %", "50 %", "20 Nov 2026", "22 Nov 2026"]
    assert text.count('<line class="bar"') == 1


def test_a_gain_is_in_the_headline(tmp_path: Path) -> None:
    better = NightFinding(Rival.LAST_NIGHT, "colours", "new", Verdict.PASS, 0.3, 0.1)
    nights = [night(0, 0.5), night(1, 0.9, findings=(better,))]
    text = page(write_trend(tmp_path / "trend.html", nights, (), ()))

    assert ">No alert; better: new in colours</h1>" in text
    assert headline(nights[1], ()).endswith(": no alert; better: new in colours")


def test_a_night_that_got_worse_is_marked(sleep: Sleep) -> None:
    sleep()
    report = sleep(1, base=ALL, new=WORSE)

    assert page(report.page).count('<polygon class="worse"') == 2  # the other is in the legend
    assert "got worse on 22 Nov 2026" in page(report.page)
    assert "2 alerts: new" in page(report.page)


def test_other_weights_are_marked_and_a_better_night_is(tmp_path: Path) -> None:
    better = NightFinding(Rival.LAST_NIGHT, "colours", "new", None, 0.3, 0.1)
    nights = [night(0, 0.5), night(1, 0.5, "t"), night(2, 0.9, "t", findings=(better,))]
    text = page(write_trend(tmp_path / "trend.html", nights, (), ()))

    assert "got better on 22 Nov 2026, last changed on 21 Nov 2026" in text
    assert text.count('<polygon class="better"') == 2
    assert text.count('<line class="changed"') == 2


def test_text_stays_text(tmp_path: Path) -> None:
    failure = "<script>alert(1)</script>"
    text = page(
        write_trend(tmp_path / "t.html", [night(0, 0.5, failures=(failure,))], (), (failure,))
    )

    assert "<script>" not in text
    assert text.count("&lt;script&gt;") == 2


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("profile")) as driver:
        yield driver


@pytest.mark.slow
@pytest.mark.skipif(not (CHROMIUM and DRIVER), reason=MISSING)
@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_fetches_nothing_and_fits(window: Browser, sleep: Sleep, width: int) -> None:
    """Eight candidates: their table is wider than a phone and scrolls by itself."""
    others = [f"a-candidate-with-a-long-name-{n}" for n in range(7)]
    rows = "".join(f"  {name}: {{adapter: adapters/{name}}}\n" for name in others)
    Path("nightly.yaml").write_text(CONFIG + rows)
    same = dict.fromkeys(others, ALL)
    nights = [sleep(day, base=ALL, new=signs, **same) for day, signs in enumerate((ALL, WORSE))]
    report = nights[-1]
    window.size(width, 900)
    window.open(report.page.resolve())

    assert window.complaints() == []
    assert {url.partition("#")[0] for url in window.requests()} == {report.page.resolve().as_uri()}
    assert window.one("h1").text == "2 alerts: new"
    fits = "return document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    assert window.run(fits)
    assert len(window.all(".versus tbody tr")) == 8
    (link, *_) = window.all(".candidate .look a")
    href = link.get_attribute("href")
    assert href.endswith("/scorecard.html#case/colours/c00/new")
    assert Path(urlsplit(href).path).is_file()
