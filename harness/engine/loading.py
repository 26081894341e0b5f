"""Adapters on a warm engine: added at run time, under names that say their content."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

import httpx

from harness.engine.home import Home
from harness.engine.values import Warm
from harness.errors import MachineryError, Problem

_SECONDS = 120.0
# Enough for vLLM; what else lies in the folder (optimizer states) is not copied.
_FILES = ("adapter_config.json", "adapter_model.safetensors")


def load_adapters(warm: Warm, home: Home, adapters: Iterable[tuple[str, Path]]) -> None:
    """Make the server know these adapters, by name and directory; those it knows stay.

    It reads a copy: a folder that is trained into again must not change what it serves. Raises
    `MachineryError` where it refuses one.
    """
    with _client(warm) as client:
        known = _known(client, warm)
        for name, path in adapters:
            if name not in known:
                _load(client, warm, name, _copy(home, name, path))
                home.count_load(name)


def loaded(warm: Warm) -> frozenset[str]:
    """Names of the adapters that the server knows."""
    with _client(warm) as client:
        return _known(client, warm)


def _client(warm: Warm) -> httpx.Client:
    """On loopback, without encryption: so without certificates, which take time to read."""
    key = {"Authorization": f"Bearer {warm.key}"}
    return httpx.Client(headers=key, trust_env=False, timeout=_SECONDS, verify=False)


def _known(client: httpx.Client, warm: Warm) -> frozenset[str]:
    try:
        rows = client.get(f"{warm.url}/models").raise_for_status().json()["data"]
        return frozenset(str(row["id"]) for row in rows if row.get("parent"))
    except (httpx.HTTPError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _broken(warm, f"{type(error).__name__}: {error}") from None


def _load(client: httpx.Client, warm: Warm, name: str, path: Path) -> None:
    body = {"lora_name": name, "lora_path": str(path)}
    try:
        reply = client.post(f"{warm.url}/load_lora_adapter", json=body)
    except httpx.HTTPError as error:
        raise _broken(warm, f"{type(error).__name__}: {error}") from None
    if not reply.is_success and "already been loaded" not in reply.text:  # by another run, just now
        raise _broken(warm, f"HTTP {reply.status_code}: {reply.text[:200]}")


def _copy(home: Home, name: str, path: Path) -> Path:
    folder = (home.adapters / name).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    for file in _FILES:
        shutil.copyfile(path / file, folder / file)
    return folder


def _broken(warm: Warm, found: str) -> MachineryError:
    return MachineryError(
        Problem(
            "the warm engine does not take an adapter",
            warm.log,
            found=found,
            mend="harness engine down, and harness engine up; or add --no-warm",
        )
    )
