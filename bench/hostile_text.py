"""Time every check on hostile text: `python -m bench.hostile_text [MEGABYTES]`.

One text repeats one short unit (a bracket, a tag, a digit, a bullet ...) up to the size that is
given. The table lists the slowest pairs of check and unit first, in seconds of this process.
"""

from __future__ import annotations

import sys
import time
from dataclasses import replace

from harness.scorers import Answer, all_scorers, parse_check
from tests.scorers.test_bounds import UNITS, filled


def main(megabytes: float) -> None:
    """Print the twenty slowest pairs."""
    size = int(megabytes * 1_000_000)
    rows = []
    for scorer in all_scorers():
        if scorer.example is None or scorer.example.requires:
            continue
        check = parse_check({scorer.name: scorer.example.args}, modules=scorer.example.modules)
        for name, unit in UNITS.items():
            answer = Answer(filled(unit, size), filled(unit, size))
            replies = {q.key: "Rating: 5" for q in check.questions(answer, scorer.example.context)}
            begun = time.process_time()
            check(answer, replace(scorer.example.context, asked=replies))
            rows.append((time.process_time() - begun, scorer.name, name))
    for seconds, check_name, unit_name in sorted(rows, reverse=True)[:20]:
        print(f"{seconds:8.2f} s  {check_name:24} {unit_name}")


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 0.05)
