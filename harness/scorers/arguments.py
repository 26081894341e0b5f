"""Kinds of arguments that several checks share, with errors that say what to write instead."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Self, cast

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from harness.common import NUMBER_DIGITS, shown
from harness.scorers.counting import Range
from harness.scorers.registry import Args
from harness.scorers.values import Finding, verdict


def wrong(kind: str, message: str) -> PydanticCustomError:
    """Return the error of a validator; `message` may hold any characters."""
    return PydanticCustomError(cast(Any, kind), "{message}", {"message": message})


def _text(value: object) -> object:
    if isinstance(value, bool | int | float):
        raise wrong("text_wanted", f"a text is wanted, not {value!r}: put it in quotes")
    return value


def _texts(value: object) -> object:
    if isinstance(value, str | bool | int | float):
        raise wrong("list_wanted", f"a list of texts is wanted: write [{value}]")
    return filled(value)


def filled(value: object) -> object:
    """Refuse an empty list: a check of nothing would always hold."""
    if isinstance(value, list | tuple) and not value:
        raise wrong("empty_list", "at least one entry is wanted")
    return value


def _exact(value: object) -> Decimal:
    """Return a number of YAML as its author wrote it: the float 19.99 is the decimal 19.99."""
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise wrong("number_wanted", f"a number is wanted, not {shown(value)}")
    try:
        number = Decimal(str(value).replace("_", ""))
    except InvalidOperation:
        raise wrong("number_wanted", f"a number is wanted, not {shown(value)}") from None
    if not number.is_finite() or abs(number.adjusted()) > NUMBER_DIGITS:
        raise wrong("number_range", f"a finite number is wanted, not {shown(value)}")
    return number


def _plain(number: Decimal) -> int | float | str:
    """Return a decimal in JSON: a number where that is exact, else its digits."""
    if number == number.to_integral_value() and abs(number.adjusted()) < 16:
        return int(number)
    return float(number) if Decimal(str(float(number))) == number else str(number)


Text = Annotated[str, BeforeValidator(_text)]
Word = Annotated[str, BeforeValidator(_text), Field(min_length=1)]
FILLED = Field(json_schema_extra={"minItems": 1})
Words = Annotated[tuple[Word, ...], BeforeValidator(_texts), FILLED]
Count = Annotated[int, Field(strict=True, ge=0)]
Exact = Annotated[
    Decimal,
    BeforeValidator(_exact),
    PlainSerializer(_plain, when_used="json"),
    WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "string"}]}),
]
ExactPositive = Annotated[Exact, Field(ge=0)]
Share = Annotated[float, Field(strict=True, ge=0, le=1)]


class Bounds(Args):
    """How many there may be: `min`, `max` or `exactly`."""

    min: Count | None = None
    max: Count | None = None
    exactly: Count | None = None

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.exactly is not None and (self.min is not None or self.max is not None):
            raise wrong("bounds", "exactly stands alone, without min and max")
        if self.min is None and self.max is None and self.exactly is None:
            raise wrong("bounds", "one of min, max and exactly is wanted")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise wrong("bounds", f"min {self.min} is above max {self.max}")
        return self

    @property
    def wanted(self) -> str:
        """Return the bounds in words: `at least 2`, `2 to 5`, `exactly 3`."""
        if self.exactly is not None:
            return f"exactly {self.exactly}"
        if self.min is not None and self.max is not None:
            return f"{self.min} to {self.max}"
        return f"at least {self.min}" if self.min is not None else f"at most {self.max}"

    def holds(self, count: int) -> bool:
        """Return whether `count` lies within the bounds."""
        low = self.exactly if self.exactly is not None else self.min or 0
        high = self.exactly if self.exactly is not None else self.max
        return low <= count and (high is None or count <= high)

    def judge(self, count: int | Range, noun: str) -> Finding:
        """Return the finding for a count, or for one that is known to lie in a range.

        Cannot tell where some counts of the range would hold and others would not.
        """
        low, high = (count, count) if isinstance(count, int) else (count.low, count.high)
        found = f"{low}" if low == high else f"{low} to {high}"
        least = self.exactly if self.exactly is not None else self.min or 0
        most = self.exactly if self.exactly is not None else self.max
        passed: bool | None = self.holds(low) and self.holds(high)
        if not passed and high >= least and (most is None or low <= most):
            passed = None
        reason = f"{found} {noun}{'' if low == high == 1 else 's'}, wanted {self.wanted}"
        return verdict(passed, reason, count=low if low == high else [low, high])


_TEXT: dict[str, Any] = {"type": "string"}
_TEXTS: dict[str, Any] = {"anyOf": [_TEXT, {"type": "array", "items": _TEXT}]}


def _as_tuple(value: object) -> object:
    return (value,) if isinstance(value, str) else value


# `Annotated[tuple[str, ...], LISTED, ONE_OR_MORE]` reads `a` as `[a]`.
LISTED = BeforeValidator(_as_tuple)
ONE_OR_MORE = WithJsonSchema(_TEXTS)
ONE_OR_MORE_FORMS = WithJsonSchema({"anyOf": [_TEXT, {"type": "array", "items": _TEXTS}]})


NAME = "lora-regression-harness"
# Package and the extra of this project that brings it.
_EXTRAS = {
    "langdetect": "ifeval",
    "nltk": "ifeval",
    "punkt": "ifeval",
    "rouge_score": "metrics",
    "sacrebleu": "metrics",
    "torch": "bertscore",
    "transformers": "bertscore",
}


def needs(check: str, *packages: str) -> None:
    """Refuse a check at load time where a package that it uses is not installed."""
    missing = [name for name in packages if find_spec(name) is None]
    if missing:
        extra = _EXTRAS.get(missing[0], missing[0])
        raise wrong(
            "missing_extra",
            f"check '{check}' needs {' and '.join(missing)}:"
            f" install it with `pip install {_package(extra)}`",
        )


def _package(extra: str) -> str:
    """Return what pip is to install: a clone is installed from its folder, in place."""
    root = Path(__file__).parents[2]
    if not root.joinpath("pyproject.toml").is_file():
        return f"'{NAME}[{extra}]'"
    return f"-e '{'.' if root == Path.cwd() else root}[{extra}]'"
