"""All scorers by name. Built-in ones, plug-ins and a user's own come through the same door."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict

from harness.common import InputError, Problem, ToolCall, nearest
from harness.scorers.values import Answer, Context, Finding, Question

_NAMES = {
    "contains": ("includes", "include", "has", "substring", "icontains"),
    "contains_all": ("includes_all", "contains-all", "icontains-all"),
    "contains_any": ("includes_any", "contains-any", "icontains-any"),
    "equals": ("exact", "exact_match", "exact-match", "is", "match_exact"),
    "normalized_match": ("fuzzy_match", "fuzzy-match", "quasi_exact_match", "squad"),
    "regex": ("match", "matches", "pattern", "regexp", "re"),
    "json": ("is_json", "is-json", "valid_json", "contains-json"),
    "json_schema": ("schema", "jsonschema", "is_valid_schema"),
    "json_value": ("json_path", "jsonpath", "jq", "field", "key"),
    "judge": ("llm", "llm_rubric", "llm-rubric", "rubric", "model-graded", "grader"),
    "refuses": ("refusal", "is-refusal", "is_refusal", "declines"),
    "complies": ("compliance", "no_refusal", "answers", "not_refuses", "not-refuses"),
    "similarity": ("similar", "cosine", "embedding"),
    "python": ("function", "custom", "javascript", "code", "script_file"),
    "language": ("lang", "is_language", "response_language"),
    "numeric": ("number", "is_number", "float", "integer"),
    "no_markdown": ("plain_text", "no-markdown"),
    "length": ("chars", "characters", "max_length", "min_length"),
    "tool_call": ("function_call", "is-valid-openai-tools-call", "tool_use", "calls_tool"),
    "tool_calls": ("function_calls", "tool-call-f1", "parallel_calls"),
    "tool_schema": ("valid_tool_call", "is-valid-openai-function-call", "valid_arguments"),
    "no_tool_call": ("irrelevance", "no_call", "no_function_call"),
    "bertscore": ("bert_score",),
    "rouge": ("rouge1", "rouge2", "rougeL", "rouge-n", "rouge_l"),
}
_CALLED = {other: name for name, others in _NAMES.items() for other in others}
_PAIRWISE = ("prefer", "preference", "preferred", "pairwise", "select-best", "select_best")
_COUNTED = ("words", "sentences", "lines", "paragraphs", "bullets", "length")


def meant(name: str, known: Collection[str]) -> str:
    """Return what to write instead of a check that is not known; empty where nobody can tell."""
    if name in _CALLED:
        return _CALLED[name]
    if name in _PAIRWISE:
        return "`prefer: {rubric: ...}` beside `checks`, of a case or the suite; it is no check"
    head, _, rest = name.replace("-", "_").partition("_")
    if head in ("not", "no", "without") and (inner := nearest(rest, known)):
        return f"`not: {{{inner}: ...}}`"
    if head in ("min", "max") and (inner := nearest(rest, _COUNTED)):
        return f"`{inner}: {{{head}: ...}}`"
    return nearest(name, known)


# One file a family, one name a line, in the order in which they are imported until one has the
# check that is wanted: those with hundreds of patterns take long to import, and come last.
FAMILIES: tuple[str, ...] = (
    "text",
    "format",
    "combinators",
    "markup",
    "user_code",
    "judge",
    "metrics",
    "normalized",
    "needles",
    "json_checks",
    "numeric",
    "role",
    "language",
    "switching",
    "tool_calls",
    "refusal",
    "ifeval",
)


class Args(BaseModel):
    """Base of every scorer's arguments: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def parts_of(args: Args) -> list[object]:
    """Return the values of arguments that may be more than text or number; of tuples each entry."""
    parts: list[object] = []
    for name in _holders(type(args)):
        value = getattr(args, name)
        parts += value if isinstance(value, tuple) else (value,)
    return parts


@lru_cache(maxsize=1024)
def _holders(kind: type[Args]) -> tuple[str, ...]:
    """Return the fields of arguments that are not declared as texts or numbers alone.

    Thousands of checks have none: their arguments need not be looked through.
    """
    plain = (str, int, float, bool, type(None))

    def is_plain(hint: Any) -> bool:
        if typing.get_origin(hint) is typing.Literal:
            return True
        inner = [part for part in typing.get_args(hint) if part is not ...]
        return hint in plain or (bool(inner) and all(map(is_plain, inner)))

    return tuple(
        name for name, field in kind.model_fields.items() if not is_plain(field.annotation)
    )


