"""The templates of one case: its own, and those of the suite that it inherits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.suites.file_models import SuiteKeys
from harness.suites.templates import Failed, Loc, render_below

_TEXTS = ("id", "system", "user", "cluster", "tags")


def render_case(raw: Mapping[str, Any], variables: Mapping[str, Any], failed: Failed) -> Any:
    """The case with its texts rendered; inside checks, one expression alone keeps its type.

    Nothing else is a template: not `sampling`, and not `vars`, whose values stay as they are.
    """
    rendered = dict(raw)
    for key in raw.keys() & set(_TEXTS):
        rendered[key] = render_below(raw[key], variables, failed, (key,), keep_types=False)
    if "checks" in raw:
        rendered["checks"] = render_below(raw["checks"], variables, failed, ("checks",))
    if isinstance(raw.get("turns"), list):
        rendered["turns"] = [
            _turn(turn, variables, failed, ("turns", index))
            for index, turn in enumerate(raw["turns"])
        ]
    return rendered


def _turn(turn: Any, variables: Mapping[str, Any], failed: Failed, loc: Loc) -> Any:
    if not isinstance(turn, dict):
        return turn
    return {
        key: render_below(item, variables, failed, (*loc, key), keep_types=key == "checks")
        for key, item in turn.items()
    }


def render_inherited(
    raw: Mapping[str, Any], suite: SuiteKeys, variables: Mapping[str, Any], failed: Failed
) -> dict[str, Any]:
    """What the case does not say and the suite says for all: `system` and `cluster`."""
    inherited = {"system": suite.defaults.system, "cluster": suite.cluster}
    places: Mapping[str, Loc] = {"system": ("defaults", "system"), "cluster": ("cluster",)}
    return {
        key: render_below(text, variables, failed, places[key], keep_types=False)
        for key, text in inherited.items()
        if text is not None and key not in raw
    }
