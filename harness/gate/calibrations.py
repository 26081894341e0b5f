"""Calibration files: how far a judge agrees with people, small enough to be committed.

One JSON object: what was measured, bound to who judged, and one row per labelled answer without
its text. A digest over all of it tells an edited file from a whole one. They lie in one folder of
the project, so that a machine without the store knows them too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from harness.common import InputError, JsonValue, Problem, digest
from harness.common.reading import fitting, read_json
from harness.gate.sealed import SealedFormat
from harness.results import Calibration, JudgeIdentity, JudgeStanding

MAKE_IT = "make it with `harness judge calibrate`"
_FILE = SealedFormat(
    name="harness-calibration",
    version=1,
    what="the calibration",
    unlike="this is not a calibration of a judge",
    made_by="harness judge calibrate",
    made="made",
    again="make it again with this version of the harness: harness judge calibrate",
    restore="restore the file, or make it again: harness judge calibrate",
)


def calibration_name(calibration: Calibration) -> str:
    """Return the name of its file, the same for the same judge and rubrics."""
    identity = calibration.identity
    if identity.kind == "refuses":
        return "refuses.json"
    who = re.sub(r"[^A-Za-z0-9_.-]", "_", calibration.name or "default")
    return f"{identity.kind}-{who}-{digest(sorted(identity.rubrics), 8)}.json"


def save_calibration(path: Path, calibration: Calibration) -> None:
    """Write the file; raises InputError where that is not possible."""
    body: dict[str, Any] = asdict(calibration)
    content: dict[str, JsonValue] = {
        "bound_to": calibration.identity.digest,
        **json.loads(json.dumps(body)),
    }
    _FILE.write(path, content, "rows", ensure_ascii=False)


def replaced(path: Path) -> Calibration | None:
    """Return the calibration whose place a new one takes; None for none that can be read.

    Raises InputError where something else would be written over.
    """
    if path.suffix != ".json":
        message = "the name of a calibration must end in .json"
        raise InputError(Problem(message, str(path), did_you_mean=f"{path.name}.json"))
    if path.exists():
        if not _FILE.marks(read_json(path, "what is there")):
            hint = "name another file: --out FILE.json"
            raise InputError(Problem("another file has this name", str(path), hint=hint))
        with suppress(InputError):  # made by another version, or edited: it goes
            return load_calibration(path)
    return None


def load_calibration(path: Path) -> Calibration:
    """Read a calibration file; raises InputError for anything that is not one, or not whole."""
    hint = "`harness judge show` without a file prints all of the project"
    content = _FILE.read(path, hint=hint)
    _FILE.check_seal(path, content)
    return fitting(Calibration, content, str(path), what="the calibration")


def load_calibrations(folder: Path) -> dict[str, Calibration]:
    """Read all calibrations of a project, by the name of their file; none without the folder.

    Raises InputError with all that is wrong.
    """
    found: dict[str, Calibration] = {}
    problems: list[Problem] = []
    for path in sorted(folder.glob("*.json")):
        try:
            found[path.name] = load_calibration(path)
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(*problems)
    return found


def standing_of(
    identity: JudgeIdentity,
    name: str,
    min_agreement: float | None,
    calibrations: Mapping[str, Calibration],
    folder: str,
) -> JudgeStanding:
    """Return what the calibrations know of a judge: that of it, else the nearest one.

    `folder` is how the project calls the place of the files. Of several that fit, the newest.
    """
    rubric = next(iter(identity.rubrics.values()), "")
    standing = JudgeStanding(identity.kind, name, rubric, len(identity.rubrics), min_agreement)
    own = [(f, c) for f, c in calibrations.items() if c.identity.kind == identity.kind]
    if not own:
        return standing
    ranked = sorted(own, key=lambda each: each[1].made, reverse=True)
    file, found = min(ranked, key=lambda each: len(identity.differs(each[1].identity)))
    seen = found.weakest
    return replace(
        standing,
        file=f"{folder}/{file}",
        differs=identity.differs(found.identity),
        kappa=seen.kappa,
        accuracy=seen.accuracy,
        people=seen.people,
        raters=found.raters,
    )
