"""A backend that is a function: from a request to its answer. For notebooks, tests and clients."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from harness.backends.base import (
    Backend,
    Completion,
    Environment,
    Fingerprint,
    Request,
    estimate_tokens,
    machine_of,
    models_are,
)
from harness.backends.registry import add_opener
from harness.common import NAME, InputError, Problem, Variant, digest, source_digest

F = TypeVar("F", bound=Callable[[Request], "str | Completion"])


class FunctionBackend(Backend):
    """Answers with what a function returns, one request after the other.

    Answers depend on the function's `version` and on all of the request, its address included.
    """

    def __init__(self, name: str, function: Callable[[Request], object], version: str) -> None:
        self.name = name
        self._function, self._version = function, version

    def environment(self, variant: Variant) -> Environment:
        """Name the function; another version of it is another environment."""
        return Environment(self.name, self._version, addressed=True)

    def fingerprint(self, variant: Variant) -> Fingerprint:
        """Hash the names of model and adapter: what they mean is the function's own affair."""
        return Fingerprint(
            digest(variant.model), digest(variant.adapter) if variant.adapter else ""
        )

    def generate(self, requests: Sequence[Request]) -> Iterator[tuple[Request, Completion]]:
        """Answer in order. What the function raises, or returns beside a text, is an error."""
        machine = machine_of(f"{self.name} {self._version}")
        for request in requests:
            started = time.perf_counter()
            try:
                found = self._function(request)
            except Exception as error:  # whatever the user's function raises
                found = Completion("", "error", error=f"{type(error).__name__}: {error}")
            if isinstance(found, str):
                found = Completion(
                    found,
                    "stop",
                    request.prompt.tokens,
                    estimate_tokens(found),
                    time.perf_counter() - started,
                    machine=machine,
                    counted=False,
                )
            elif not isinstance(found, Completion):
                said = f"{self.name} returned {type(found).__name__}, wanted a str or a Completion"
                found = Completion("", "error", error=said)
            yield request, found


def backend(name: str, *, version: str | int | None = None) -> Callable[[F], F]:
    """Make a backend of a function, known by this name in this process: `backend="NAME"`.

    It is called with a `Request` and returns the answer, as a text or a `Completion`. Without
    `version`, a change of its source is another one, so that it is asked again; where it calls
    what changes, say one. Raises `InputError` for a function that cannot be a backend.
    """

    def register(function: F) -> F:
        said = str(version) if version is not None else source_digest(function)
        problem = None
        if not NAME.fullmatch(name):
            problem = Problem(f"a backend cannot be called {name!r}", expected="letters, digits, -")
        elif inspect.iscoroutinefunction(function):
            hint = "let it wait for its own calls: with a client that is not asynchronous"
            problem = Problem(f"backend {name!r} is an async function", hint=hint)
        elif not said:
            problem = Problem(
                f"the source of backend {name!r} cannot be read, so a change would not be seen",
                hint=f'say which it is: @harness.backend("{name}", version=1)',
            )
        if problem:
            raise InputError(problem)
        opened = models_are("none")(lambda options: FunctionBackend(name, function, said))
        add_opener(name, opened)
        return function

    return register
