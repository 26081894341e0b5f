"""Tiny models, adapters and requests, made once for all tests of engines."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.backends import Address, Prompt, Request
from harness.common import Sampling, Variant
from tests.backends.tiny import save_adapter, save_model

Ask = Callable[..., Request]


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Qwen2 with a tokenizer; never written to."""
    return save_model(tmp_path_factory.mktemp("tiny") / "model")


@pytest.fixture(scope="session")
def adapters(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two random adapters for `tiny`; never written to."""
    folder = tmp_path_factory.mktemp("adapters")
    return save_adapter(folder / "one", tiny, seed=1), save_adapter(folder / "two", tiny, seed=2)


@pytest.fixture
def ask() -> Ask:
    """Makes requests: `ask(prompt, variant, case=..., **sampling)`."""

    def make(
        prompt: Prompt,
        variant: Variant,
        case: str = "case",
        repeat: int = 0,
        time_limit: float | None = None,
        **sampling: object,
    ) -> Request:
        settings = Sampling.model_validate(sampling)
        address = Address(case, variant.name, repeat)
        return Request(f"{case}/{variant.name}", address, variant, prompt, settings, time_limit)

    return make


@pytest.fixture
def brittle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The backend `brittle`, as pip would have installed it; child processes find it too."""
    metadata = tmp_path / "site" / "brittle-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: brittle\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(
        "[harness.backends]\nbrittle = tests.backends.brittle:open_brittle\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
