"""A tiny model and an adapter for it, made once for the tests of merging and linting."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.backends.tiny import save_adapter, save_model


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Qwen2 with a tokenizer; never written to."""
    return save_model(tmp_path_factory.mktemp("small") / "model")


@pytest.fixture(scope="session")
def small_adapter(small: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random adapter for `small`; never written to."""
    return save_adapter(tmp_path_factory.mktemp("small") / "adapter", small, seed=1)
