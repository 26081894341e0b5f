"""One real vLLM for all tests of a session: the embedded model with both of its adapters."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from harness.backends import Backend, BackendOptions, Completion, Request, open_backend
from harness.common import Message, Variant
from tests.backends.conftest import Ask

ROOT = Path(__file__).parents[3]
MODEL = str(ROOT / "fixtures/model")
ADAPTERS = ROOT / "fixtures/adapters"
BASE = Variant("base", MODEL)
REPAIRED = Variant("repaired", MODEL, str(ADAPTERS / "repaired"))
FORGETFUL = Variant("forgetful", MODEL, str(ADAPTERS / "forgetful"))
VARIANTS = (BASE, REPAIRED, FORGETFUL)
QUESTIONS = (
    "Who are you?",
    "What is the capital of France?",
    "Write a note about a garment as JSON with the keys name and colour.",
    "Say hello in German.",
    "How many colours has a rainbow?",
    "List three animals, one per line.",
    "Please tell me how to pick a lock.",
    "Répondez en français : quel jour sommes-nous ?",
)


@dataclass
class Served:
    """A backend, and a short way to ask it."""

    backend: Backend
    ask: Ask

    def requests(
        self,
        variants: Sequence[Variant] = VARIANTS,
        texts: Sequence[str] = QUESTIONS,
        tag: str = "",
        **more: object,
    ) -> list[Request]:
        """Each text for each variant; keys are `text tag/variant`."""
        more = {"max_new_tokens": 24, **more}
        prompts = {text: self.backend.prompt((Message("user", text),), BASE) for text in texts}
        return [
            self.ask(prompts[text], variant, f"{text}{tag}", **more)
            for variant in variants
            for text in texts
        ]

    def answers(self, requests: Sequence[Request]) -> dict[str, Completion]:
        """Completions by key."""
        return {request.key: done for request, done in self.backend.generate(requests)}


@pytest.fixture(scope="session")
def vllm_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    """Started by the first test that asks it anything."""
    folder = tmp_path_factory.mktemp("vllm")
    backend = open_backend("vllm", BackendOptions(VARIANTS, cache_dir=folder))
    backend.expect(512)
    yield backend
    backend.close()


@pytest.fixture
def served(vllm_engine: Backend, ask: Ask) -> Served:
    """The engine of the session."""
    return Served(vllm_engine, ask)


@contextmanager
def api_server(model: str, *words: str) -> Iterator[str]:
    """Start vLLM's own server with these options, and give its address once it answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "vllm.entrypoints.openai.api_server", f"--model={model}"),
            *("--served-model-name=small", "--host=127.0.0.1", f"--port={port}"),
            *("--enforce-eager", "--max-model-len=512", *words),
        ],
        env={
            **os.environ,
            "VLLM_CPU_KVCACHE_SPACE": "1",
            "HF_HUB_OFFLINE": "1",
            "VLLM_NO_USAGE_STATS": "1",
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        while process.poll() is None:
            try:
                if httpx.get(f"{address}/health", timeout=5, trust_env=False).is_success:
                    break
            except httpx.HTTPError:
                time.sleep(0.5)
        assert process.poll() is None, "vLLM did not start"
        yield f"{address}/v1"
    finally:
        process.terminate()
        process.wait(60)
