"""What collection knows: settings, variants and suites, each read once for a pytest session."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.common import InputError, Problem
from harness.config import Settings, is_suite
from harness.evaluation import Variants, variants_of
from harness.pytest_plugin.batch import Batch
from harness.pytest_plugin.options import read_configuration, read_settings
from harness.suites import Suite, load_suites

RUN_UID = pytest.StashKey[str]()  # xdist's name for one session with its workers
BATCH = pytest.StashKey[Batch]()
FILES = pytest.StashKey[dict[Path, None]]()  # the suites of this session, in order
SETTINGS = pytest.StashKey["Settings | InputError"]()
VARIANTS = pytest.StashKey[Variants | InputError]()


def settings(config: pytest.Config) -> Settings:
    """Return the project's settings; what is wrong with them is raised each time."""
    if SETTINGS not in config.stash:
        try:
            config.stash[SETTINGS] = read_settings(config)
        except InputError as error:
            config.stash[SETTINGS] = error
    found = config.stash[SETTINGS]
    if isinstance(found, InputError):
        raise found
    return found


def batch_of(config: pytest.Config) -> Batch:
    """Return the run that all items share, not started yet."""
    if BATCH not in config.stash:
        chosen = settings(config)
        if VARIANTS not in config.stash:
            try:
                config.stash[VARIANTS] = variants_of(chosen)
            except InputError as error:
                config.stash[VARIANTS] = error
        found = config.stash[VARIANTS]
        if isinstance(found, InputError):
            if hasattr(config, "workerinput"):  # each file says it; elsewhere the first ends all
                message = "the variants are wrong: see the first error"
                config.stash[VARIANTS] = InputError(Problem(message))
            raise found
        config.stash[BATCH] = Batch(chosen, found, shared_file(config, chosen))
    return config.stash[BATCH]


def load(config: pytest.Config, path: Path) -> Suite:
    """Load one suite; its name and ids must not stand in another file of this session."""
    run = batch_of(config)
    # The path as messages show it, and as it can be opened: from the working directory
    here = Path.cwd()
    name = path.relative_to(here).as_posix() if path.is_relative_to(here) else str(path)
    others = [suite for suite in run.suites.values() if suite.path != name]
    (suite,) = load_suites([name], beside=others, modules=run.settings.modules)
    run.suites[suite.name] = suite
    return suite


def load_for_replay(config: pytest.Config) -> None:
    """Load the suites whose files `--lf` passed over, where answers are recorded.

    A row for one of their cases is no mistake: no item of them was asked for.
    """
    run = batch_of(config)
    if run.settings.backend != "replay" or not config.getoption("lf", False):
        return
    loaded = {Path(suite.path).resolve() for suite in run.suites.values()}
    for path in config.stash.get(FILES, {}):
        if path.resolve() not in loaded:
            load(config, path)


def collects(config: pytest.Config, path: Path) -> bool:
    """Return whether this file is a suite that this command line means.

    Where it names nothing, only the configured suites are: the root of a project has other YAML.
    """
    args = config.args if names_something(config) else []
    named = [Path(config.invocation_params.dir, arg.partition("::")[0]) for arg in args]
    try:
        try:
            chosen = settings(config)
        except InputError:  # an option is wrong: the file alone says what is a suite
            chosen = read_configuration(config)
        return is_suite(path, named, chosen)
    except InputError:
        found = (child for name in named for child in (name.resolve(), *name.resolve().glob("*")))
        return path.suffix == ".yaml" and path in found


def names_something(config: pytest.Config) -> bool:
    """Return whether the user said what to run; a bare `pytest` begins where it stands."""
    return config.args_source is not pytest.Config.ArgsSource.INVOCATION_DIR


def shared_file(config: pytest.Config, chosen: Settings) -> Path | None:
    """Return where xdist's workers tell each other of the run; None without xdist."""
    name = getattr(config, "workerinput", {}).get("testrunuid") or config.stash.get(RUN_UID, None)
    return chosen.path(chosen.store).parent / f"pytest-{name}.json" if name else None