A = TypeVar("A", bound=Args)
Function = Callable[[Answer, Context, Any], Finding]
Asks = Callable[[Answer, Context, Any], tuple[Question, ...]]
Warns = Callable[[Any], tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Example:
    """One documented use of a check: `docs/checks.md` prints it, the tests run it.

    `args` is what stands after the check's name in a suite file; `passes` and `fails` are two
    answers; `context` is the conversation before them, where the check looks at it. `modules` are
    those that the user's configuration must allow for it. `requires` says what else must be there,
    such as a model's folder: such an example is printed, and tested elsewhere. `calls` are those
    of the two answers, where the check looks at them.
    """

    args: Any
    passes: str
    fails: str
    context: Context = field(default_factory=Context)
    modules: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    calls: tuple[tuple[ToolCall, ...], tuple[ToolCall, ...]] = ((), ())

    @property
    def answers(self) -> tuple[Answer, Answer]:
        """Return the answer that passes, and the one that fails."""
        passes, fails = self.calls
        return (
            Answer(self.passes, self.passes, calls=passes),
            Answer(self.fails, self.fails, calls=fails),
        )


@dataclass(frozen=True, slots=True)
class Scorer:
    """A registered check.

    `shorthand` names the argument that a bare scalar or list stands for (`contains: Lina`).
    `nested`: a mapping stands for it too, unless it names the argument (`not: {contains: Lina}`).
    `version` goes up whenever the same answer may score differently.
    `example` is mandatory for built-in checks.
    `asks`: what the check wants to know from another model first; see `harness.scorers.judge`.
    `warns`: what cannot go well with these arguments, and is no mistake in them.
    """

    name: str
    version: int
    args: type[Args]
    function: Function
    shorthand: str | None
    example: Example | None = None
    nested: bool = False
    asks: Asks | None = None
    warns: Warns | None = None

    @property
    def summary(self) -> str:
        """First line of the scorer's docstring."""
        return (inspect.getdoc(self.function) or "").partition("\n")[0]


class UnknownScorerError(LookupError):
    """No scorer has this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"check {name!r} is not known")
        self.name = name
        self.known = names()
        self.did_you_mean = meant(name, self.known)


_SCORERS: dict[str, Scorer] = {}


def scorer(
    name: str,
    *,
    version: int,
    shorthand: str | None = None,
    example: Example | None = None,
    nested: bool = False,
    asks: Asks | None = None,
    warns: Warns | None = None,
) -> Callable[[Callable[[Answer, Context, A], Finding]], Callable[[Answer, Context, A], Finding]]:
    """Register a pure function `(answer, context, args) -> Finding` under `name`.

    The type of the third parameter, a subclass of `Args`, says which arguments the check takes.
    """

    def register(
        function: Callable[[Answer, Context, A], Finding],
    ) -> Callable[[Answer, Context, A], Finding]:
        hints = typing.get_type_hints(function)
        args = hints[list(inspect.signature(function).parameters)[2]]
        add(Scorer(name, version, args, function, shorthand, example, nested, asks, warns))
        return function

    return register


def add(scorer: Scorer) -> None:
    """Register a scorer; raise `ValueError` where another one has its name."""
    if scorer.name in _SCORERS and _SCORERS[scorer.name].function is not scorer.function:
        raise ValueError(f"scorer {scorer.name!r} is registered twice")
    _SCORERS[scorer.name] = scorer


def get(name: str) -> Scorer:
    """Return the scorer of this name; raises `UnknownScorerError`."""
    for family in FAMILIES:
        if name in _SCORERS:
            return _SCORERS[name]
        import_module(f"harness.scorers.{family}")
    _load()
    if name not in _SCORERS:
        raise UnknownScorerError(name)
    return _SCORERS[name]


def forget(name: str) -> None:
    """Take a scorer out again: a notebook that defines one anew, or a test that ends."""
    _SCORERS.pop(name, None)


def names() -> tuple[str, ...]:
    """Return all names, sorted."""
    _load()
    return tuple(sorted(_SCORERS))


def all_scorers() -> Iterator[Scorer]:
    """Return all scorers, by name."""
    return (_SCORERS[name] for name in names())


# The group of entry points in which an installed package names modules with scorers of its own.
PLUGINS = "harness.scorers"


@lru_cache(maxsize=1)
def _load() -> None:
    for family in FAMILIES:
        import_module(f"harness.scorers.{family}")
    for point in sorted(entry_points(group=PLUGINS), key=lambda point: point.name):
        try:
            point.load()  # its scorers register themselves
        except Exception as error:  # whatever the package raises while it is imported
            package = point.dist.name if point.dist else point.value
            raise InputError(
                Problem(
                    f"the plug-in {point.name!r} of package {package!r} cannot be loaded",
                    found=f"{type(error).__name__}: {error}",
                    hint=f"mend or uninstall {package}",
                )
            ) from error
