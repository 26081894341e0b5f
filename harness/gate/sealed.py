"""Sealed files: JSON with a digest of all the rest, so that a change by hand is seen."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from harness.common import InputError, JsonValue, Problem, digest, make_folder, shown, whole_file
from harness.common.reading import read_json


@dataclass(frozen=True)
class SealedFormat:
    """One kind of sealed file: its mark, its version, and what people are told of it.

    `what` is what it is called, `unlike` is said of another file, which `made_by` did not write;
    `made` is what was done to it last. `again` says how to make one of this version, `restore` how
    to mend one that was changed.
    """

    name: str
    version: int
    what: str
    unlike: str
    made_by: str
    made: str
    again: str
    restore: str

    def write(
        self,
        path: Path,
        content: Mapping[str, JsonValue],
        rows: str,
        *,
        sort_keys: bool = False,
        ensure_ascii: bool = True,
    ) -> None:
        """Write `content`, each of its `rows` on a line, so that a diff shows them, and the seal.

        sort_keys, ensure_ascii: as `json.dumps` has them. Raises InputError where the file cannot
        be written.
        """
        dump = partial(json.dumps, sort_keys=sort_keys, ensure_ascii=ensure_ascii)
        marked = {"format": self.name, "schema_version": self.version, **content}
        sealed: dict[str, Any] = {"digest": digest(marked), **marked}
        lines = ",\n".join(dump(row) for row in sealed.pop(rows))
        head = dump(sealed, indent=1)[:-2]
        try:
            make_folder(path.parent)
            with whole_file(path) as file:
                file.write(f'{head},\n "{rows}": [\n{lines}\n]\n}}\n')
        except OSError as error:
            message = f"cannot write {self.what}: {error.strerror or error}"
            raise InputError(Problem(message, path=str(path))) from error

    def marks(self, content: object) -> bool:
        """Return whether the content of a file says that it is of this kind."""
        return isinstance(content, dict) and content.get("format") == self.name

    def read(self, path: Path, *, hint: str = "") -> dict[str, Any]:
        """Return the content of a file of this kind and version.

        Raises InputError for another one; `hint` is for a file that is not there.
        """
        content = read_json(path, self.what, hint=hint)
        if not isinstance(content, dict) or not self.marks(content):
            wanted = f"a file that `{self.made_by}` wrote"
            raise InputError(Problem(self.unlike, path=str(path), expected=wanted))
        if content.get("schema_version") != self.version:
            raise InputError(
                Problem(
                    f"{self.what} has another format version",
                    path=str(path),
                    found=shown(content.get("schema_version")),
                    expected=str(self.version),
                    hint=self.again,
                )
            )
        return content

    def check_seal(self, path: Path, content: Mapping[str, Any]) -> None:
        """Raise InputError where the digest is not that of all the rest."""
        rest = {key: value for key, value in content.items() if key != "digest"}
        if digest(rest) != content.get("digest"):
            message = f"{self.what} was changed after it was {self.made}"
            raise InputError(Problem(message, path=str(path), hint=self.restore))
