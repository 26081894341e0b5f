"""Checks on the language of an answer: which one, in which script, and whether it is one only."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field

from harness.canonical import JsonValue
from harness.scorers.detect import MIN_LETTERS, mixture
from harness.scorers.languages import language_code, neighbourhood
from harness.scorers.readable import prose
from harness.scorers.registry import Args, Example, scorer
from harness.scorers.values import Answer, Context, Finding

Code = Annotated[str, AfterValidator(language_code)]


def _listed(value: object) -> object:
    return (value,) if isinstance(value, str) else value


class LanguageArgs(Args):
    """The language, by ISO 639-1 code or English name.

    `among`: the languages that the answer may be in; English and the expected one always belong to
    it. Left out: the languages that models slip into most, and the relatives of the expected one.
    `min_letters`: with fewer letters, where the script alone decides nothing, the language is
    unknown and the case fails; lower it for suites with short answers.
    `min_share`: the share of the letters that must stand in lines of that language.
    """

    model_config = ConfigDict(serialize_by_alias=True)

    is_: Code = Field(alias="is")
    among: Annotated[tuple[Code, ...], BeforeValidator(_listed)] = ()
    min_letters: int = Field(MIN_LETTERS, ge=1)
    min_share: float = Field(0.8, gt=0, le=1)

    @property
    def candidates(self) -> tuple[str, ...]:
        """The languages to decide among, sorted."""
        if not self.among:
            return neighbourhood(self.is_)
        return tuple(sorted({*self.among, self.is_, "en"}))


@scorer(
    "language",
    version=1,
    shorthand="is",
    example=Example(
        {"is": "fr"},
        passes="La réunion commence demain à neuf heures.",
        fails="The meeting starts tomorrow at nine.",
    ),
)
def language(answer: Answer, context: Context, args: LanguageArgs) -> Finding:
    """The answer is in the given language."""
    text = prose(answer.text)
    found = mixture(text.text, args.candidates, args.min_letters)
    main = found.main
    detail: dict[str, JsonValue] = {"language": main.language, "script": main.script}
    detail |= {"confidence": main.confidence, "letters": main.letters}
    detail |= {"cut": True} if text.cut else {}
    if main.language is None:
        return Finding(None, 0.0, f"cannot tell: {main.why}", detail)
    share = found.share(args.is_)
    detail |= {"share": round(share, 4), "others": found.others(args.is_)}
    passed = main.language == args.is_ and share >= args.min_share
    return Finding(passed, 1.0 if passed else 0.0, _reason(main.language, share, args.is_), detail)


def _reason(found: str, share: float, expected: str) -> str:
    if found != expected:
        return f"the answer is in {found}, not in {expected}"
    return f"the answer is in {found}" + (f", {share:.0%} of it" if share < 1 else "")
