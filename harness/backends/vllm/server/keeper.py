"""`python -m harness.backends.vllm.server.keeper FOLDER`: start the server, and end it when idle.

The server's module and arguments come over stdin, as JSON. It is looked at a few times within its
idle time: a request that ended or runs counts as use, whoever sent it.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

import httpx

from harness.backends.vllm.server.home import READY, Home, Warm, changed
from harness.backends.vllm.server.process import SERVER
from harness.common import processes

TAKEN = 3  # the exit code where another keeper holds the folder
_LOOK = 0.25  # seconds between looks while it starts
_STOP_SECONDS = 20.0
_PATIENCE = 2.0  # whoever asks for the status holds the lock for a moment
_USED = ("vllm:request_success_total", "vllm:num_requests_running", "vllm:num_requests_waiting")


class _Stop(Exception):
    """Somebody wants the engine to end."""


def main(folder: str) -> int:
    """Keep one engine until it has ended; return the exit code: 1 where the server broke."""

    def stop(number: int, frame: FrameType | None) -> Any:
        raise _Stop

    home = Home(Path(folder).parent)
    signal.signal(signal.SIGTERM, stop)
    job = json.load(sys.stdin)
    lock = home.take(_PATIENCE)
    if lock is None:
        return TAKEN
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    warm = changed(Warm(**job["warm"]), port=port, keeper=os.getpid())
    # In a session of its own; its log is a file that its owner alone can read.
    log = os.open(warm.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    server = processes.start(
        SERVER,
        *(job["module"], *job["arguments"], f"--port={warm.port}"),
        output=log,
        errors=subprocess.STDOUT,
        environment={**job["environment"], "VLLM_API_KEY": warm.key},
    )
    os.close(log)
    try:
        home.write(changed(warm, server=server.pid))
        if _until_ready(server, warm):
            home.write(changed(warm, server=server.pid, stage=READY))
            _until_idle(server, warm)
    except _Stop:
        pass
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        broken = server.poll()
        if server.stdin is not None:
            server.stdin.close()  # which tells it to end
        processes.end(server, _STOP_SECONDS)
        home.forget()
        lock.release()
    return 1 if broken else 0


def _until_ready(server: subprocess.Popen[bytes], warm: Warm) -> bool:
    """Wait for the server; return False where it has ended instead."""
    while server.poll() is None:
        with suppress(httpx.HTTPError):
            if _get(warm, "/health").is_success:
                return True
        time.sleep(_LOOK)
    return False


def _until_idle(server: subprocess.Popen[bytes], warm: Warm) -> None:
    """Return when the server has ended, or was not used for its idle time."""
    look = min(15.0, max(_LOOK, warm.idle / 8))
    used, since = _use(warm), time.monotonic()
    while time.monotonic() - since < warm.idle:
        with suppress(subprocess.TimeoutExpired):
            server.wait(look)
            return
        now = _use(warm)
        if now != used or "busy" in now:
            used, since = now, time.monotonic()


def _use(warm: Warm) -> tuple[str, ...]:
    """Return the server's counts of requests, and whether it is busy; equal if nobody asked."""
    try:
        lines = _get(warm, "/metrics").text.splitlines()
    except httpx.HTTPError:
        return ()
    counts = [line for line in lines if line.startswith(_USED)]
    running = [line for line in counts if "num_requests" in line and not line.endswith(" 0.0")]
    return (*counts, *(["busy"] if running else []))


def _get(warm: Warm, path: str) -> httpx.Response:
    return httpx.get(f"http://127.0.0.1:{warm.port}{path}", timeout=5.0, trust_env=False)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
