"""How fast an engine is on a machine: a JSON file that `python -m bench.rates` writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from harness.common import InputError, nearest, shown
from harness.common.reading import decoded, invalid, parse_json, read_bytes
from harness.common.validation import in_words, told
from harness.common.yaml_positions import read_document


class Rates(BaseModel):
    """Measured rates of one replica.

    `start_seconds` is from the command to the first answer. `answer_tokens_per_second` is that of
    a full replica; where `prompt_tokens_per_second` is null, prompts are in it. `gpus` is how many
    one replica takes; 0 for a CPU. The other fields say what was measured, for people. The bounds
    are far from what any machine does: they keep every time finite.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    version: Literal[1]
    engine: str
    device: str
    model: str
    command: str
    measured: str
    start_seconds: float = Field(ge=0, le=1e6)
    answer_tokens_per_second: float = Field(ge=1e-3, le=1e9)
    prompt_tokens_per_second: float | None = Field(default=None, ge=1e-3, le=1e9)
    gpus: int = Field(default=0, ge=0, le=1024)

    def seconds(self, prompt_tokens: float, answer_tokens: float, replicas: int) -> float:
        """Return the time of so many tokens on so many replicas that start at once."""
        work = answer_tokens / self.answer_tokens_per_second
        if self.prompt_tokens_per_second is not None:
            work += prompt_tokens / self.prompt_tokens_per_second
        return self.start_seconds + work / replicas


def read_rates(path: Path) -> Rates:
    """Read a file of rates; raises InputError with every place where it is wrong."""
    name = str(path)
    data = read_bytes(path, "the rates", hint="python -m bench.rates FILE writes one")
    parse_json(decoded(name, data), name, what="the file of rates")
    document = read_document(name, data)  # which knows the place of each field
    try:
        return Rates.model_validate(document.value)
    except ValidationError as error:

        def said(row: ErrorDetails) -> dict[str, Any]:
            loc, unknown = told(row), row["type"] == "extra_forbidden"
            place = document.position(loc, of_key=unknown)
            field = str(loc[-1]) if loc else "the file"
            parts = in_words(row, field)
            if unknown:
                close = nearest(field, Rates.model_fields)
                parts = {"message": f"unknown key {shown(field)}", "did_you_mean": close}
            return {"line": place.line, "column": place.column, **parts}

        raise InputError(*invalid(error, name, said)) from None
