"""The engine `openai`: any server with an OpenAI-compatible API."""

from __future__ import annotations

from harness.backends.base import Backend, BackendOptions, models_are


@models_are("names")
def open_openai(options: BackendOptions) -> Backend:
    """The engine for a server, which is asked who it is and what it serves.

    Raises `InputError` for a wrong address, argument, key or name of a model, and `MachineryError`
    where no server answers.
    """
    from harness.backends.openai.backend import OpenAIBackend

    return OpenAIBackend(options)
