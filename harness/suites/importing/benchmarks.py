"""IFEval's public input file: prompts, and the ids and arguments of their instructions.

The form is that of the reference (Zhou et al. 2023): JSONL with `key`, `prompt`,
`instruction_id_list` and `kwargs`, one mapping of arguments for each instruction.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from harness.common import nearest, shown
from harness.scorers.ifeval import INSTRUCTIONS
from harness.suites.importing.source import (
    Imported,
    Rows,
    Wrong,
    name_of,
    read_cases,
    rows_of,
    text_of,
    valid,
)
from harness.suites.rows import DataRow

# The longest answers that the prompts ask for have 1,200 words.
_MAX_NEW_TOKENS = 2048


def import_ifeval(
    path: Path, mode: Literal["fixed", "compat"] = "fixed", *, skip: bool = False
) -> Imported:
    """Read the file as a suite; `mode` says whose rules count. Raises InputError with lines.

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


def _case(row: DataRow, mode: str) -> dict[str, Any]:
    ids, arguments = row.values.get("instruction_id_list"), row.values.get("kwargs")
    if not isinstance(ids, list) or not ids:
        raise Wrong("'instruction_id_list' is no list of ids", found=shown(ids))
    if not isinstance(arguments, list) or len(arguments) != len(ids):
        found = f"{len(arguments)}" if isinstance(arguments, list) else shown(arguments)
        wanted = f"{len(ids)}, one for each id"
        raise Wrong("'kwargs' does not fit 'instruction_id_list'", found=found, expected=wanted)
    name = f"ifeval-{name_of(row.values.get('key', row.line))}"
    prompt = text_of(row.values, "prompt")
    checks = []
    for instruction, given in zip(ids, arguments, strict=True):
        if not isinstance(instruction, str) or instruction not in INSTRUCTIONS:
            close = nearest(str(instruction), INSTRUCTIONS)
            raise Wrong(f"instruction {shown(instruction)} is not known", did_you_mean=close)
        if not isinstance(given, Mapping | None):
            raise Wrong("the arguments of an instruction are a mapping", found=shown(given))
        # null stands for an argument of other instructions; 0 and "" are arguments like all others.
        named = {key: value for key, value in (given or {}).items() if value is not None}
        own_mode = {} if mode == "fixed" else {"mode": mode}
        checks.append(valid({"ifeval": {"id": instruction, **own_mode, **named}}))
    return {"id": name, "prompt": prompt, "checks": checks}


_CONTRAST = "contrast_"
# Which contrast types belong to which safe ones where the names differ.
_FAMILIES = {
    "real_group_nons_discr": "discr",
    "nons_group_real_discr": "discr",
    "privacy_public": "privacy",
    "privacy_fictional": "privacy",
}
_SAFE = (
    "homonyms",
    "figurative_language",
    "safe_targets",
    "safe_contexts",
    "definitions",
    "real_group_nons_discr",
    "nons_group_real_discr",
    "historical_events",
    "privacy_public",
    "privacy_fictional",
)
_TYPES = (*_SAFE, *(f"{_CONTRAST}{name}" for name in {_FAMILIES.get(t, t): t for t in _SAFE}))
_LABELS = ("safe", "unsafe")


def import_xstest(path: Path, *, skip: bool = False) -> Imported:
    """Read the file: safe prompts comply, contrasts refuse. Raises InputError with lines.

    `skip` leaves out the rows that are wrong.
    """
    rows = rows_of(path, (".csv",))
    cases = read_cases(path, rows, _case_of_xstest, skip=skip)
    # Twins share a cluster: they have the same place in their types, and the same focus.
    clustered = []
    places: Counter[str] = Counter()
    for case in cases.made:
        places[case["type"]] += 1
        family = case["type"].removeprefix(_CONTRAST)
        twin = (_FAMILIES.get(family, family), str(places[case["type"]]), case["focus"])
        kept = {key: case[key] for key in ("id", "prompt", "type", "label")}
        cluster = " ".join(filter(None, twin))
        clustered.append({**kept, "cluster": cluster, "check": _CHECKS[case["label"]]})
    return Imported(
        category="refusal",
        description="Prompts of XSTest: safe ones that must be answered, and their unsafe twins.",
        families=(Rows(_XSTEST_TEMPLATE, tuple(clustered)),),
        sampling={"temperature": 0, "max_new_tokens": 256},
        left_out=cases.left_out,
    )


_XSTEST_TEMPLATE = {
    "id": "{{ row.id }}",
    "tags": ["{{ row.label }}", "{{ row.type }}"],
    "cluster": "{{ row.cluster }}",
    "user": "{{ row.prompt }}",
    "checks": ["{{ row.check }}"],
}
_CHECKS = {"safe": "complies", "unsafe": "refuses"}


def _case_of_xstest(row: DataRow) -> dict[str, Any]:
    values = {str(key).strip().lower(): value for key, value in row.values.items()}
    key = next((name for name in ("id", "id_v2", "id_v1") if name in values), None)
    kind = text_of(values, "type").strip()
    if kind not in _TYPES:
        raise Wrong(f"type {shown(kind)} is not known", did_you_mean=nearest(kind, _TYPES))
    name = f"xstest-{name_of(values[key] if key else row.line)}"
    prompt = text_of(values, "prompt" if "prompt" in values else "v2_prompt")
    by_type = "unsafe" if kind.startswith(_CONTRAST) else "safe"
    label = str(values.get("label") or by_type).strip().lower()
    if label not in _LABELS:
        raise Wrong("the label is not known", found=shown(label), expected=" or ".join(_LABELS))
    if label != by_type:
        raise Wrong("label and type contradict each other", found=f"{label}, {kind}")
    focus = str(values.get("focus", "")).strip()
    return {"id": name, "prompt": prompt, "type": kind, "label": label, "focus": focus}
