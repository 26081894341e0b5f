"""The list of runs, and one run: what it found so far, its cases, what people said of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response

from harness.common import NAME, InputError, Problem, moment, nearest, percent, plural
from harness.config import Settings
from harness.nightly import nights_of_runs
from harness.reports import LATEST, kept_rates, kept_verdict, label, rate_strip
from harness.results import Outcome, RunInfo, Verdict
from harness.store import (
    CaseFilter,
    CaseInRun,
    Remark,
    Store,
    cases_of,
    count_results,
    existing_store,
    find_run,
    newest_answer,
    remark_of,
    remarks,
    run_ids,
    runs_holding,
    tally,
)
from harness.viewer.pages import PACKAGE, Pager, page, page_number

RUNS, CASES = 50, 50  # on a page
SILENT = timedelta(minutes=10)  # without a new answer a run counts as stopped
UNFINISHED = "unfinished"
SIGNS = {Outcome.PASS: "✓", Outcome.FAIL: "✗", Outcome.ERROR: "!", Outcome.SKIPPED: "–"}
# The report brings its own policy, which names its script by its hash; beside ours it would be
# blocked. In a sandbox it is no page of this server: it can ask nothing of it.
REPORT_POLICY = (
    "sandbox allow-scripts; default-src 'none'; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'"
)


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a run is: results so far, and how many it will have where that is known.

    `state` is "finished", "running", or "stopped" for one that is not finished and makes no answer.
    """

    state: str
    done: int
    planned: int | None
    since: str = ""

    @property
    def said(self) -> str:
        """Return it in words: "running: 120 of 400 results, 30 %"."""
        if self.state == "finished":
            return "finished"
        of = f"{self.done:,} of {plural(self.planned, 'result')}" if self.planned else ""
        share = f", {percent(min(1.0, self.done / self.planned), 0)}" if self.planned else ""
        results = (of or f"{plural(self.done, 'result')} so far") + share
        if self.state == "running":
            return f"running: {results}"
        last = f"; the last answer came {moment(self.since)}" if self.since else ""
        return f"not finished: {results}{last}"


def standing_of(store: Store, info: RunInfo) -> Standing:
    """Return how far a run is, from what it has left in the store so far."""
    if info.finished:
        return Standing("finished", 0, None)
    planned: int | None = 0
    for suite in info.suites:
        repeats = suite.sampling.get("repeats", 1)
        if not isinstance(repeats, int):  # each case has its own
            planned = None
        if planned is not None and isinstance(repeats, int):
            planned += suite.selected * repeats * len(info.answered)
    latest = store.latest()
    is_newest = latest is not None and latest.id == info.id
    since = max(newest_answer(store), info.started) if is_newest else ""
    fresh = bool(since) and datetime.now(UTC) - datetime.fromisoformat(since) < SILENT
    done = count_results(store, info.id)
    return Standing("running" if fresh else "stopped", done, planned, since)


@dataclass(frozen=True, slots=True)
class RunLine:
    """One run in the list."""

    info: RunInfo
    verdict: Verdict | None
    remark: Remark
    standing: Standing

    @property
    def models(self) -> str:
        """Return what answered: "models/base; new: adapters/new"."""
        models = dict.fromkeys(variant.model for variant in self.info.variants)
        adapters = [f"{v.name}: {v.adapter}" for v in self.info.variants if v.adapter]
        return "; ".join([*models, *adapters])


def runs_page(settings: Settings, request: Request) -> Response:
    """List the runs, newest first, narrowed down by text and by verdict."""
    text = request.query_params.get("q", "").strip()
    verdict = request.query_params.get("verdict", "")
    with existing_store(settings.path(settings.store), read_only=True) as store:
        said, ids = remarks(store), run_ids(store)
        if text:
            holding = set(runs_holding(store, text))
            small = text.lower()
            holding |= {
                run for run, its in said.items() if small in f"{its.label}\n{its.note}".lower()
            }
            ids = [run for run in ids if run in holding]
        if verdict == UNFINISHED:
            ids = [run for run in ids if not store.run(run).finished]
        elif verdict:
            kept = {run: kept_verdict(store, run) for run in ids}
            ids = [run for run in ids if (its := kept[run]) is not None and its.value == verdict]
        pager = Pager(page_number(request), RUNS, len(ids))
        shown = ids[(pager.number - 1) * RUNS : pager.number * RUNS]
        lines = []
        for run in shown:
            info = store.run(run)
            remark = said.get(run, Remark())
            lines.append(RunLine(info, kept_verdict(store, run), remark, standing_of(store, info)))
    choices = {each.value: label(each) for each in Verdict}
    return page(
        request,
        "Runs",
        PACKAGE,
        "runs.html.jinja",
        lines=lines,
        pager=pager,
        text=text,
        verdict=verdict,
        verdicts={**choices, UNFINISHED: "not finished"},
        store=str(settings.store),
    )


