"""An adapter against its base, on the model that lies in fixtures/: some seconds on a CPU.

Run it from anywhere: python examples/gate_an_adapter.py
"""

from dataclasses import replace
from pathlib import Path

import harness

ROOT = Path(__file__).resolve().parents[1]

if __name__ == "__main__":
    suite = harness.load_suites([ROOT / "suites" / "starter" / "multilingual.yaml"])[0]
    print(suite)
    report = harness.run(
        replace(suite, cases=suite.cases[::4]),  # every fourth case: it is an example
        model=ROOT / "fixtures" / "model",
        adapter=[f"forgetful={ROOT / 'fixtures' / 'adapters' / 'forgetful'}"],
        backend="hf",
        device="cpu",
    )
    print(report)
    candidate = report.scorecard.candidates()[0]
    print(candidate.verdict, "-", candidate.summary)
    row = report.gate.suites[-1]
    assert row.comparison
    print(f"{row.rate.passed} of {row.rate.n} cases pass, {row.comparison.delta:+.1%}")
    lost = [r for r in report.results() if r.variant == "forgetful" and r.case in row.got_worse]
    for result in lost[:3]:
        print(f"{result.case}: {result.question!r} -> {result.responses[-1]!r}")
    print("exit code", report.exit_code)
