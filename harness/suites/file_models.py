"""The suite file as it is written: pydantic models of its keys. `harness schema` prints them."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from harness.gate_settings import GateSettings
from harness.sampling import Sampling
from harness.scorers import CheckField
from harness.suites.haystack import HaystackSpec

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+$", max_length=200)]
Decoding = Literal["free", "constrained"]


class _Keys(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TurnKeys(_Keys):
    """One scripted user turn and the checks on its answer."""

    user: str
    checks: tuple[CheckField, ...] = ()


class Defaults(_Keys):
    """What holds for every case that does not say otherwise."""

    system: str | None = None
    sampling: Sampling = Sampling()
    repeats: Annotated[int, Field(ge=1, le=1000)] = 1
    tags: tuple[Name, ...] = ()
    threshold: Annotated[float, Field(ge=0, le=1)] | None = None
    time_limit: Annotated[float, Field(gt=0)] | None = None
    allow_empty: bool = False
    decoding: Decoding = "free"


class CaseKeys(_Keys):
    """One case: a `user` text with `checks`, or several `turns`."""

    id: Name
    user: str | None = None
    turns: Annotated[tuple[TurnKeys, ...], Field(min_length=1)] | None = None
    checks: tuple[CheckField, ...] = ()
    system: str | None = None
    tags: tuple[Name, ...] = ()
    required: bool = False
    sampling: Sampling | None = None
    repeats: Annotated[int, Field(ge=1, le=1000)] | None = None
    vars: dict[str, Any] = Field(default_factory=dict)
    cluster: Annotated[str, Field(min_length=1)] | None = None
    threshold: Annotated[float, Field(ge=0, le=1)] | None = None
    time_limit: Annotated[float, Field(gt=0)] | None = None
    allow_empty: bool | None = None
    decoding: Decoding | None = None

    @model_validator(mode="after")
    def _one_conversation(self) -> Self:
        if self.id == "gate":
            raise PydanticCustomError("reserved_id", "no case may be called 'gate'")
        if (self.user is None) == (self.turns is None):
            raise PydanticCustomError("conversation", "a case has either `user` or `turns`")
        if self.turns is not None and self.checks:
            raise PydanticCustomError("checks_place", "with `turns`, checks stand inside a turn")
        if not self.checks and not any(turn.checks for turn in self.turns or ()):
            raise PydanticCustomError("no_checks", "the case has no checks: it could never fail")
        return self


class RowsKeys(_Keys):
    """One case per row of a JSONL or CSV file: `row` holds the row in the templates of `case`."""

    path: Annotated[str, Field(min_length=1)]
    case: dict[str, Any]


class HaystackKeys(HaystackSpec):
    """A family of haystacks, and what may be said of each of its cases."""

    system: str | None = None
    tags: tuple[Name, ...] = ()
    required: bool = False
    sampling: Sampling | None = None
    checks: tuple[CheckField, ...] = ()


class GenerateKeys(_Keys):
    """One seeded family of cases."""

    haystack: HaystackKeys


class SuiteKeys(_Keys):
    """The whole file."""

    suite: Name
    category: Name
    description: str = ""
    defaults: Defaults = Defaults()
    vars: dict[str, Any] = Field(default_factory=dict)
    gate: GateSettings = GateSettings()
    cases: list[dict[str, Any]] = Field(default_factory=list)
    from_file: list[RowsKeys] = Field(default_factory=list)
    generate: list[GenerateKeys] = Field(default_factory=list)
    cluster: Annotated[str, Field(min_length=1)] | None = None
    decoding: Decoding | None = None
    fix: dict[str, Any] | None = None