def known_run(store: Store, run_id: str) -> RunInfo:
    """Return the record of a run, by its id or `latest`.

    Raises InputError for none, and says where it was pruned.
    """
    if run_id == LATEST:
        return find_run(store, run_id)
    known = run_ids(store)
    if run_id in known:
        return store.run(run_id)
    place = str(store.path)
    if kept_rates(store, run_id):
        raise InputError(
            Problem(
                f"run {run_id} is not in the store any more: its answers were pruned",
                path=place,
                found="its rates, which are kept: they are points of the trend",
                hint="its report may still be there: see reports/ and the trend",
            )
        )
    message = f"run {run_id!r} is not in the store"
    raise InputError(
        Problem(message, place, did_you_mean=nearest(run_id, known), hint="/ lists the runs")
    )


@dataclass(frozen=True, slots=True)
class SuiteRow:
    """One variant in one suite of a run; `rate` is None where it is not known yet, or partial."""

    variant: str
    role: str
    outcomes: Mapping[Outcome, int]
    rate: float | None
    verdict: Verdict | None

    @property
    def done(self) -> int:
        """Return how many results there are."""
        return sum(self.outcomes.values())


def run_page(settings: Settings, request: Request) -> Response:
    """Show one run: how it stands, its suites and variants, and a page of its cases."""
    run_id = request.path_params["run"]
    query = request.query_params
    wanted = CaseFilter(
        query.get("suite", ""),
        query.get("variant", ""),
        query.get("outcome", ""),
        query.get("q", "").strip(),
    )
    number = page_number(request)
    with existing_store(settings.path(settings.store), read_only=True) as store:
        info = known_run(store, run_id)
        run_id = info.id
        standing = standing_of(store, info)
        counts, rates = tally(store, run_id), kept_rates(store, run_id)
        after = (number - 1) * CASES
        cases, total = cases_of(store, run_id, wanted, most=CASES, after=after)
        ids = run_ids(store)
        before = next(iter(ids[ids.index(run_id) + 1 :]), "")
        remark, verdict = remark_of(store, run_id), kept_verdict(store, run_id)
        night = nights_of_runs(store).get(run_id, "")
    suites = []
    for suite in info.suites:
        rows = []
        for variant in info.answered:
            line = suite.name, variant.name
            past = rates.get(line)
            rate, judged = (past.pass_rate, past.verdict) if past else (None, None)
            role = variant.role.value
            rows.append(SuiteRow(variant.name, role, counts.get(line, {}), rate, judged))
        suites.append((suite, rows))
    report = settings.path(settings.report_dir) / run_id / "scorecard.html"
    return page(
        request,
        f"Run {run_id}",
        PACKAGE,
        "run.html.jinja",
        info=info,
        standing=standing,
        remark=remark,
        verdict=verdict,
        night=night,
        before=before,
        suites=suites,
        cases=[(case, marks_of(case)) for case in cases],
        question=question,
        pager=Pager(number, CASES, total),
        wanted=wanted,
        outcomes=[outcome.value for outcome in Outcome],
        rate_strip=rate_strip,
        has_report=report.is_file(),
    )


def marks_of(case: CaseInRun) -> list[tuple[str, str]]:
    """Return kind and text of a mark for each variant: ("fail", "✗ new 2/3")."""
    marks = []
    for variant, outcomes in case.outcomes.items():
        worst = next(o for o in (Outcome.ERROR, Outcome.FAIL, *Outcome) if o in outcomes)
        several = sum(outcomes.values())
        count = f" {outcomes[worst]}/{several}" if several > 1 else ""
        marks.append((worst.value, f"{SIGNS[worst]} {variant}{count}"))
    return marks


def question(case: CaseInRun) -> str:
    """Return the last thing that the user said, in one line."""
    asked = [message["content"] for message in case.telling.prompt if message["role"] == "user"]
    return " ".join(str(asked[-1]).split())[:300] if asked else ""


def live(settings: Settings, request: Request) -> Response:
    """Say how far a run is; the page asks again and again."""
    with existing_store(settings.path(settings.store), read_only=True) as store:
        info = known_run(store, request.path_params["run"])
        standing = standing_of(store, info)
    return JSONResponse(
        {
            "state": standing.state,
            "said": standing.said,
            "done": standing.done,
            "planned": standing.planned,
        }
    )


LONGEST_NAME = 200  # characters: a name of a folder has 255 at most


def report(settings: Settings, request: Request) -> Response:
    """Give the HTML scorecard of a run, as it lies in its folder."""
    run_id = request.path_params["run"]
    if not NAME.fullmatch(run_id) or run_id.startswith(".") or len(run_id) > LONGEST_NAME:
        raise HTTPException(404)
    path = settings.path(settings.report_dir) / run_id / "scorecard.html"
    if not path.is_file():
        hint = f"`harness show {run_id}` writes it again, from the store"
        raise InputError(Problem("this run has no scorecard", str(path), hint=hint))
    headers = {"content-security-policy": REPORT_POLICY}
    return FileResponse(path, media_type="text/html", headers=headers)
