"""Several servers behind one address: each answers a part, and one that is gone costs nothing."""

from __future__ import annotations

import itertools
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from harness.backends.vllm.server import find_engine
from tests.backends.openai.conftest import Answer, Open, Serve
from tests.backends.openai.serving import Heard, Said, echo
from tests.embedded import ROOT, Done, run


@dataclass(frozen=True)
class Router:
    """Who listens at `url`, and how many requests each server has answered."""

    url: str
    answered: Counter[str]


@contextmanager
def round_robin(servers: Sequence[str], keys: Sequence[str] = ("none", "none")) -> Iterator[Router]:
    """Hand each request to the next server, with its key; 502 where that one is gone."""
    turn, answered = itertools.cycle(zip(servers, keys, strict=True)), Counter[str]()
    client = httpx.Client(timeout=300, trust_env=False)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._pass_on(b"")

        def do_POST(self) -> None:
            self._pass_on(self.rfile.read(int(self.headers["Content-Length"])))

        def _pass_on(self, body: bytes) -> None:
            server, key = next(turn)
            headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
            url = server.removesuffix("/v1") + self.path
            try:
                reply = client.request(self.command, url, content=body, headers=headers)
                status, content = reply.status_code, reply.content
                answered[server] += self.command == "POST"
            except httpx.TransportError:
                status, content = 502, b"{}"
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing is logged."""

    listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=listener.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield Router(f"http://127.0.0.1:{listener.server_address[1]}/v1", answered)
    finally:
        listener.shutdown()
        listener.server_close()
        client.close()


def test_two_servers_share_the_work_and_the_loss_of_one_loses_no_answer(
    serve: Serve, connect: Open, answer_all: Answer
) -> None:
    lasting = serve()

    def leave(heard: Heard) -> Said:
        if len(brittle.heard) == 8:
            brittle.die()
        return echo(heard)

    brittle = serve(leave)
    texts = [f"question {number}" for number in range(40)]
    with round_robin([lasting.url, brittle.url]) as router:
        backend = connect(router.url, in_flight=8)

        found = answer_all(backend, *texts)
        backend.close()

    assert [done.text for done in found] == texts
    assert router.answered[brittle.url] >= 8
    assert router.answered[lasting.url] >= 40 - router.answered[brittle.url]


@pytest.mark.full
def test_two_servers_of_vllm_behind_one_address_get_the_verdicts_of_hf(
    warm_engine: Path, gated: Done, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    words = [sys.executable, "-m", "harness", "engine"]
    store = f"--store={other / 'store.db'}"
    small = ["--engine-arg=max_lora_rank=8", "--engine-arg=max_loras=5"]
    subprocess.run([*words, "up", store, *small], cwd=ROOT, check=True)
    try:
        servers = [found for folder in (warm_engine, other) if (found := find_engine(folder))]
        names = ("repaired", "forgetful")
        for server in servers:
            headers = {"Authorization": f"Bearer {server.key}"}
            for name in names:
                adapter = {"lora_name": name, "lora_path": str(ROOT / "fixtures/adapters" / name)}
                url = f"{server.url}/load_lora_adapter"
                httpx.post(url, json=adapter, headers=headers, timeout=120).raise_for_status()
        urls = [server.url for server in servers]
        with round_robin(urls, [server.key for server in servers]) as router:
            where = ["--backend=openai", f"--base-url={router.url}", "--model=base"]
            adapters = [f"--adapter={name}={name}" for name in names]
            done = run(tmp_path, "-m", "harness", "run", "suites/", *where, *adapters)
    finally:
        subprocess.run([*words, "down", store], cwd=ROOT, check=True)

    assert done.code == gated.code == 1, done.out
    for name in names:
        assert done.verdicts(name) == gated.verdicts(name)
    assert len(router.answered) == 2 and min(router.answered.values()) > 300
