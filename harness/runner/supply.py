"""Answers of one engine: from the store, the missing ones generated and committed first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress

from harness.backends.values import Backend, Completion, Request, waiting
from harness.canonical import JsonValue, flat_dict
from harness.errors import HarnessError, MachineryError
from harness.runner.engine import Answered, Engine, Limits
from harness.runner.events import Completed, Note, Observer, Reused, Waiting
from harness.runner.store import Entry, Store


class Supply:
    """Gives answers, and counts them. `broken` says what broke the engine, if anything did."""

    def __init__(self, backend: Backend, store: Store, observer: Observer, limits: Limits) -> None:
        self._backend = backend
        self._store = store
        self._observer = observer
        self._engine = Engine(backend, limits)
        self._in_hand: list[Answered] = []
        self.generated = 0
        self.cached = 0
        self.tokens = 0
        self.broken: MachineryError | None = None

    def stored(self, requests: Sequence[Request]) -> dict[str, Completion]:
        """The answers that are there already, by key."""
        return self._store.completions(request.key for request in requests)

    def reuse(self, count: int) -> None:
        """Count answers that nothing was generated for."""
        self.cached += count
        if count:
            self._observer(Reused(count))

    def made(self, requests: Sequence[Request]) -> Iterator[list[tuple[str, Completion]]]:
        """Generate, from now on; answers by key, in groups as they arrive, each on disk by then.

        Nothing more comes once the engine has broken.
        """
        if not requests or self.broken is not None:
            return iter(())
        if reason := waiting(self._backend, requests):
            self._observer(Waiting(reason))
        return map(self._keep, self._until_broken(self._engine.answers(requests)))

    def stop(self) -> None:
        """Keep what has arrived. The store may be what broke: then that is what is reported."""
        with suppress(HarnessError):
            self._keep([*self._in_hand, *self._engine.stop()])

    def _until_broken(self, groups: Iterator[list[Answered]]) -> Iterator[list[Answered]]:
        try:
            yield from groups
        except MachineryError as error:
            self.broken = error
            self._observer(Note(str(error)))
            if rest := self._engine.stop():
                yield rest

    def _keep(self, group: list[Answered]) -> list[tuple[str, Completion]]:
        """Commit answers, then report them. An error is no answer: it is asked for again."""
        if not group:
            return []
        self._in_hand = group  # until it is committed: an interrupt may come in between
        answers = {request.key: completion for request, completion in group}
        entries = [
            Entry(request.key, completion, _origin(request))
            for request, completion in group
            if not completion.error and completion.finish_reason != "error"
        ]
        kept = self._store.put_many(entries)
        self._in_hand = []
        answers.update((entry.key, answer) for entry, answer in zip(entries, kept, strict=True))
        tokens = sum(completion.completion_tokens for completion in kept)
        self.generated += len(entries)
        self.tokens += tokens
        self._observer(Completed(len(answers), tokens))
        return list(answers.items())


def _origin(request: Request) -> dict[str, JsonValue]:
    """Where an answer came from, for people who look into the store."""
    variant = request.variant
    return {**flat_dict(request.address), "model": variant.model, "adapter": variant.adapter}
