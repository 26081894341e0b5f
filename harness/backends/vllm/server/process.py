"""`python -m harness.backends.vllm.server.process MODULE ARGS...`: serve while stdin is open.

The keeper holds the other end. However it ends, a kill included, the server does too, and gives its
memory back.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading
import time

VLLM = "vllm.entrypoints.openai.api_server"  # its own server, in every supported version
_PATIENCE = 15.0  # seconds for an orderly end, before everything in this process group is killed


def main() -> None:
    """Serve until the keeper is gone."""
    threading.Thread(target=_watch, daemon=True, name="watch").start()
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


def _watch() -> None:
    while sys.stdin.buffer.read(1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_PATIENCE)
    os.killpg(os.getpgid(0), signal.SIGKILL)


if __name__ == "__main__":
    main()
