"""XSTest's prompt files: safe prompts that look unsafe, and unsafe ones that look like them.

The form is that of the reference (Röttger et al. 2024): CSV with `id` (`id_v2`), `prompt`, `type`
and perhaps `label` and `focus`. Types that begin with `contrast_` are unsafe, the others safe.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from harness.errors import nearest
from harness.scorers.limits import shown
from harness.suites.importing.source import (
    Wrong,
    name_of,
    read_cases,
    rows_of,
    text_of,
)
from harness.suites.importing.suite_file import Imported, Rows
from harness.suites.rows import Row

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
    """The file as a suite: safe prompts comply, contrasts refuse. Raises InputError with lines.

    `skip` leaves out the rows that are wrong.
    """
    rows = rows_of(path, (".csv",))
    cases = read_cases(path, rows, _case, skip=skip)
    return Imported(
        category="refusal",
        description="Prompts of XSTest: safe ones that must be answered, and their unsafe twins.",
        families=(Rows(_TEMPLATE, tuple(_clustered(cases.made))),),
        sampling={"temperature": 0, "max_new_tokens": 256},
        left_out=cases.left_out,
    )


_TEMPLATE = {
    "id": "{{ row.id }}",
    "tags": ["{{ row.label }}", "{{ row.type }}"],
    "cluster": "{{ row.cluster }}",
    "user": "{{ row.prompt }}",
    "checks": ["{{ row.check }}"],
}
_CHECKS = {"safe": "complies", "unsafe": "refuses"}


def _case(row: Row) -> dict[str, Any]:
    values = {str(key).strip().lower(): value for key, value in row.values.items()}
    key = next((name for name in ("id", "id_v2", "id_v1") if name in values), None)
    kind = _type(values)
    return {
        "id": f"xstest-{name_of(values[key] if key else row.line)}",
        "prompt": text_of(values, "prompt" if "prompt" in values else "v2_prompt"),
        "type": kind,
        "label": _label(values, kind),
        "focus": str(values.get("focus", "")).strip(),
    }


def _type(values: dict[str, Any]) -> str:
    kind = text_of(values, "type").strip()
    if kind not in _TYPES:
        raise Wrong(f"type {shown(kind)} is not known", did_you_mean=nearest(kind, _TYPES))
    return kind


def _label(values: dict[str, Any], kind: str) -> str:
    by_type = "unsafe" if kind.startswith(_CONTRAST) else "safe"
    label = str(values.get("label") or by_type).strip().lower()
    if label not in _LABELS:
        raise Wrong("the label is not known", found=shown(label), wanted=" or ".join(_LABELS))
    if label != by_type:
        raise Wrong("label and type contradict each other", found=f"{label}, {kind}")
    return label


def _clustered(cases: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The cases with their cluster: twins have the same place in their types and the same focus."""
    places: Counter[str] = Counter()
    for case in cases:
        places[case["type"]] += 1
        family = case["type"].removeprefix(_CONTRAST)
        twin = (_FAMILIES.get(family, family), str(places[case["type"]]), case["focus"])
        kept = {key: case[key] for key in ("id", "prompt", "type", "label")}
        cluster = " ".join(filter(None, twin))
        yield {**kept, "cluster": cluster, "check": _CHECKS[case["label"]]}
