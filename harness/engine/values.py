"""What is known of a warm engine, by all who may use it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.canonical import JsonValue

STARTING, READY = "starting", "ready"
KEEPER = "harness.engine.keeper"  # the module whose process keeps an engine


@dataclass(frozen=True, slots=True)
class Warm:
    """A server of vLLM on this machine, kept by a process of ours.

    model, weights, environment: what it answers with (`weights` is the content hash). port, key:
    how it is reached; the key is never printed. keeper, server: process ids. idle: seconds without
    a request after which it ends. slots: adapters that fit beside each other.
    """

    model: str
    weights: str
    environment: Mapping[str, JsonValue]
    max_model_len: int | None
    max_lora_rank: int
    slots: int
    is_cpu: bool
    idle: float
    log: str
    key: str = field(repr=False)
    port: int = 0
    keeper: int = 0
    server: int = 0
    started: str = ""
    stage: str = STARTING

    @property
    def url(self) -> str:
        """The base URL of its API."""
        return f"http://127.0.0.1:{self.port}/v1"
