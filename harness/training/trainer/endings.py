"""What to tell when a training process ended before the training did."""

from __future__ import annotations

import signal
from pathlib import Path

from harness.errors import InputError, MachineryError, Problem
from harness.training.trainer.attempt import Ending
from harness.training.trainer.checkpoints import checkpoints, step_of
from harness.training.trainer.job import Exit

SHOWN = 12  # lines of the process's own output


def ending_error(output: Path, ending: Ending) -> InputError | MachineryError:
    """The error for an ending that was neither the end nor a want of memory."""
    problems = [
        Problem(failed.message, str(output), found=failed.found, mend=failed.mend)
        for failed in ending.failures
    ]
    if ending.code == Exit.REFUSED:
        return InputError(*problems)
    if ending.code == Exit.DIVERGED:
        return MachineryError(*problems)
    kept = _kept(output)
    if ending.code == Exit.DISK_FULL:
        mend = f"{kept}; make room and run the same command again"
        return MachineryError(
            *(Problem(p.message, p.path, found=p.found, mend=mend) for p in problems)
        )
    return MachineryError(_crash(output, ending, kept))


def _crash(output: Path, ending: Ending, kept: str) -> Problem:
    said = f": {ending.failures[0].message}" if ending.failures else ""
    tail = "".join(f"\n    {line}" for line in ending.output.splitlines()[-SHOWN:])
    return Problem(
        f"the training process died{said}",
        str(output),
        found=_reason(ending.code) + tail,
        mend=f"{kept}; run the same command again to go on",
    )


def _reason(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    memory = ", as the system sends it when memory runs out" if code == -signal.SIGKILL else ""
    return f"signal {signal.Signals(-code).name}{memory}"


def _kept(output: Path) -> str:
    found = checkpoints(output)
    return f"the checkpoint of step {step_of(found[-1])} is kept" if found else "nothing was saved"
