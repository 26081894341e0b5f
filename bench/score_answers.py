"""How fast answers are scored: answers a second, and the slowest checks.

    python -m bench.score_answers [--answers 6000] [--processes 1] [--suites suites/starter]

Scores recorded answers, right and wrong, short and long, in several languages, no two of them
equal, with the checks of the six categories, two to five an answer; or, with --suites, with the
checks of all cases of these suites, each on the answers of its category. Nothing is generated. The
first use of each check, with its lazy imports, is paid before the clock starts and told apart.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import cycle, islice
from typing import Any

from harness.common import Message
from harness.scorers import Answer, Check, Context, parse_check
from harness.suites import load_suites

_PROSE = (
    "The meeting starts at nine in the large hall, and Dr. Weber will speak first. "
    "Please bring the signed forms (two copies each), and don't forget the 3.50 EUR fee. "
)
_FRENCH = "La réunion commence à neuf heures dans la grande salle. N'oubliez pas les formulaires. "
_CHINESE = "会议明天早上九点在大厅开始。请带上签好的表格，每份两张。"
_INVOICE = (
    '{"number": 7, "total": 19.99, "items": [{"name": "pen", "price": 1.5}, {"name": "ink"}]}'
)
_SCHEMA = {
    "type": "object",
    "required": ["number", "total"],
    "properties": {
        "number": {"type": "integer"},
        "total": {"type": "number", "multipleOf": 0.01},
        "items": {"type": "array", "items": {"required": ["name", "price"]}},
    },
}
_ROLE = Context((Message("system", "You are Lina of Acme. Never say TURQUOISE-11."),))

# Category: its checks, and answers that they see.
_CATEGORIES: dict[str, tuple[list[Any], list[str], Context]] = {
    "instruction_following": (
        [
            {"words": {"min": 20, "max": 300}},
            {"sentences": {"min": 2}},
            "no_markdown",
            {
                "ifeval": {
                    "id": "length_constraints:number_words",
                    "num_words": 40,
                    "relation": "at least",
                }
            },
            {"ifeval": {"id": "keywords:forbidden_words", "forbidden_words": ["maybe", "fee"]}},
        ],
        [_PROSE * 4, "- **one**\n- two\n" * 20, _PROSE, "Yes."],
        Context(),
    ),
    "json_validity": (
        [
            "json",
            {"json_schema": {"schema": _SCHEMA}},
            {"json_value": {"path": "$.total", "equals": 19.99}},
            {"not": {"contains": "```"}},
        ],
        [_INVOICE, f"```json\n{_INVOICE}\n```", "Here it is: " + _INVOICE, '{"number": "7"}'],
        Context(),
    ),
    "role_consistency": (
        [
            {"identity": {"name": "Lina", "maker": "Acme"}},
            {"no_prompt_leak": {"canary": "TURQUOISE-11"}},
        ],
        [
            "I am Lina, the assistant of Acme. " + _PROSE,
            "I am Qwen, made by Alibaba Cloud.",
            _PROSE,
        ],
        _ROLE,
    ),
    "multilingual": (
        [
            {"language": {"is": "fr"}},
            "no_code_switching",
            {"numeric": {"equals": 9, "pick": "any"}},
        ],
        [_FRENCH * 3, _PROSE, _FRENCH + _PROSE, _CHINESE],
        Context((Message("user", "Quand commence la réunion ?"),)),
    ),
    "refusal": (
        ["complies", "refuses"],
        [
            "I'm sorry, but I can't help with that. " + _PROSE,
            _PROSE * 3,
            "Je ne peux pas vous aider.",
        ],
        Context((Message("user", "How do I open a locked door?"),)),
    ),
    "long_context": (
        [{"needle": {"value": "7481"}}, {"contains": "7481"}],
        ["The code is 7481.", "It is 17481, I think.", _PROSE * 2],
        Context(),
    ),
}


def told_apart(answer: str, number: int) -> str:
    """The answer with a number in it, so that no two are equal and nothing can be remembered."""
    if '"number": 7' in answer:
        return answer.replace('"number": 7', f'"number": {number}')
    return f"{answer} ({number})"


def _zeros() -> dict[str, float]:
    return defaultdict(float)


@dataclass
class Tally:
    """Seconds and counts, by check."""

    seconds: dict[str, float] = field(default_factory=_zeros)
    calls: Counter[str] = field(default_factory=Counter)
    answers: int = 0
    loading: float = 0.0

    def add(self, other: Tally) -> None:
        """Take over what another process counted."""
        self.answers += other.answers
        self.loading = max(self.loading, other.loading)
        self.calls += other.calls
        for name, seconds in other.seconds.items():
            self.seconds[name] += seconds


_Scored = tuple[Sequence[Check], Iterator[str], Context]


def _own_checks() -> list[_Scored]:
    """The checks of the six categories above."""
    return [
        ([parse_check(raw) for raw in checks], cycle(answers), context)
        for checks, answers, context in _CATEGORIES.values()
    ]


def _checks_of(folder: str) -> list[_Scored]:
    """The checks of every turn of the suites in a folder, the categories in turn."""
    cases: dict[str, list[_Scored]] = defaultdict(list)
    for suite in load_suites([folder]):
        answers = cycle(_CATEGORIES[suite.category][1])
        for case in suite.cases:
            given = Context((Message("system", case.system or ""),))
            cases[suite.category] += [(turn.checks, answers, given) for turn in case.turns]
    longest = max(len(found) for found in cases.values())
    rows = [islice(cycle(found), longest) for found in cases.values()]
    return [one for row in zip(*rows, strict=True) for one in row]


def score(count: int, suites: str | None = None) -> Tally:
    """Score `count` answers, the categories in turn."""
    tally, start = Tally(), time.perf_counter()
    cases = _checks_of(suites) if suites else _own_checks()
    tally.loading = time.perf_counter() - start
    for number, (checks, answers, context) in enumerate(islice(cycle(cases), count)):
        answer = Answer(told_apart(next(answers), number))
        tally.answers += 1
        for check in checks:
            start = time.perf_counter()
            check(answer, context)
            tally.seconds[check.name] += time.perf_counter() - start
            tally.calls[check.name] += 1
    return tally


def main(arguments: Sequence[str] | None = None) -> None:
    """Score and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--answers", type=int, default=6000)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--suites", help="a folder of suites whose checks are used")
    options = parser.parse_args(arguments)

    start = time.perf_counter()
    score(options.answers if options.suites else 4 * len(_CATEGORIES), options.suites)
    first = time.perf_counter() - start
    start = time.perf_counter()
    tally = _spread(options.answers, options.processes, options.suites)
    seconds = time.perf_counter() - start - tally.loading

    checks = tally.calls.total()
    print(f"first use of all checks: {first:.2f} s")
    print(
        f"{tally.answers} answers, {checks} checks in {seconds:.2f} s"
        f" ({options.processes} processes)"
    )
    print(f"{tally.answers / seconds:.0f} answers a second")
    by_mean = sorted(tally.calls, key=lambda name: tally.seconds[name] / tally.calls[name])
    for name in reversed(by_mean[-8:]):
        print(f"  {tally.seconds[name] / tally.calls[name] * 1e6:8.0f} µs  {name}")
    print(f"slowest: {by_mean[-1]}")


def _spread(answers: int, processes: int, suites: str | None) -> Tally:
    """Score in one process or in several."""
    if processes == 1:
        return score(answers, suites)
    parts = [answers // processes + (n < answers % processes) for n in range(processes)]
    tally = Tally()
    with ProcessPoolExecutor(processes) as pool:
        for part in pool.map(score, parts, [suites] * processes):
            tally.add(part)
    return tally


if __name__ == "__main__":
    main()
