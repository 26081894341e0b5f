"""Sealed files: JSON with a digest of all the rest, so that a change by hand is seen."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from harness.common import InputError, JsonValue, Problem, digest, whole_file


def write_sealed(
    path: Path,
    what: str,
    content: Mapping[str, JsonValue],
    rows: str,
    *,
    sort_keys: bool = False,
    ensure_ascii: bool = True,
) -> None:
    """Write `content` with its digest, each of its `rows` on a line, so that a diff shows them.

    sort_keys, ensure_ascii: as `json.dumps` has them. Raises InputError where the file cannot be
    written.
    """
    dump = partial(json.dumps, sort_keys=sort_keys, ensure_ascii=ensure_ascii)
    sealed: dict[str, Any] = {"digest": digest(content), **content}
    lines = ",\n".join(dump(row) for row in sealed.pop(rows))
    head = dump(sealed, indent=1)[:-2]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as file:
            file.write(f'{head},\n "{rows}": [\n{lines}\n]\n}}\n')
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(Problem(f"cannot write {what}: {reason}", path=str(path))) from error


def is_whole(content: Mapping[str, Any]) -> bool:
    """Return whether the digest is that of all the rest."""
    rest = {key: value for key, value in content.items() if key != "digest"}
    return digest(rest) == content.get("digest")
