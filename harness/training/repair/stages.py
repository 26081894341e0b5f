"""Stages that are done once: what each found is on the disk before the next begins."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.locks import alone
from harness.reports.files import whole_file

Body = dict[str, Any]


@dataclass(frozen=True)
class Stages:
    """The stages of one loop, each a file of JSON in its folder.

    `say` is told what begins. A loop that was killed finds the files of what it had finished.
    """

    home: Path
    say: Callable[[str], None]

    def once(self, name: str, make: Callable[[], Body], told: str = "") -> Body:
        """What the stage found: from its file, else made now and written whole."""
        path = self.home / f"{name}.json"
        if path.is_file():
            found: Body = json.loads(path.read_text(encoding="utf-8"))["found"]
            return found
        if told:
            self.say(told)
        started = time.monotonic()
        made = make()
        body = {"seconds": round(time.monotonic() - started, 3), "found": made}
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as file:
            json.dump(body, file, ensure_ascii=False, indent=1)
        return made

    def done(self, name: str) -> bool:
        """Whether the stage is finished."""
        return (self.home / f"{name}.json").is_file()

    def seconds(self, name: str) -> float:
        """How long a finished stage took; 0 for one that is not."""
        path = self.home / f"{name}.json"
        if not path.is_file():
            return 0.0
        return float(json.loads(path.read_text(encoding="utf-8"))["seconds"])

    def alone(self) -> AbstractContextManager[None]:
        """A block for one process; raises MachineryError while another works on the same loop."""
        return alone(self.home / "lock", "this repair is running already", self.home)
