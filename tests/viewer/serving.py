"""A server in a thread of its own, for as long as a test needs it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from harness.viewer import LocalServer


@contextmanager
def serving(server: LocalServer) -> Iterator[LocalServer]:
    """Run a server in a thread; at the end it has stopped, and every socket is closed."""
    thread = threading.Thread(target=server.run)
    with server:
        thread.start()
        try:
            yield server
        finally:
            server.stop()
            thread.join()


@contextmanager
def reader(server: LocalServer) -> Iterator[httpx.Client]:
    """Open a client that has followed the printed address, as a browser does."""
    at = f"http://127.0.0.1:{server.port}"
    with httpx.Client(base_url=at, follow_redirects=True, trust_env=False, timeout=60.0) as client:
        assert client.get(server.link("/assets/page.css")).status_code == 200
        yield client
