"""Device and number format on a machine without a GPU."""

from __future__ import annotations

import pytest
import torch

from harness.backends.hf.placement import place, use_threads
from harness.common import InputError

no_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")


@no_gpu
def test_auto_without_a_gpu_is_the_cpu_in_float32_with_reasons() -> None:
    placement = place("auto", "auto")

    assert (str(placement.device), placement.dtype_name) == ("cpu", "float32")
    assert placement.reasons == (
        f"device cpu: torch {torch.__version__} sees no GPU",
        "dtype float32: on a CPU, answers then hardly depend on their batch",
    )


def test_what_the_user_says_needs_no_reason() -> None:
    placement = place("cpu", "bfloat16")

    assert (placement.dtype_name, placement.reasons) == ("bfloat16", ())


@no_gpu
@pytest.mark.parametrize(
    ("device", "dtype", "message"),
    [
        (
            "cuda",
            "auto",
            f"device 'cuda': torch {torch.__version__} sees no GPU\n"
            "  hint: use --device auto or --device cpu",
        ),
        (
            "cdua",
            "auto",
            "device 'cdua' is not known\n"
            "  expected: auto, cpu, cuda, cuda:N or mps\n"
            "  did you mean: cuda",
        ),
        (
            "gpu:0",
            "auto",
            "device 'gpu:0' is not known\n"
            "  expected: auto, cpu, cuda, cuda:N or mps\n"
            "  did you mean: cuda",
        ),
        (
            "cpu",
            "FP16",
            "dtype 'FP16' is not known\n"
            "  expected: auto, float32, bfloat16, float16\n"
            "  did you mean: float16",
        ),
        (
            "cuda:x",
            "auto",
            "device 'cuda:x' is not known\n  expected: a number after the colon",
        ),
        (
            "cpu",
            "bflaot16",
            "dtype 'bflaot16' is not known\n"
            "  expected: auto, float32, bfloat16, float16\n"
            "  did you mean: bfloat16",
        ),
    ],
)
def test_wrong_options_are_named(device: str, dtype: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        place(device, dtype)

    assert str(caught.value) == message


def test_threads_are_the_users_when_given() -> None:
    before = torch.get_num_threads()
    try:
        assert use_threads(1) == 1
    finally:
        torch.set_num_threads(before)
