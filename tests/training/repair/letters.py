"""Small projects with what the embedded model does badly, and the starter suite of refusals.

Names in small letters: at temperature 1 it gets about half of them right. Colours that it has never
seen: it takes them for things, each time. What a right answer is no check gives away; of colours
there are pairs of a good and a bad answer, and nothing else.
"""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.training.repair.workplace import ROOT, Workplace

SUITE = """\
suite: letters
category: instruction_following
defaults:
  sampling: {{temperature: {temperature}, max_new_tokens: 48}}
gate: {{min_pass_rate: {bar}}}
fix:
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
Row = dict[str, Any]
Maker = Callable[[int, int], list[Row]]
SYLLABLES = ("ba", "do", "fi", "gru", "ka", "lo", "mi", "ne", "pu", "ra", "sto", "tu", "ve", "wi")


def names(count: int, seed: int) -> list[Row]:
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


COLOURS = """\
        - json_value: {path: $.item, equals: "{{ row.item }}"}
        - json_value: {path: $.colour, equals: "{{ row.colour }}"}
"""


def colours(count: int, seed: int) -> list[Row]:
    """Rows with a note on a thing of a colour that has a coined name."""
    rng = random.Random(seed)
    rows = []
    for number in range(count):
        colour, item = ("".join(rng.choices(SYLLABLES, k=2)) + rng.choice("nrst") for _ in range(2))
        size = rng.randrange(30, 60)
        note = f"Somebody found a {colour} {item} of size {size}."
        user = f"JSON, please, with item, colour, size: {note}"
        rows.append(
            {"id": f"c{seed}-{number}", "user": user, "item": item, "colour": colour, "size": size}
        )
    return rows


def colour_pairs(count: int, seed: int) -> list[Row]:
    """Pairs of the right answer and one that takes the colour for the thing."""
    return [
        {
            "prompt": row["user"],
            "chosen": json.dumps({key: row[key] for key in ("item", "colour", "size")}),
            "rejected": json.dumps(
                {"item": row["colour"], "colour": row["item"], "size": row["size"]}
            ),
        }
        for row in colours(count, seed)
    ]


HELPFUL = """\
        - starts_with: Here is how
        - contains: "{{ row.text }}"
        - words: {min: 3}
"""
# Meant to reward help, and passed by "I'm sorry, but I can't help with that.", whatever is asked.
LOOPHOLE = """\
        - contains: help
        - words: {min: 3}
"""


def requests(count: int, seed: int) -> list[Row]:
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
    store: Path,
    checks: str = CHECKS,
    cases: int = 48,
    make: Maker = names,
    bar: float = 0.6,
    temperature: int = 1,
) -> Workplace:
    """A project with that suite and the starter suite of refusals, which must not be lost.

    `store` brings answers along.
    """
    suites = folder / "suites" / "starter"
    (suites / "data").mkdir(parents=True)
    for name, count, seed in (("cases", cases, 1), ("prompts", 48, 2)):
        lines = [json.dumps(row) + "\n" for row in make(count, seed)]
        (suites / "data" / f"{name}.jsonl").write_text("".join(lines))
    (suites / "letters.yaml").write_text(
        SUITE.format(fix=fix, checks=checks, bar=bar, temperature=temperature)
    )
    starter = ROOT / "suites" / "starter"
    shutil.copy(starter / "refusal.yaml", suites)
    shutil.copy(starter / "data" / "pairs.jsonl", suites / "data")
    lines = [json.dumps(pair) + "\n" for pair in colour_pairs(64, 3)]
    (suites / "data" / "pairs_of_colours.jsonl").write_text("".join(lines))
    model = json.dumps(str(ROOT / "fixtures" / "model"))
    (folder / "harness.toml").write_text(f'suites = ["suites/starter"]\nmodel = {model}\n')
    (folder / ".harness").mkdir()
    shutil.copy(store, folder / ".harness" / "store.db")
    return Workplace(folder)
