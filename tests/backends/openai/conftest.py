"""Servers that misbehave, and how they are asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack

import pytest

from harness.backends import Backend, BackendOptions, Completion, Request, open_backend
from harness.common import Message, Variant
from tests.backends.conftest import Ask
from tests.backends.openai.serving import Heard, Said, SmallServer, echo

Serve = Callable[..., SmallServer]
Open = Callable[..., Backend]
Put = Callable[..., list[Request]]
Answer = Callable[..., list[Completion]]
SMALL = Variant("base", "small")


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts servers: `serve(talk, pages)`."""
    with ExitStack() as stack:

        def start(
            talk: Callable[[Heard], Said] = echo, pages: Mapping[str, Said] | None = None
        ) -> SmallServer:
            server = SmallServer(talk, pages)
            stack.callback(server.close)
            return server

        yield start


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Open:
    """Opens the engine: `connect(server.url, variants, **engine_args)`."""
    for name in ("OPENAI_API_KEY", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)

    def open_it(url: str, *variants: Variant, **arguments: object) -> Backend:
        options = BackendOptions(variants=variants or (SMALL,), base_url=url, engine_args=arguments)
        return open_backend("openai", options)

    return open_it


@pytest.fixture
def put(ask: Ask) -> Put:
    """Makes requests of texts: `put(backend, *texts, variant=..., **request)`."""

    def make(
        backend: Backend, *texts: str, variant: Variant = SMALL, **more: object
    ) -> list[Request]:
        return [
            ask(backend.prompt((Message("user", text),), variant), variant, str(n), **more)
            for n, text in enumerate(texts)
        ]

    return make


@pytest.fixture
def answer_all(put: Put) -> Answer:
    """Asks a backend some texts, and gives the answers in their order."""

    def run(backend: Backend, *texts: str, **more: object) -> list[Completion]:
        requests = put(backend, *texts, **more)
        found = {request.address.case: answer for request, answer in backend.generate(requests)}
        return [found[request.address.case] for request in requests]

    return run
