"""pytest's options, from the same declarations as the command line's."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from harness.common import InputError
from harness.config import Settings, configured, find_root, flags, load_settings, load_typed

PREFIX = "harness_"


def add_options(parser: pytest.Parser) -> None:
    """Add every option of `Settings`, in a group of its own."""
    group = parser.getgroup("harness", "evaluation of models and adapters")
    for name, flag, text in flags():
        kind: dict[str, Any] = {"dest": PREFIX + name, "default": None, "help": text}
        if flag.switch:
            kind["action"] = "store_true"
        else:
            kind |= {"action": "append" if flag.repeat else "store", "metavar": flag.metavar}
        group.addoption(flag.name, **kind)


def read_settings(config: pytest.Config) -> Settings:
    """Settings of the project that is tested, with this command line on top."""
    given = {name: config.getoption(PREFIX + name) for name, _, _ in flags()}
    given = {name: value for name, value in given.items() if value is not None}
    return load_typed(_short_root(config), given, config.invocation_params.dir)


def read_configuration(config: pytest.Config) -> Settings:
    """Settings of the project alone, whatever the command line says."""
    return load_settings(_short_root(config))


def _short_root(config: pytest.Config) -> Path:
    """Return the root as messages show it."""
    root = _root(config)
    return Path() if root == Path.cwd() else root


def check_root(config: pytest.Config) -> None:
    """Raise UsageError where pytest chose its root folder by the value of one of our options.

    Before pytest knows of them, it takes `DIR` of `--model DIR` for a path to test; without an ini
    file the root is the common folder of all such paths, or the one with an ini file above them.
    """
    if config.getoption("rootdir", None) is not None or _holds(config, config.rootpath):
        return
    for option, value in pairwise(config.invocation_params.args):
        if (
            str(option) in {flag.name for _, flag, _ in flags() if not flag.switch}
            and Path(config.invocation_params.dir, value).exists()
        ):
            raise pytest.UsageError(
                f"pytest took the value of {option} for a path to test, and {config.rootpath} for "
                f"the root of your project\n  hint: write {option}={value}, or put a pytest.ini "
                "beside your conftest.py"
            )


def _root(config: pytest.Config) -> Path:
    """pytest's root where the suites lie in it and it is configured; else as `harness run`."""
    held = _holds(config, config.rootpath)
    if held and configured(config.rootpath):
        return config.rootpath
    nearest = find_root(config.invocation_params.dir)
    return nearest if configured(nearest) or not held else config.rootpath


def _holds(config: pytest.Config, root: Path) -> bool:
    """Return whether everything that is tested lies in this folder."""
    here = config.invocation_params.dir
    paths = [Path(here, arg.partition("::")[0]).resolve() for arg in config.args]
    return all(path.is_relative_to(root) for path in paths)


REFUSED = "wrong input: no case was run"
ERROR = pytest.StashKey[InputError]()


def remember(config: pytest.Config, error: InputError) -> bool:
    """Keep it for `refuse`. False in a worker of pytest-xdist, which may not end the session."""
    if hasattr(config, "workerinput"):
        return False
    config.stash.setdefault(ERROR, error)
    return True


def refuse(config: pytest.Config) -> None:
    """Say what is wrong, if anything is, and end the session.

    Not while files are collected: there pytest takes the end for an error of the file.
    """
    error = config.stash.get(ERROR, None)
    if error is None:
        return
    reporter: Any = config.pluginmanager.getplugin("terminalreporter")
    capture: Any = config.pluginmanager.getplugin("capturemanager")
    if reporter is not None and capture is not None:
        with capture.global_and_fixture_disabled():
            reporter.ensure_newline()
            reporter.write_line(str(error), red=True)
    pytest.exit(REFUSED, returncode=int(pytest.ExitCode.USAGE_ERROR))
