"""An adapter that changes nothing is an error before anything is answered."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from harness.backends import BackendOptions, Request
from harness.backends.hf.backend import HfBackend
from harness.common import InputError, Message, Variant
from tests.backends.conftest import Ask
from tests.backends.tiny import save_adapter, save_model, save_tokenizer

SAID = (
    r"mean \|Δ log-probability\| [\d.e-]+ per token against the base, "
    r"the base against itself [\d.e-]+ \(\d+ tokens\)"
)


def backend_with(*variants: Variant) -> HfBackend:
    return HfBackend(BackendOptions(variants, device="cpu", engine_args={"threads": 1}))


def request(backend: HfBackend, ask: Ask, variant: Variant) -> Request:
    prompt = backend.prompt((Message("user", "Hi"),), variant)
    return ask(prompt, variant, max_new_tokens=2)


@pytest.fixture
def faint(tiny: Path, tmp_path: Path) -> Path:
    """An adapter whose B matrices are not zero, and so small that no float feels them."""
    directory = save_adapter(tmp_path / "faint", tiny, seed=4)
    file = directory / "adapter_model.safetensors"
    tensors = load_file(file)
    save_file({n: t * 1e-20 if "lora_B" in n else t for n, t in tensors.items()}, file)
    return directory


def test_effects_are_measured_once_and_recorded(
    tiny: Path, adapters: tuple[Path, Path], ask: Ask
) -> None:
    cast = [Variant(path.name, str(tiny), str(path)) for path in adapters]
    backend = backend_with(*cast)
    asked = [request(backend, ask, variant) for variant in cast]

    list(backend.generate(asked[:1]))
    one = backend.execution()
    list(backend.generate(asked))
    both = backend.execution()

    assert re.fullmatch(SAID, one["effect of one"])
    assert "effect of two" not in one
    assert both["effect of one"] == one["effect of one"] != both["effect of two"]


def test_an_adapter_without_effect_is_refused_before_anything_is_answered(
    tiny: Path, adapters: tuple[Path, Path], faint: Path, ask: Ask
) -> None:
    good, bad = Variant("one", str(tiny), str(adapters[0])), Variant("bad", str(tiny), str(faint))
    backend = backend_with(good, bad)
    answered = []

    with pytest.raises(InputError) as caught:
        for one, _ in backend.generate([request(backend, ask, v) for v in (good, bad)]):
            answered.append(one)

    assert answered == []
    lines = str(caught.value).splitlines()
    assert lines[0] == f"{faint}: has no effect in backend 'hf': it answers as its base does"
    assert re.fullmatch(f"  found: {SAID}", lines[1])
    assert re.fullmatch(r"  expected: at least [\d.e-]+ per token, 10 times the base .*", lines[2])


def test_the_base_alone_measures_nothing(tiny: Path, ask: Ask) -> None:
    base = Variant("base", str(tiny))
    backend = backend_with(base)

    list(backend.generate([request(backend, ask, base)]))

    assert not [name for name in backend.execution() if name.startswith("effect")]


def test_where_no_prompt_can_be_made_the_effect_is_not_checked(tmp_path: Path, ask: Ask) -> None:
    model = save_model(tmp_path / "model")
    save_tokenizer(model)
    (model / "chat_template.jinja").write_text(
        "{% if messages[0].content != 'Hi' %}{{ raise_exception('only Hi') }}{% endif %}Hi"
    )
    variant = Variant("tuned", str(model), str(save_adapter(tmp_path / "a", model, seed=1)))
    backend = backend_with(variant)

    list(backend.generate([request(backend, ask, variant)]))

    said = "not checked: the chat template refuses the prompts that it needs"
    assert backend.execution()["effect of tuned"] == said
    assert f"adapter tuned: effect {said}" in backend.notes
