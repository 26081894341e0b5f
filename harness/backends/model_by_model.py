"""Several models in one run: an engine for each, one after another, in a process of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from harness.backends.children import Child
from harness.backends.values import (
    Backend,
    BackendOptions,
    Completion,
    Environment,
    Fingerprint,
    Prompt,
    Request,
    constrains_json,
)
from harness.chat import Messages
from harness.variants import Variant


class ModelByModel:
    """A backend over models of which one at a time is in memory, in a process of its own.

    `planner` is the backend as opened in this process: it makes prompts and hashes weights, and
    never generates.
    """

    one_model_at_a_time = True

    def __init__(self, planner: Backend, backend: str, options: BackendOptions) -> None:
        self.name = planner.name
        self.constrains_json = constrains_json(planner)
        self._planner = planner
        self._backend = backend
        self._options = options
        self._children: dict[str, Child] = {}
        self._current = ""
        self._expected = 0

    @property
    def context_length(self) -> int | None:
        """The planner's, who knows all models."""
        return self._planner.context_length

    @property
    def notes(self) -> tuple[str, ...]:
        """That there are several engines, and what each of them notes."""
        count = len(_models(self._options.variants))
        several = f"{count} models: one engine after another, each in a process of its own"
        first = (several,) if count > 1 else ()
        told = (note for child in self._children.values() for note in child.notes)
        return tuple(dict.fromkeys((*first, *self._planner.notes, *told)))

    def environment(self, variant: Variant) -> Environment:
        """As the planner says."""
        return self._planner.environment(variant)

    def fingerprint(self, variant: Variant) -> Fingerprint:
        """As the planner says."""
        return self._planner.fingerprint(variant)

    def prompt(self, messages: Messages, variant: Variant) -> Prompt:
        """As the planner makes it."""
        return self._planner.prompt(messages, variant)

    def expect(self, answers: int) -> None:
        """Let each engine plan its start for its share of this many answers, at least."""
        share = answers // len(_models(self._options.variants))
        self._expected = max(self._expected, share)  # parts of a run tell of themselves alone

    def generate(self, requests: Sequence[Request]) -> Iterator[tuple[Request, Completion]]:
        """Answers model by model, the one in memory first; raises what an engine raises."""
        for model in self._order(requests):
            mine = [request for request in requests if request.variant.model == model]
            child = self._child(model)
            child.expected = self._expected
            yield from child.generate(mine)

    def waiting(self, requests: Sequence[Request]) -> str:
        """Which model is loaded next, unless it is in memory."""
        first = next(iter(self._order(requests)), self._current)
        if first == self._current and self._children[first].is_alive:
            return ""
        return f"loading {Path(first).name}"

    def execution(self) -> Mapping[str, str]:
        """How the engines were driven; where they differ, one fact after the other."""
        facts: dict[str, list[str]] = {}
        for source in (self._planner.execution(), *(c.execution for c in self._children.values())):
            for name, value in source.items():
                known = facts.setdefault(name, [])
                known += [value] if value not in known else []
        return {name: ", then ".join(values) for name, values in facts.items()}

    def close(self) -> None:
        """End the engine that is there."""
        if child := self._children.get(self._current):
            child.close()
        self._planner.close()

    def _order(self, requests: Sequence[Request]) -> list[str]:
        models = _models([request.variant for request in requests])
        return sorted(models, key=lambda model: model != self._current)

    def _child(self, model: str) -> Child:
        """The engine of a model, once that of the last one has ended."""
        if model != self._current and self._current:
            self._children[self._current].close()
        if model not in self._children:
            own = tuple(v for v in self._options.variants if v.model == model)
            options = replace(self._options, variants=own)
            label = f"{self._backend} {Path(model).name}"
            self._children[model] = Child(self._backend, options, label)
        self._current = model
        return self._children[model]


def _models(variants: Sequence[Variant]) -> list[str]:
    """Each model once, in the order of its first variant."""
    return list(dict.fromkeys(variant.model for variant in variants))
