"""What all extra rows share."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from harness.runner.values import Outcome, Result


class Frozen(BaseModel):
    """A value of the scorecard; a reader of an older version ignores what a newer one adds."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class Row(Frozen):
    """Figures of one suite on one variant."""

    suite: str
    variant: str


Key = tuple[str, str]  # suite, variant


def key_of(result: Result) -> Key:
    """The suite and the variant of a result."""
    return result.suite, result.variant


def judged(result: Result) -> bool:
    """Whether there were answers that checks could read: no error, not skipped."""
    return result.outcome in (Outcome.PASS, Outcome.FAIL)
