"""The warm engine: vLLM's own server, kept on this machine between runs."""

from harness.backends.vllm.server.home import (
    READY,
    Warm,
    end,
    find_engine,
    holders,
    wrong_with_engine,
)

__all__ = ["READY", "Warm", "end", "find_engine", "holders", "wrong_with_engine"]
