"""The A/A run: the baseline asked twice, the second time by nobody else and in another order."""

from __future__ import annotations

from pathlib import Path

from harness.backends import Completion, Request
from harness.common import MachineryError, Problem, Variant
from harness.evaluation import Counts, Limits, execute, make_plan
from harness.evaluation.noise import measure_noise, recalled_noise
from harness.results import RunInfo, ignore
from harness.store import Store
from harness.suites import load_suites
from tests.evaluation.engines import ScriptedEngine
from tests.reports.samples import info

CASES = [f"c{number:02}" for number in range(20)]
SUITE = "suite: colours\ncategory: format\ncases:\n" + "".join(
    f"  - {{id: {case}, user: Say red. {case}, checks: [{{contains: red}}]}}\n" for case in CASES
)


class Fickle:
    """Says red, and blue to c03 whenever it has been asked before."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, request: Request) -> Completion:
        case, variant = request.address.case, request.address.variant
        self.asked.append(f"{case}[{variant}]")
        again = self.asked.count(f"{case}[{variant}]") > 1
        return Completion("blue" if again and case == "c03" else "red", "stop")


def prepared(folder: Path, fickle: Fickle, baseline: str | None) -> tuple[Counts, Store, RunInfo]:
    """A run of two variants and its A/A run; what was answered twice, and the store."""
    suite = folder / "colours.yaml"
    suite.write_text(SUITE)
    variants = [Variant("base", "m"), Variant("new", "m", "a")]
    backend = ScriptedEngine(fickle)
    plan = make_plan(load_suites([suite]), variants, backend, baseline=baseline)
    store = Store(folder / "store.db")
    run = info(id="r", baseline=baseline)
    store.start_run(run)
    execute(plan, backend, store, run.id)
    return measure_noise(plan, backend, store, run, ignore, Limits()), store, run


def test_a_case_that_flips_is_found(tmp_path: Path) -> None:
    counts, store, run = prepared(tmp_path, Fickle(), "base")

    (floor,) = recalled_noise(store, run.id)
    assert counts.broken is None
    assert counts.generated == 20
    assert (floor.suite, floor.variant, floor.pairs) == ("colours", "base", 20)
    assert (floor.flip_rate, floor.flaky) == (0.05, ("c03",))
    store.close()


def test_only_the_baseline_is_asked_again_and_in_another_order(tmp_path: Path) -> None:
    fickle = Fickle()
    _, store, _ = prepared(tmp_path, fickle, "base")

    again = fickle.asked[40:]
    assert sorted(again) == [f"{case}[base]" for case in CASES]
    assert again != sorted(again)
    store.close()


def test_without_a_baseline_the_first_variant_is_asked_again(tmp_path: Path) -> None:
    _, store, run = prepared(tmp_path, Fickle(), None)

    assert [floor.variant for floor in recalled_noise(store, run.id)] == ["base"]
    store.close()


def test_the_results_of_the_run_stay_as_they_were(tmp_path: Path) -> None:
    _, store, run = prepared(tmp_path, Fickle(), "base")

    assert {result.responses for result in store.results(run.id)} == {("red",)}
    assert sorted(path.name for path in tmp_path.glob("aa-*")) == []
    store.close()


def test_an_engine_that_breaks_the_second_time_leaves_no_figures(tmp_path: Path) -> None:
    class Tired(Fickle):
        def __call__(self, request: Request) -> Completion:
            if len(self.asked) >= 45:
                raise MachineryError(Problem("out of memory"))
            return super().__call__(request)

    counts, store, run = prepared(tmp_path, Tired(), "base")

    assert str(counts.broken) == "out of memory"
    assert recalled_noise(store, run.id) == ()
    store.close()
