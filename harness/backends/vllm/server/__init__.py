"""The warm engine: vLLM's own server, kept on this machine between runs."""

from harness.backends.vllm.server.home import READY, Warm, end, holders
from harness.backends.vllm.server.opening import find_engine, open_engine

__all__ = ["READY", "Warm", "end", "find_engine", "holders", "open_engine"]
