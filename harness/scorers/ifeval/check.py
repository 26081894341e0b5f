"""The check `ifeval`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

from pydantic import ConfigDict, GetJsonSchemaHandler, PrivateAttr, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from harness.common import nearest
from harness.scorers.arguments import needs, wrong
from harness.scorers.ifeval import arguments as given
from harness.scorers.ifeval import compat, fixed, reference
from harness.scorers.ifeval.arguments import Ruling
from harness.scorers.patterns import TooSlow, too_slow
from harness.scorers.registry import Args, Example, scorer
from harness.scorers.values import Answer, Context, Finding, verdict

Rule = Callable[[str, Any], Ruling]


@dataclass(frozen=True, slots=True)
class Instruction:
    """One verifiable instruction; `rules` has one rule for each mode."""

    id: str
    args: type[Args]
    rules: dict[str, Rule]


_ARGS: dict[str, type[Args]] = {
    "keywords:existence": given.Keywords,
    "keywords:frequency": given.KeywordFrequency,
    "keywords:forbidden_words": given.ForbiddenWords,
    "keywords:letter_frequency": given.LetterFrequency,
    "language:response_language": given.ResponseLanguage,
    "length_constraints:number_sentences": given.NumberSentences,
    "length_constraints:number_paragraphs": given.NumberParagraphs,
    "length_constraints:number_words": given.NumberWords,
    "length_constraints:nth_paragraph_first_word": given.NthParagraph,
    "detectable_content:number_placeholders": given.NumberPlaceholders,
    "detectable_content:postscript": given.Postscript,
    "detectable_format:number_bullet_lists": given.NumberBullets,
    "detectable_format:constrained_response": given.NoArgs,
    "detectable_format:number_highlighted_sections": given.NumberHighlights,
    "detectable_format:multiple_sections": given.Sections,
    "detectable_format:json_format": given.NoArgs,
    "detectable_format:title": given.NoArgs,
    "combination:two_responses": given.NoArgs,
    "combination:repeat_prompt": given.RepeatPrompt,
    "startend:end_checker": given.EndPhrase,
    "startend:quotation": given.NoArgs,
    "change_case:capital_word_frequency": given.CapitalFrequency,
    "change_case:english_capital": given.NoArgs,
    "change_case:english_lowercase": given.NoArgs,
    "punctuation:no_comma": given.NoArgs,
}


def _instruction(name: str, args: type[Args]) -> Instruction:
    rule = name.partition(":")[2]
    return Instruction(name, args, {"compat": getattr(compat, rule), "fixed": getattr(fixed, rule)})


INSTRUCTIONS = {name: _instruction(name, args) for name, args in _ARGS.items()}


_OWN = ("id", "mode", "loose")


class IfevalArgs(Args):
    """`id` of the instruction; its arguments under their own names.

    `mode`: `fixed`, or the reference's rules (`compat`): there "A" and "I" count as words in
    capitals, say; in `fixed` these have two letters or more. In `compat`, instructions on
    sentences, languages, case and words in capitals need the extra `ifeval`. `loose`: without the
    first line, the last line, or asterisks the answer may follow the instruction as well.
    """

    model_config = ConfigDict(extra="allow")

    id: str
    mode: Literal["fixed", "compat"] = "fixed"
    loose: bool = False
    _arguments: Args = PrivateAttr()

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, raw: object) -> object:
        # The public data names all arguments of all instructions, and leaves most null.
        if not isinstance(raw, Mapping):
            return raw
        return {key: value for key, value in raw.items() if value is not None}

    @model_validator(mode="after")
    def _of_instruction(self) -> Self:
        if self.id not in INSTRUCTIONS:
            ends = [name for name in INSTRUCTIONS if name.partition(":")[2] == self.id]
            close = nearest(self.id, INSTRUCTIONS) or "".join(ends[:1])
            known = f" (known: {', '.join(sorted(INSTRUCTIONS))})"
            hint = f", did you mean {close!r}?" if close else known
            raise wrong("ifeval_id", f"instruction {self.id!r} is not known{hint}")
        if self.mode == "compat":
            needs("ifeval in mode compat", *reference.PACKAGES.get(self.id, ()))
        self._arguments = self.instruction.args.model_validate(self.__pydantic_extra__ or {})
        return self

    @property
    def instruction(self) -> Instruction:
        """The instruction of this id."""
        return INSTRUCTIONS[self.id]

    @property
    def arguments(self) -> Args:
        """The instruction's own arguments."""
        return self._arguments

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        own = handler.resolve_ref_schema(handler(core))["properties"]
        return {"oneOf": [_published(own, instruction) for instruction in INSTRUCTIONS.values()]}


def _published(own: Mapping[str, Any], instruction: Instruction) -> JsonSchemaValue:
    """The JSON Schema of one instruction's arguments."""
    schema = instruction.args.model_json_schema()
    properties = {**own, "id": {"const": instruction.id}, **schema.get("properties", {})}
    return {
        "type": "object",
        "title": instruction.id,
        "properties": properties,
        "required": ["id", *schema.get("required", [])],
        "additionalProperties": False,
    }


@scorer(
    "ifeval",
    version=3,
    shorthand="id",
    example=Example(
        {"id": "length_constraints:number_words", "num_words": 3, "relation": "at least"},
        "I don't know.",
        "No idea.",
    ),
)
def ifeval(answer: Answer, context: Context, args: IfevalArgs) -> Finding:
    """The answer follows an instruction of IFEval; `detail` says whether strictly and loosely."""
    rule = args.instruction.rules[args.mode]
    try:
        rulings: list[Ruling] = [
            rule(text, args.arguments) if text.strip() else Ruling(False, "the answer is empty")
            for text in _variants(answer.text)
        ]
    except TooSlow:
        return verdict(None, too_slow(str(args.__pydantic_extra__)))
    strict, loose = rulings[0].passed, _any(rulings)
    passed = loose if args.loose else strict
    return verdict(
        passed, rulings[0].reason, id=args.id, mode=args.mode, strict=strict, loose=loose
    )


def _any(rulings: list[Ruling]) -> bool | None:
    """Whether one of the variants follows the instruction, in three-valued logic."""
    if any(ruling.passed for ruling in rulings):
        return True
    return None if any(ruling.passed is None for ruling in rulings) else False


def _variants(text: str) -> Iterator[str]:
    """The answer as it is, then without first and last lines, each also without asterisks."""
    rows = text.split("\n")
    cut = ["\n".join(part).strip() for part in (rows[1:], rows[:-1], rows[1:-1])]
    seen: set[str] = set()
    for variant in (text, *cut):
        for plain in (variant, variant.replace("*", "")):
            if plain not in seen:
                seen.add(plain)
                yield plain
