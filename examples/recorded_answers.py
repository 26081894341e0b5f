"""Answers that were recorded elsewhere: scored, gated, compared and put into a table.

Run it from anywhere: python examples/recorded_answers.py
"""

import json
from pathlib import Path

import harness

CAPITALS = {
    "France": "Paris", "Poland": "Warsaw", "Japan": "Tokyo", "Peru": "Lima",
    "Kenya": "Nairobi", "Chile": "Santiago", "Norway": "Oslo", "Greece": "Athens",
}  # fmt: skip
SUITE = harness.make_suite(
    "capitals",
    [
        {
            "id": country.lower(),
            "user": f"What is the capital of {country}?",
            "checks": [{"contains": capital}],
            "tags": ["europe" if country in ("France", "Poland", "Norway", "Greece") else "far"],
        }
        for country, capital in CAPITALS.items()
    ],
    gate={"min_pass_rate": 0.5},
)


def recorded(known: int, variant: str) -> list[dict[str, str]]:
    """Return the answers of a model that knows the first capitals only."""
    return [
        {
            "case": country.lower(),
            "variant": variant,
            "response": f"It is {capital}." if number < known else "I do not know.",
        }
        for number, (country, capital) in enumerate(CAPITALS.items())
    ]


if __name__ == "__main__":
    rows = [*recorded(8, "base"), *recorded(2, "tuned")]
    Path("answers.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    report = harness.score(SUITE, responses="answers.jsonl")
    print(report)

    frame = report.to_frame()
    frame["tag"] = frame["tags"].str[0]
    print(frame.pivot_table("passed", "tag", "variant").to_string())
    failed = frame[~frame["passed"]]
    print(failed[["case", "question", "response"]].head(2).to_string(index=False))

    again = harness.load_run("latest")
    print(again.info.id == report.info.id, again)

    compared = harness.compare("latest:base", "latest:tuned")
    row = compared.gate.suites[-1]
    if row.comparison:
        print(row.verdict, f"p = {row.comparison.p:.3f}", ", ".join(row.comparison.worse))
