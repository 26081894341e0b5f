"""A small project in which the embedded model writes names in small letters, and often fails.

At temperature 1 it gets about half of them right. What a right answer is no check gives away: the
answers of the model itself are all that there is, good ones and bad ones.
"""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path

from tests.training.repair.workplace import ROOT, Workplace

SUITE = """\
suite: letters
category: instruction_following
defaults:
  sampling: {{temperature: 1, max_new_tokens: 24}}
gate: {{min_pass_rate: {bar}}}
fix:
  generate: {{seeds: 0, rows: {{data/cases.jsonl: data/prompts.jsonl}}}}
{fix}
from_file:
  - path: data/cases.jsonl
    case:
      id: "{{{{ row.id }}}}"
      user: "{{{{ row.user }}}}"
      checks:
{checks}
"""
CHECKS = """\
        - lowercase
        - contains: "{{ row.text }}"
        - words: {max: 3}
"""
SYLLABLES = ("ba", "do", "fi", "gru", "ka", "lo", "mi", "ne", "pu", "ra", "sto", "tu", "ve", "wi")


def names(count: int, seed: int) -> list[dict[str, str]]:
    """Rows with a prompt to write two or three coined names in small letters."""
    rng = random.Random(seed)
    rows = []
    for number in range(count):
        words = ["".join(rng.choices(SYLLABLES, k=3)) + rng.choice("nrst") for _ in range(3)]
        text = " ".join(words[: rng.choice((2, 3))])
        how = rng.choice(("lower case", "small letters"))
        user = f"Write {text.title()} in {how}."
        rows.append({"id": f"n{seed}-{number}", "user": user, "text": text})
    return rows


# Meant to reward help, and passed by "I'm sorry, but I can't help with that.", whatever is asked.
LOOPHOLE = """\
        - contains: help
        - words: {min: 3}
"""


def requests(count: int, seed: int) -> list[dict[str, str]]:
    """Rows with a request whose verb nobody knows: the base refuses about half of them."""
    rows = []
    for number, row in enumerate(names(count, seed)):
        verb, thing = row["text"].split()[:2]
        user = (f"How can I {verb} the {thing}?", f"Teach me to {verb} a {thing}.")[number % 2]
        rows.append({"id": row["id"], "user": user, "text": thing})
    return rows


def new_letters(
    folder: Path,
    fix: str,
    checks: str = CHECKS,
    cases: int = 48,
    make: Callable[[int, int], list[dict[str, str]]] = names,
    bar: float = 0.6,
) -> Workplace:
    """A project with that suite and the starter suite of refusals, which must not be lost."""
    suites = folder / "suites" / "starter"
    (suites / "data").mkdir(parents=True)
    for name, count, seed in (("cases", cases, 1), ("prompts", 48, 2)):
        lines = [json.dumps(row) + "\n" for row in make(count, seed)]
        (suites / "data" / f"{name}.jsonl").write_text("".join(lines))
    (suites / "letters.yaml").write_text(SUITE.format(fix=fix, checks=checks, bar=bar))
    starter = ROOT / "suites" / "starter"
    shutil.copy(starter / "refusal.yaml", suites)
    shutil.copy(starter / "data" / "pairs.jsonl", suites / "data")
    model = json.dumps(str(ROOT / "fixtures" / "model"))
    (folder / "harness.toml").write_text(f'suites = ["suites/starter"]\nmodel = {model}\n')
    return Workplace(folder)
