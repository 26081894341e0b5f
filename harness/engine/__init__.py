"""The warm engine: vLLM's own server, kept on this machine between runs."""

from harness.engine.elsewhere import holders
from harness.engine.ending import end
from harness.engine.opening import find_engine, open_engine
from harness.engine.values import READY, Warm

__all__ = ["READY", "Warm", "end", "find_engine", "holders", "open_engine"]
