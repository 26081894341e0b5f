"""The backend `openai`: any server with an OpenAI-compatible API."""

from __future__ import annotations

from harness.backends.base import Backend, BackendOptions, models_are
from harness.backends.openai.arguments import ARGUMENTS


@models_are("names", options=("base_url", "trust_remote_code"), arguments=ARGUMENTS)
def open_openai(options: BackendOptions) -> Backend:
    """Open it for a server, which is asked who it is and what it serves.

    Raises `InputError` for a wrong address, argument, key or name of a model, and `MachineryError`
    where no server answers.
    """
    from harness.backends.openai.backend import OpenAIBackend

    return OpenAIBackend(options)
