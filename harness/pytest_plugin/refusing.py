"""Wrong input ends a pytest session as a wrong option does: one message, exit code 4."""

from __future__ import annotations

from typing import Any

import pytest

from harness.errors import InputError

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
