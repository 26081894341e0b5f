"""What a server says about itself: which program it is, its version, its models."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from harness.backends.openai.arguments import Endpoint
from harness.backends.openai.replies import CallError, Refused, unasked
from harness.backends.openai.request_pool import fetch
from harness.common import from_home

VLLM = "vllm"
# Programs by what they write into `owned_by` of their models.
_OWNERS = {"vllm": VLLM, "llamacpp": "llama.cpp", "sglang": "sglang", "library": "ollama"}
# Programs that list every name they answer to; the others take names that they do not list.
_LISTS_ALL = (VLLM, "sglang", "ollama")
# Where each says its version, beside the API, and under which name.
_VERSIONS = {
    VLLM: ("/version", "version"),
    "llama.cpp": ("/props", "build_info"),
    "sglang": ("/server_info", "version"),
    "ollama": ("/api/version", "version"),
    "tgi": ("/info", "version"),
}


@dataclass(frozen=True, slots=True)
class ModelCard:
    """A model as the server lists it. `context`: most tokens of prompt and answer together."""

    name: str
    root: str = ""
    parent: str = ""
    context: int | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Server:
    """A server as it was found. `program` and `version` are empty where it does not say."""

    program: str = ""
    version: str = ""
    cards: Mapping[str, ModelCard] = field(default_factory=dict)

    @property
    def lists_all(self) -> bool:
        """Return whether a name that it does not list is one that it does not know."""
        return self.program in _LISTS_ALL and bool(self.cards)

    def find(self, name: str) -> ModelCard | None:
        """Return the model of this name, or the one loaded from this directory of this machine."""
        for known in (name, f"{name}:latest"):  # Ollama's own short form
            if known in self.cards:
                return self.cards[known]
        path = from_home(name)
        if not path.exists():
            return None
        for card in self.cards.values():
            with suppress(OSError, ValueError, RuntimeError):  # NUL, ~nobody, links in a circle
                if card.root and from_home(card.root).resolve() == path.resolve():
                    return card
        return None


def look_at(endpoint: Endpoint) -> Server:
    """Ask a server who it is.

    Raises `MachineryError` where nobody answers, `InputError` where the key is refused.
    """
    try:
        listed = fetch(endpoint, f"{endpoint.url}/models").get("data")
    except Refused as error:
        if error.status in (401, 403):
            raise unasked(error, endpoint) from None
        listed = None  # the list is a courtesy: some have none
    except CallError as error:
        raise unasked(error, endpoint) from None
    rows = [row for row in listed if isinstance(row, dict)] if isinstance(listed, list) else []
    owners = (row.get("owned_by") for row in rows)
    program = next((_OWNERS[o] for o in owners if isinstance(o, str) and o in _OWNERS), "")

    path, name = _VERSIONS[program or "tgi"]
    facts: Mapping[str, Any] = {}  # what else stands where the version does
    with suppress(CallError):
        facts = fetch(endpoint, endpoint.url.removesuffix("/v1") + path)
    if not program and {"model_id", "version"} <= set(facts):
        program = "tgi"
    if not program:
        facts = {}
    cards = {}
    for row in rows:
        if isinstance(row.get("id"), str):
            meta = row.get("meta")
            cards[row["id"]] = ModelCard(
                name=row["id"],
                root=str(row.get("root") or ""),
                parent=str(row.get("parent") or ""),
                context=_context(row, facts),
                details=dict(meta) if isinstance(meta, dict) else {},
            )
    return Server(program, str(facts.get(name) or ""), cards)


def _context(row: Mapping[str, Any], facts: Mapping[str, Any]) -> int | None:
    """Return the most tokens: vLLM and SGLang say it in the list, llama.cpp and TGI beside it."""
    loaded = facts.get("default_generation_settings")
    places = (
        row.get("max_model_len"),
        loaded.get("n_ctx") if isinstance(loaded, dict) else None,
        facts.get("max_total_tokens"),
    )
    found = (place for place in places if isinstance(place, int) and not isinstance(place, bool))
    return next(found, None)
