"""What a suite demands of a candidate: the `gate:` block of a suite file."""

from __future__ import annotations

import math
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

BOUND_WITHOUT_CHANGE = 1.6448536**2


class GateSettings(BaseModel):
    """Bars of one suite. Rates and drops are shares: 0.03 is three percentage points."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)  # a text is no number

    min_pass_rate: float | None = Field(default=None, ge=0.0, le=1.0)
    max_drop: float | None = Field(default=None, ge=0.0, le=1.0)
    policy: Literal["no_regression", "non_inferiority"] = "no_regression"
    alpha: float = Field(default=0.05, gt=0.0, lt=0.5)
    on: Literal["passed", "score"] = "passed"
    max_errors: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _non_inferiority_needs_a_margin(self) -> Self:
        if self.policy == "non_inferiority" and not self.max_drop:
            raise ValueError("policy non_inferiority needs max_drop above 0")
        return self

    @property
    def margin(self) -> float:
        """The drop that is still accepted."""
        return self.max_drop or 0.0

    @property
    def smallest_suite(self) -> int:
        """The fewest cases with which a candidate that changes nothing passes `non_inferiority`.

        Without any change the gate's one-sided 95 % bound is −1.645² / n. 1 under any other policy.
        """
        if self.policy != "non_inferiority" or not self.max_drop:
            return 1
        return math.floor(BOUND_WITHOUT_CHANGE / self.max_drop) + 1
