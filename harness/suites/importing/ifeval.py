"""IFEval's public input file: prompts, and the ids and arguments of their instructions.

The form is that of the reference (Zhou et al. 2023): JSONL with `key`, `prompt`,
`instruction_id_list` and `kwargs`, one mapping of arguments for each instruction.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from harness.errors import nearest
from harness.scorers.ifeval import INSTRUCTIONS
from harness.scorers.limits import shown
from harness.suites.importing.source import (
    Wrong,
    name_of,
    read_cases,
    rows_of,
    text_of,
    valid,
)
from harness.suites.importing.suite_file import Imported, Rows
from harness.suites.rows import Row

# The longest answers that the prompts ask for have 1,200 words.
_MAX_NEW_TOKENS = 2048


def import_ifeval(
    path: Path, mode: Literal["fixed", "compat"] = "fixed", *, skip: bool = False
) -> Imported:
    """The file as a suite; `mode` says whose rules count. Raises InputError with lines.

    `skip` leaves out the rows that cannot be checked, such as answers in a language that no
    detector here knows.
    """
    rows = rows_of(path, (".jsonl",))
    cases = read_cases(path, rows, lambda row: _case(row, mode), skip=skip)
    return Imported(
        category="instruction_following",
        description="Instructions of IFEval that a program can verify.",
        families=(Rows(_TEMPLATE, cases.made),),
        sampling={"temperature": 0, "max_new_tokens": _MAX_NEW_TOKENS},
        left_out=cases.left_out,
    )


_TEMPLATE = {"id": "{{ row.id }}", "user": "{{ row.prompt }}", "checks": "{{ row.checks }}"}


def _case(row: Row, mode: str) -> dict[str, Any]:
    ids, arguments = row.values.get("instruction_id_list"), row.values.get("kwargs")
    if not isinstance(ids, list) or not ids:
        raise Wrong("'instruction_id_list' is no list of ids", found=shown(ids))
    if not isinstance(arguments, list) or len(arguments) != len(ids):
        found = f"{len(arguments)}" if isinstance(arguments, list) else shown(arguments)
        wanted = f"{len(ids)}, one for each id"
        raise Wrong("'kwargs' does not fit 'instruction_id_list'", found=found, wanted=wanted)
    return {
        "id": f"ifeval-{name_of(row.values.get('key', row.line))}",
        "prompt": text_of(row.values, "prompt"),
        "checks": [_check(*pair, mode) for pair in zip(ids, arguments, strict=True)],
    }


def _check(instruction: object, arguments: object, mode: str) -> dict[str, Any]:
    if not isinstance(instruction, str) or instruction not in INSTRUCTIONS:
        close = nearest(str(instruction), INSTRUCTIONS)
        raise Wrong(f"instruction {shown(instruction)} is not known", did_you_mean=close)
    given = arguments if arguments is not None else {}
    if not isinstance(given, Mapping):
        raise Wrong("the arguments of an instruction are a mapping", found=shown(given))
    # null stands for an argument of other instructions; 0 and "" are arguments like all others.
    named = {name: value for name, value in given.items() if value is not None}
    own_mode = {} if mode == "fixed" else {"mode": mode}
    return valid({"ifeval": {"id": instruction, **own_mode, **named}})
