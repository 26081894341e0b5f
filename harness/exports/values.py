"""What is exported, and whereto."""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from harness.common import InputError, MachineryError, Problem, make_folder
from harness.config import ExportSettings
from harness.reports import ReportPaths, ScorecardDocument
from harness.results import Result
from harness.store import Remark

# Names of files that exports write: a folder with others is never replaced.
OURS = re.compile(
    r"part-\d+-of-\d+\.\w+|results_[\dT.-]+\.json|samples_.+\.jsonl|\d{4}-.+_[0-9a-f]{22}\.json"
)


@dataclass(frozen=True)
class RunExport:
    """A run as every target gets it.

    `results` gives all results from the start each time it is called. `paths` are the files of the
    run's report. `tags` are further names and values that a tracker keeps: those of the
    configuration, and those of the night.
    """

    document: ScorecardDocument
    results: Callable[[], Iterable[Result]] = field(repr=False)
    paths: ReportPaths
    remark: Remark = field(default_factory=Remark)
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """Return the run's id."""
        return self.document.run.id


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a target writes: a new folder, or what `settings` say of a tracker.

    `force`: what is there already of this run is replaced. `root` is the project's folder.
    """

    directory: Path
    settings: ExportSettings
    root: Path = Path()
    shards: int = 1
    force: bool = False


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written: where it is, and what it is in words; the files, where there are any.

    `warnings` say what a reader of it must know: that its run did not finish.
    """

    place: str
    what: str
    files: tuple[Path, ...] = ()
    warnings: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.place}: {self.what}"


_NO_ROOM = frozenset({errno.EDQUOT, errno.EIO, errno.ENOSPC})  # wherever it is written


@contextmanager
def new_directory(destination: Destination) -> Iterator[Path]:
    """Give a folder to write into, which takes its name when all of it is written.

    Raises InputError where the name is taken or can be no folder, MachineryError where the disk
    refuses.
    """
    directory = destination.directory
    if directory.is_file():
        hint = "name a new directory: --into DIR"
        raise InputError(Problem("this is a file, and no directory", str(directory), hint=hint))
    if directory.exists() and not destination.force:
        hint = "name another with --into DIR, or replace it with --force"
        raise InputError(Problem("this directory is there already", str(directory), hint=hint))
    found = [path for path in directory.rglob("*") if not path.is_dir()]
    if any(not OURS.fullmatch(path.name) for path in found):
        hint = "name another with --into DIR, or remove it yourself"
        what = "this directory is no export, and is not replaced"
        raise InputError(Problem(what, str(directory), hint=hint))
    temporary = directory.with_name(f".{directory.name}.{os.getpid()}")
    is_begun = False
    try:
        make_folder(temporary.parent)
        temporary.mkdir()
        is_begun = True
        yield temporary
        if directory.exists():
            shutil.rmtree(directory)
        os.replace(temporary, directory)
    except OSError as error:
        shutil.rmtree(temporary, ignore_errors=True)
        why = error.strerror or str(error)
        if not is_begun and error.errno not in _NO_ROOM:
            hint = "name another directory: --into DIR"
            message = "no export can be written here"
            raise InputError(Problem(message, str(directory), found=why, hint=hint)) from error
        problem = Problem("the export could not be written", str(directory), found=why)
        raise MachineryError(problem) from error
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
