"""Checks that a user writes in Python: a function that a suite names, or one that is a check."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, Self, TypeVar, overload

from pydantic import ConfigDict, PrivateAttr, ValidationInfo, create_model, model_validator

from harness.common import NAME, InputError, Problem, canonical_json, source_digest
from harness.scorers.arguments import Text, wrong
from harness.scorers.registry import Args, Example, Scorer, add, forget, names, scorer
from harness.scorers.values import Answer, Context, Finding, verdict

UserFunction = Callable[..., object]


class PythonArgs(Args):
    """`ref`: `package.module:function`; all other arguments are the function's own, by keyword.

    The module must be named in the user's configuration (`modules`), itself or a package above it.
    """

    model_config = ConfigDict(extra="allow")

    ref: Text
    _function: UserFunction = PrivateAttr()

    @model_validator(mode="after")
    def _resolved(self, info: ValidationInfo) -> Self:
        self._function = _function(self.ref, (info.context or {}).get("modules", frozenset()))
        try:
            canonical_json(self.keywords)
        except (TypeError, ValueError):
            raise wrong("python", "the arguments have values that JSON has not") from None
        return self

    @property
    def keywords(self) -> Mapping[str, Any]:
        """Return the arguments of the user's function."""
        return self.__pydantic_extra__ or {}

    @property
    def function(self) -> UserFunction:
        """Return the user's function."""
        return self._function


def _function(ref: str, allowed: frozenset[str]) -> UserFunction:
    module, colon, name = ref.partition(":")
    if not colon or not all(part.isidentifier() for part in [*module.split("."), name]):
        raise wrong("python_ref", f"a reference is package.module:function, not {ref!r}")
    parts = module.split(".")
    if not any(".".join(parts[:n]) in allowed for n in range(1, len(parts) + 1)):
        hint = f'allow it in the configuration: modules = ["{module}"]'
        raise wrong("python_module", f"module {module!r} is not allowed; {hint}")
    try:
        found = getattr(import_module(module), name, None)
    except ImportError as error:
        raise wrong("python_module", f"module {module!r} cannot be imported: {error}") from None
    except Exception as error:  # whatever the user's module raises while it is imported
        message = f"module {module!r} fails: {type(error).__name__}: {error}"
        raise wrong("python_module", message) from None
    if not callable(found):
        raise wrong("python_ref", f"module {module!r} has no function {name!r}")
    return found  # type: ignore[no-any-return]  # callable() leaves Any


@scorer(
    "python",
    version=1,
    shorthand="ref",
    example=Example(
        {"ref": "harness.scorers.examples:polite", "words": ["please", "thank"]},
        "Thank you for waiting.",
        "Wait.",
        modules=("harness.scorers.examples",),
    ),
)
def python(answer: Answer, context: Context, args: PythonArgs) -> Finding:
    """The user's own function says so: `function(answer, context, **arguments)`.

    It returns true, false, None (cannot tell), a score from 0 to 1, or a `Finding`. A score passes
    from 0.5 on. The function must be pure; one that raises is an error of the machinery.
    """
    return finding(args.ref, args.function(answer, context, **args.keywords))


def finding(name: str, found: object) -> Finding:
    """Return what a user's function said as a finding; raise `TypeError` for what says nothing."""
    if isinstance(found, Finding):
        return found
    if found is None or isinstance(found, bool):
        said = "cannot tell" if found is None else str(found).lower()
        return verdict(found, f"{name} says {said}")
    if isinstance(found, int | float) and 0 <= found <= 1:
        return Finding(found >= 0.5, float(found), f"{name} scores {found:g}", {})
    message = f"{name} returned {type(found).__name__}, wanted a bool, a score or a Finding"
    raise TypeError(message)


F = TypeVar("F", bound=Callable[..., object])
_made_here: set[str] = set()  # by `check`: a notebook that runs a cell again replaces them


@overload
def check(function: F, /) -> F: ...


@overload
def check(*, name: str = ..., version: int | None = ...) -> Callable[[F], F]: ...


def check(
    function: F | None = None, /, *, name: str = "", version: int | None = None
) -> F | Callable[[F], F]:
    """Make a check of a function: `function(answer, context, **arguments)`, as for `python`.

    It is known in this process by its own name, or by `name`. `context` may be left out; the other
    parameters are the check's arguments, the first of them its shorthand. Without `version`, a
    change of its source is one. Raises `InputError` for a function that cannot be a check.
    """
    if function is None:
        return lambda given: _registered(given, name, version)
    return _registered(function, name, version)


def _registered(function: F, name: str, version: int | None) -> F:
    name = name or getattr(function, "__name__", "")
    if not NAME.fullmatch(name):  # a lambda, say
        hint = 'say @harness.check(name="...")'
        raise InputError(Problem(f"a check cannot be called {name!r}", hint=hint))
    if name in names() and name not in _made_here:
        hint = 'call yours otherwise: @harness.check(name="...")'
        raise InputError(Problem(f"there is a check {name!r} already", hint=hint))
    fields: dict[str, Any] = {}
    try:
        _, *others = inspect.signature(function).parameters.values()
        hints = typing.get_type_hints(function)
        for each in others:
            if each.kind in (each.VAR_POSITIONAL, each.VAR_KEYWORD, each.POSITIONAL_ONLY):
                raise TypeError(f"{each} is no argument that a suite could name")
            default = ... if each.default is each.empty else each.default
            if each.name != "context":
                fields[each.name] = (hints.get(each.name, Any), default)
        args: type[Args] = create_model(f"{name}_args", __base__=Args, **fields)
        args.model_json_schema()
    except Exception as error:  # whatever pydantic says to the types that were written there
        found = f"{type(error).__name__}: {error}".partition("\n")[0]
        hint = "give its arguments types that JSON has: str, float, bool, list[str], ..."
        raise InputError(Problem(f"{name} cannot be a check", found=found, hint=hint)) from None

    takes_context = any(each.name == "context" for each in others)

    def score(answer: Answer, context: Context, given: Args) -> Finding:
        told = {key: getattr(given, key) for key in fields}
        if takes_context:
            told["context"] = context
        return finding("it", function(answer, **told))

    score.__doc__ = function.__doc__
    if version is None:
        # 24 bits of the source: what the checks were is kept as a number
        version = int(source_digest(function)[:6] or "1", 16)
    forget(name)
    add(Scorer(name, version, args, score, next(iter(fields), None)))
    _made_here.add(name)
    function.check_name = name  # type: ignore[attr-defined]  # read where suites are made of values
    return function
