"""The check that a user writes in Python."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, Self

from pydantic import ConfigDict, PrivateAttr, ValidationInfo, model_validator

from harness.common import canonical_json
from harness.scorers.arguments import Text, wrong
from harness.scorers.registry import Args, Example, scorer
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
    found = args.function(answer, context, **args.keywords)
    if isinstance(found, Finding):
        return found
    if found is None or isinstance(found, bool):
        said = "cannot tell" if found is None else str(found).lower()
        return verdict(found, f"{args.ref} says {said}")
    if isinstance(found, int | float) and 0 <= found <= 1:
        return Finding(found >= 0.5, float(found), f"{args.ref} scores {found:g}", {})
    message = f"{args.ref} returned {type(found).__name__}, wanted a bool, a score or a Finding"
    raise TypeError(message)
