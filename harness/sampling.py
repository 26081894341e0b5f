"""How tokens are drawn. Every field is explicit: nothing comes from a model's own defaults."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, Strict


class Sampling(BaseModel):
    """Settings of one generation, as a suite or a variant declares them.

    `temperature: 0` is greedy. `top_k: 0` is off. `max_new_tokens` counts tokens of the answer.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)  # a text is no number

    temperature: float = Field(default=0.0, ge=0.0, le=10.0)
    top_p: float = Field(default=1.0, gt=0.0, le=1.0)
    top_k: int = Field(default=0, ge=0)
    repetition_penalty: float = Field(default=1.0, gt=0.0, le=10.0)
    max_new_tokens: int = Field(default=256, ge=1)
    seed: int = Field(default=0, ge=0, lt=2**63)
    stop: Annotated[tuple[str, ...], Strict(False)] = ()

    def override(self, other: Sampling | None) -> Sampling:
        """This, with the fields that `other` sets itself."""
        if other is None:
            return self
        return self.model_copy(
            update={name: getattr(other, name) for name in other.model_fields_set}
        )
