"""Rates over runs and nights: a line for each suite and variant, and one line with its points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from harness.common import InputError, Problem, nearest, percent
from harness.config import Settings
from harness.nightly import nights_of_runs
from harness.reports import all_rates, changed_in, day, line_of, points_of, scale_of
from harness.results import Past, Verdict
from harness.store import Store, existing_store, run_ids
from harness.viewer.pages import PACKAGE, Pager, link, page, page_number

SUITES = 10  # on a page of all lines
SHOWN = 40  # newest points of a line among others
DRAWN, NARROW = 200, 60  # newest points of a line by itself, and on a phone
WORSE = (Verdict.REGRESSED, Verdict.BELOW_THRESHOLD)


@dataclass(frozen=True, slots=True)
class RateLine:
    """One suite and variant over its runs; `drawing` is empty for fewer than two points."""

    suite: str
    variant: str
    backend: str
    past: tuple[Past, ...]
    bar: float | None
    drawing: Markup
    narrow: Markup

    @property
    def newest(self) -> Past:
        """Return the newest rate."""
        return self.past[-1]

    @property
    def changed(self) -> str:
        """Return what changed, and when last."""
        return changed_in(self.past)

    @property
    def spoken(self) -> str:
        """Return the rates for those who see no drawing, oldest first."""
        return ", ".join(percent(each.pass_rate, 0) for each in self.past[-SHOWN:])


def trend_page(settings: Settings, request: Request) -> Response:
    """Show all lines; or those of one suite, or one by itself."""
    query = request.query_params
    if query.get("variant"):
        return line_page(settings, request)
    suite, text = query.get("suite", ""), query.get("q", "").strip().lower()
    number = page_number(request)
    with existing_store(settings.path(settings.store), read_only=True) as store:
        rates, there = all_rates(store), set(run_ids(store))
        bars = _Bars(store, there)
        names = list(dict.fromkeys(key[0] for key in rates))
        names = [name for name in names if name == suite or (not suite and text in name.lower())]
        if suite and not names:
            raise InputError(_unknown(suite, "", [key[:2] for key in rates]))
        pager = Pager(number, SUITES, len(names))
        shown = names[(number - 1) * SUITES : number * SUITES]
        scale = scale_of_all([past[-SHOWN:] for key, past in rates.items() if key[0] in shown])
        panels = [
            (
                name,
                [
                    _line(key, past[-SHOWN:], bars.of(name, past), there, scale)
                    for key, past in sorted(rates.items())
                    if key[0] == name
                ],
            )
            for name in shown
        ]
    several = len({key[2] for key in rates}) > 1
    return page(
        request,
        f"Trend of {suite}" if suite else "Trend",
        PACKAGE,
        "trend.html.jinja",
        panels=panels,
        pager=pager,
        text=text,
        suite=suite,
        several=several,
    )


def scale_of_all(lines: Sequence[Sequence[Past]]) -> tuple[float, float]:
    """Return one axis for all of these lines."""
    return scale_of(past.pass_rate for line in lines for past in line)


class _Bars:
    """What suites demand, as their newest runs say it; each run is read once."""

    def __init__(self, store: Store, there: set[str]) -> None:
        self._store, self._there = store, there
        self._known: dict[str, dict[str, float | None]] = {}

    def of(self, suite: str, past: Sequence[Past]) -> float | None:
        """Return the bar of a suite, from the newest of these runs that is still there."""
        run = next((each.run for each in reversed(past) if each.run in self._there), None)
        if run is None:
            return None
        if run not in self._known:
            suites = self._store.run(run).suites
            self._known[run] = {each.name: each.gate.min_pass_rate for each in suites}
        return self._known[run].get(suite)


def _line(
    key: tuple[str, str, str],
    past: tuple[Past, ...],
    bar: float | None,
    there: set[str],
    scale: tuple[float, float],
    *,
    big: bool = False,
) -> RateLine:
    """Return a line whose points lead to the runs that are still in the store."""
    points = tuple(
        replace(
            point,
            mark="worse" if each.verdict in WORSE else point.mark,
            href=f"/run/{each.run}" if each.run in there else "",
        )
        for point, each in zip(points_of(past), past, strict=True)
    )
    if bar is not None and big:  # beside others, one axis fits all lines
        scale = scale_of([*scale, bar])

    def drawn(most: int, width: float, high: float) -> Markup:
        newest, its = past[-most:], points[-most:]
        days = (day(newest[0].started), day(newest[-1].started))
        return line_of(its, scale, bar=bar, days=days, width=width, high=high)

    drawing = drawn(DRAWN, 1000.0, 220.0) if big else drawn(SHOWN, 280.0, 56.0)
    narrow = drawn(NARROW, 330.0, 160.0) if big else Markup("")
    return RateLine(*key, past, bar, drawing, narrow)


@dataclass(frozen=True, slots=True)
class RatePoint:
    """One point of a line: what changed since the one before, None for the first."""

    past: Past
    delta: float | None
    changes: tuple[str, ...]
    night: str
    is_there: bool


def line_page(settings: Settings, request: Request) -> Response:
    """Show the line of one suite and variant with every point that it has, the newest first."""
    query, number = request.query_params, page_number(request)
    suite, variant, backend = (query.get(name, "") for name in ("suite", "variant", "backend"))
    with existing_store(settings.path(settings.store), read_only=True) as store:
        rates, there = all_rates(store), set(run_ids(store))
        lines = {key: past for key, past in rates.items() if key[:2] == (suite, variant)}
        if not lines:
            raise InputError(_unknown(suite, variant, [key[:2] for key in rates]))
        key = next((key for key in lines if key[2] == backend), next(iter(lines)))
        past = lines[key]
        bar, scale = _Bars(store, there).of(suite, past), scale_of_all([past])
        line, nights = _line(key, past, bar, there, scale, big=True), nights_of_runs(store)
    rows = []
    before: Past | None = None
    for each in past:
        comparable = before is not None and each.basis.comparable(before.basis)
        rows.append(
            RatePoint(
                each,
                each.pass_rate - before.pass_rate if before and comparable else None,
                each.basis.changes(before.basis) if before else (),
                nights.get(each.run, ""),
                each.run in there,
            )
        )
        before = each
    rows.reverse()
    pager = Pager(number, 50, len(rows))
    others = [
        (each, link("/trend", suite=suite, variant=variant, backend=each)) for _, _, each in lines
    ]
    return page(
        request,
        f"{line.variant} in {line.suite}",
        PACKAGE,
        "line.html.jinja",
        line=line,
        rows=rows[(number - 1) * pager.size : number * pager.size],
        pager=pager,
        others=others,
        most=DRAWN,
    )


def _unknown(suite: str, variant: str, known: list[tuple[str, str]]) -> Problem:
    what = f"variant {variant!r} in suite {suite!r}" if variant else f"suite {suite!r}"
    suites = [name for name, _ in known]
    close = nearest(suite, suites) if suite not in suites else ""
    variants = [name for its, name in known if its == suite]
    return Problem(
        f"no rate was kept of {what}",
        did_you_mean=close or nearest(variant, variants),
        hint="a run that finished with the whole suite keeps one; /trend lists them",
    )
