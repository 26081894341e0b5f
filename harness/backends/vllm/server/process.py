"""`python -m harness.backends.vllm.server.process MODULE ARGS...`: serve while stdin is open.

The keeper holds the other end. However it ends, a kill included, the server does too, and gives its
memory back.
"""

from __future__ import annotations

import runpy
import sys

from harness.common import processes

VLLM = "vllm.entrypoints.openai.api_server"  # its own server, in every supported version
SERVER = "harness.backends.vllm.server.process"
_PATIENCE = 15.0  # seconds for an orderly end, before everything in this process group is killed

if __name__ == "__main__":
    processes.end_with_parent(_PATIENCE)
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
