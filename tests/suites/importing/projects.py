"""What the tests of imports share: files of a project, and what became of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from harness.common import InputError
from harness.suites import Suite
from harness.suites.importing import Imported, write_suite


def put(files: Mapping[str, Any]) -> None:
    """Write files below the working directory; what is no text is written as JSON."""
    for name, content in files.items():
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        text = content if isinstance(content, str) else json.dumps(content)
        path.write_text(text, encoding="utf-8")


def written(imported: Imported) -> Suite:
    """Return the suite as a run would load it."""
    return write_suite(imported, Path("out.yaml"), overwrite=True)


def checks_of(suite: Suite) -> dict[str, list[dict[str, Any]]]:
    """Return the checks of each case, by its id."""
    return {
        case.id: [check.as_json() for turn in case.turns for check in turn.checks]
        for case in suite.cases
    }


def lines(imported: Imported, heading: str = "Not carried over") -> list[str]:
    """Return what is told under a heading."""
    return list(dict(imported.told).get(heading, ()))


def told(read: Callable[[], object]) -> str:
    """Return the message of an input error."""
    with pytest.raises(InputError) as caught:
        read()
    return str(caught.value)
