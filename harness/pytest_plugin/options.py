"""pytest's options, from the same declarations as the command line's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.settings import Settings, flags, load_settings

PREFIX = "harness_"


def add_options(parser: pytest.Parser) -> None:
    """Every option of `Settings`, in a group of its own."""
    group = parser.getgroup("harness", "evaluation of models and adapters")
    for name, flag, text in flags():
        kind: dict[str, Any] = {"dest": PREFIX + name, "default": None, "help": text}
        if flag.switch:
            kind["action"] = "store_true"
        else:
            kind |= {"action": "append" if flag.repeat else "store", "metavar": flag.metavar}
        group.addoption(flag.name, **kind)


def read_settings(config: pytest.Config) -> Settings:
    """Settings of the project in pytest's root folder, with this command line on top."""
    given = {name: config.getoption(PREFIX + name) for name, _, _ in flags()}
    root = Path() if config.rootpath == Path.cwd() else config.rootpath  # short paths in messages
    return load_settings(root, {name: value for name, value in given.items() if value is not None})
