"""The backend hf on a tiny random model: what it answers, and what it refuses."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from harness.backends import BackendOptions, Completion, Request, open_backend
from harness.backends.hf.backend import HfBackend, quantisation
from harness.backends.hf.loading import quantised
from harness.backends.hf.placement import place
from harness.common import InputError, MachineryError, Message, Variant
from harness.prompts import load_tokenizer
from tests.backends.conftest import Ask
from tests.backends.tiny import SENTENCES, generate, save_adapter, save_model

QUESTIONS = [f"{sentence} {number}" for number in range(3) for sentence in SENTENCES]


@pytest.fixture(scope="module")
def variants(tiny: Path, adapters: tuple[Path, Path]) -> tuple[Variant, ...]:
    one, two = adapters
    return (
        Variant("base", str(tiny)),
        Variant("one", str(tiny), str(one)),
        Variant("v1.2", str(tiny), str(two)),
    )


@pytest.fixture(scope="module")
def backend(variants: tuple[Variant, ...]) -> Iterator[HfBackend]:
    opened = HfBackend(BackendOptions(variants, device="cpu", engine_args={"threads": 1}))
    yield opened
    opened.close()


def requests(
    backend: HfBackend,
    ask: Ask,
    variant: Variant,
    questions: Sequence[str] = QUESTIONS,
    **more: Any,
) -> list[Request]:
    prompts = [backend.prompt((Message("user", text),), variant) for text in questions]
    more = {"max_new_tokens": 12, **more}
    return [ask(prompt, variant, case=str(i), **more) for i, prompt in enumerate(prompts)]


def answers(backend: HfBackend, asked: Sequence[Request]) -> dict[str, Completion]:
    return {request.key: completion for request, completion in backend.generate(asked)}


def reference(model: Path, adapter: Path | None) -> Any:
    """The model as transformers and peft load it, with nothing of ours."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    loaded: Any = AutoModelForCausalLM.from_pretrained(model)
    return loaded if adapter is None else PeftModel.from_pretrained(loaded, adapter)


def test_opening_loads_no_weights(backend: HfBackend, variants: tuple[Variant, ...]) -> None:
    fresh = HfBackend(BackendOptions(variants))

    fresh.environment(variants[0])
    fresh.fingerprint(variants[1])

    assert "batch_rows" not in fresh.execution()


def test_it_says_that_weights_are_loaded_until_they_are(
    variants: tuple[Variant, ...], ask: Ask
) -> None:
    fresh = HfBackend(BackendOptions(variants, device="cpu", engine_args={"threads": 1}))
    asked = requests(fresh, ask, variants[0], QUESTIONS[:1])

    before = fresh.waiting(asked)
    answers(fresh, asked)

    assert (before, fresh.waiting(asked)) == ("loading the model", "")


@pytest.mark.parametrize("index", [0, 1, 2])
def test_answers_are_those_of_generate_token_by_token(
    index: int,
    backend: HfBackend,
    variants: tuple[Variant, ...],
    ask: Ask,
    tiny: Path,
    adapters: tuple[Path, Path],
) -> None:
    asked = requests(backend, ask, variants[index], QUESTIONS[:5], max_new_tokens=30)

    given = answers(backend, asked)

    loaded = reference(tiny, None if index == 0 else adapters[index - 1])
    tokenizer = load_tokenizer(tiny)
    for request in asked:
        ids = generate(loaded, request.prompt.token_ids or (), new=30)
        assert given[request.key].text == tokenizer.decode(ids)
        assert given[request.key].completion_tokens == len(ids)


def test_base_with_adapters_in_memory_is_the_plain_base(
    variants: tuple[Variant, ...], ask: Ask
) -> None:
    """On the device that is there, a GPU too, and in 32 bit: both sides compute the same."""
    options = BackendOptions(variants, dtype="float32", engine_args={"threads": 1})
    loaded, fresh = HfBackend(options), HfBackend(options)
    base = requests(loaded, ask, variants[0])
    everything = [r for variant in variants for r in requests(loaded, ask, variant)]

    plain = {key: done.text for key, done in answers(fresh, base).items()}
    answers(loaded, everything)
    again = answers(loaded, base)

    assert {key: done.text for key, done in again.items()} == plain


def test_each_adapter_answers_in_its_own_way(
    backend: HfBackend, variants: tuple[Variant, ...], ask: Ask
) -> None:
    texts = [
        tuple(done.text for done in answers(backend, requests(backend, ask, variant)).values())
        for variant in variants
    ]

    assert len(set(texts)) == 3


def test_eos_ends_an_answer_and_is_no_part_of_it(
    backend: HfBackend, variants: tuple[Variant, ...], ask: Ask
) -> None:
    asked = requests(backend, ask, variants[0], max_new_tokens=200, temperature=3.0)

    done = answers(backend, asked).values()

    stopped = [one for one in done if one.finish_reason == "stop"]
    assert stopped and all(one.completion_tokens < 200 for one in stopped)
    assert all("<|im_end|>" not in one.text for one in done)
    assert all(one.completion_tokens == 200 for one in done if one.finish_reason == "length")


def test_a_stop_string_ends_an_answer_and_is_no_part_of_it(
    backend: HfBackend, variants: tuple[Variant, ...], ask: Ask
) -> None:
    whole = answers(backend, requests(backend, ask, variants[0], QUESTIONS[:1], max_new_tokens=40))
    text = whole["0/base"].text
    stop = text[10:13]

    cut = answers(
        backend,
        requests(backend, ask, variants[0], QUESTIONS[:1], max_new_tokens=40, stop=("@@@@", stop)),
    )["0/base"]

    assert cut.text == text[: text.index(stop)]
    assert cut.finish_reason == "stop"
    assert cut.completion_tokens < whole["0/base"].completion_tokens


def test_sampled_answers_depend_on_the_seed_and_not_on_the_batch(
    backend: HfBackend, variants: tuple[Variant, ...], ask: Ask
) -> None:
    hot: dict[str, Any] = {"temperature": 1.0, "top_p": 0.95, "top_k": 50}
    together = answers(backend, requests(backend, ask, variants[0], seed=7, **hot))
    other = answers(backend, requests(backend, ask, variants[0], seed=8, **hot))

    for request in requests(backend, ask, variants[0], seed=7, **hot)[:4]:
        alone = answers(backend, [request])[request.key]
        assert alone.text == together[request.key].text
    assert [done.text for done in other.values()] != [done.text for done in together.values()]


def test_repeats_draw_anew(backend: HfBackend, variants: tuple[Variant, ...], ask: Ask) -> None:
    hot: dict[str, Any] = {"temperature": 1.5, "seed": 7}
    first = answers(backend, requests(backend, ask, variants[0], QUESTIONS[:3], repeat=0, **hot))
    second = answers(backend, requests(backend, ask, variants[0], QUESTIONS[:3], repeat=1, **hot))

    assert [done.text for done in first.values()] != [done.text for done in second.values()]


def test_a_time_limit_ends_an_answer_as_an_error(
    backend: HfBackend, variants: tuple[Variant, ...], ask: Ask
) -> None:
    asked = requests(backend, ask, variants[0], QUESTIONS[:1], time_limit=0.0)

    done = answers(backend, asked)["0/base"]

    assert (done.finish_reason, done.error) == ("error", "over its time limit of 0 s")
    assert done.completion_tokens == 1


def test_a_prompt_beyond_the_context_is_an_error_and_the_others_are_answered(
    backend: HfBackend, variants: tuple[Variant, ...], ask: Ask
) -> None:
    asked = requests(backend, ask, variants[0], ["word " * 600, "short"])

    done = answers(backend, asked)

    tokens = asked[0].prompt.tokens
    assert done["0/base"].finish_reason == "error"
    assert done["0/base"].error == (
        f"{tokens} prompt and 12 answer tokens exceed the context of 512"
    )
    assert done["1/base"].error == ""


def test_another_model_is_answered_by_itself(
    backend: HfBackend, variants: tuple[Variant, ...], ask: Ask, tmp_path: Path
) -> None:
    other = Variant("other", str(save_model(tmp_path / "other", seed=5)))
    mixed = HfBackend(BackendOptions((variants[0], other), engine_args={"threads": 1}))
    asked = [*requests(mixed, ask, other), *requests(mixed, ask, variants[0])]

    done = answers(mixed, asked)

    alone = answers(backend, requests(backend, ask, variants[0]))
    assert {key: done[key].text for key in alone} == {key: a.text for key, a in alone.items()}
    assert len({one.text for one in done.values()}) > len(alone)


def test_environment_names_what_answers_depend_on(
    backend: HfBackend, variants: tuple[Variant, ...]
) -> None:
    import transformers

    environment = backend.environment(variants[0])

    assert (environment.engine, environment.version) == ("transformers", transformers.__version__)
    assert (environment.dtype, environment.quantisation) == ("float32", "")
    assert dict(environment.extra) == {"eos": "2"}
    assert len(environment.chat_template) == 16
    assert environment == backend.environment(variants[1])


def test_every_end_token_of_the_model_counts(tiny: Path, tmp_path: Path) -> None:
    model = save_model(tmp_path / "model", eos_token_id=[2, 7])
    (model / "generation_config.json").write_text(
        json.dumps({"eos_token_id": [2, 9], "temperature": 0.7, "repetition_penalty": 1.1})
    )
    variant = Variant("base", str(model))

    environment = HfBackend(BackendOptions((variant,))).environment(variant)

    assert environment.extra["eos"] == "2,7,9"


def test_notes_give_reasons(backend: HfBackend, variants: tuple[Variant, ...], tiny: Path) -> None:
    backend.environment(variants[0])

    assert backend.notes == (
        "dtype float32: on a CPU, answers then hardly depend on their batch",
        f"{tiny}: without a system message, its chat template adds 'You are Tiny, made for tests.'",
    )


def test_an_adapter_that_only_vllm_refuses_is_noted(tiny: Path, tmp_path: Path) -> None:
    dora = save_adapter(tmp_path / "dora", tiny, seed=3, use_dora=True)
    (dora / "chat_template.jinja").write_text("{{ messages[0].content }}")
    variant = Variant("dora", str(tiny), str(dora))
    backend = HfBackend(BackendOptions((variant,), device="cpu", dtype="float32"))

    backend.environment(variant)

    assert backend.notes[1:] == (
        "adapter dora: trained with another chat template than its base's",
        "adapter dora: vLLM would refuse it for use_dora",
    )


def test_execution_names_the_batch_once_it_is_known(
    backend: HfBackend, variants: tuple[Variant, ...], ask: Ask
) -> None:
    answers(backend, requests(backend, ask, variants[0], QUESTIONS[:1]))

    facts = backend.execution()

    assert facts["device"] == "cpu"
    assert (facts["batch_rows"], facts["batch_tokens"], facts["threads"]) == ("64", "16384", "1")


def test_loading_shows_no_bars_of_its_own(
    variants: tuple[Variant, ...], ask: Ask, capfd: pytest.CaptureFixture[str]
) -> None:
    fresh = HfBackend(BackendOptions(variants, engine_args={"threads": 1}))

    answers(fresh, requests(fresh, ask, variants[1], QUESTIONS[:1]))

    assert capfd.readouterr() == ("", "")


def test_wrong_engine_arguments_are_named() -> None:
    with pytest.raises(InputError) as caught:
        HfBackend(BackendOptions(engine_args={"rows": 0, "threads": "two"}))

    assert str(caught.value) == (
        "hf: 'rows' is wrong\n  found: 0\n  expected: a number from 1\n"
        "hf: 'threads' is wrong\n  found: 'two'\n  expected: a number from 1"
    )


@pytest.mark.skipif(find_spec("bitsandbytes") is not None, reason="bitsandbytes is there")
def test_quantising_needs_its_packages() -> None:
    with pytest.raises(InputError) as caught:
        HfBackend(BackendOptions(engine_args={"quantization": "4bit"}))

    assert str(caught.value) == (
        "hf: 'quantization' needs bitsandbytes\n"
        "  hint: pip install 'lora-regression-harness[bitsandbytes]'"
    )


def test_a_kind_of_quantising_that_is_not_known_is_named() -> None:
    with pytest.raises(InputError) as caught:
        HfBackend(BackendOptions(engine_args={"quantization": "3bit"}))

    assert str(caught.value).startswith(
        "hf: 'quantization' is wrong\n  found: '3bit'\n  expected: 4bit or 8bit\n"
    )


def test_what_vllm_calls_four_bits_is_told_in_the_words_of_this_engine() -> None:
    with pytest.raises(InputError) as caught:
        HfBackend(BackendOptions(engine_args={"quantization": "bitsandbytes"}))

    assert str(caught.value).startswith(
        "hf: 'quantization' is wrong\n"
        "  found: 'bitsandbytes'\n"
        "  expected: 4bit or 8bit\n"
        "  did you mean: 4bit"
    )


def test_quantising_needs_a_gpu() -> None:
    with pytest.raises(InputError) as caught:
        quantised({"quantization": "4bit"}, place("cpu", "float32"))

    assert str(caught.value) == (
        "hf: 'quantization' needs a CUDA GPU\n"
        "  found: device cpu\n"
        "  hint: leave quantization out, or use a machine with a GPU"
    )


def test_quantised_weights_are_another_environment() -> None:
    assert quantisation({"quantization": "4bit"}) == "bitsandbytes-nf4"
    assert quantisation({"quantization": "8bit"}) == "bitsandbytes-int8"
    assert quantisation({}) == ""


def test_the_user_s_own_batch_is_used(variants: tuple[Variant, ...], ask: Ask) -> None:
    options = BackendOptions(variants, batch_tokens=900, engine_args={"rows": 3, "threads": 1})
    fresh = HfBackend(options)

    answers(fresh, requests(fresh, ask, variants[0], QUESTIONS[:2]))

    facts = fresh.execution()
    assert (facts["batch_rows"], facts["batch_tokens"]) == ("3", "900")


def test_arguments_for_the_model_are_part_of_the_environment(
    variants: tuple[Variant, ...], ask: Ask
) -> None:
    fresh = HfBackend(BackendOptions(variants, engine_args={"attn_implementation": "eager"}))

    done = answers(fresh, requests(fresh, ask, variants[0], QUESTIONS[:2]))

    assert fresh.environment(variants[0]).extra == {"attn_implementation": "eager", "eos": "2"}
    assert all(not one.error for one in done.values())


def test_a_model_that_cannot_be_loaded_is_machinery(tiny: Path, ask: Ask, tmp_path: Path) -> None:
    model = Path(shutil.copytree(tiny, tmp_path / "model"))
    (model / "config.json").write_text(json.dumps({"model_type": "nonsense"}))
    variant = Variant("base", str(model))
    backend = HfBackend(BackendOptions((variant,)))
    prompt = HfBackend(BackendOptions()).prompt((Message("user", "Hi"),), Variant("b", str(tiny)))

    with pytest.raises(MachineryError) as caught:
        list(backend.generate([ask(prompt, variant)]))

    assert str(caught.value).startswith(f"{model}: the model cannot be loaded: ")


def test_all_problems_of_all_variants_are_named_at_once(tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    cast = (
        Variant("base", str(tmp_path / "empty")),
        Variant("x", str(tiny), str(tmp_path / "nowhere")),
    )

    with pytest.raises(InputError) as caught:
        open_backend("hf", BackendOptions(cast))

    assert str(caught.value) == (
        f"{tmp_path}/empty: is no model: config.json is missing\n"
        "  found: an empty directory\n"
        "  hint: give the directory that save_pretrained wrote\n"
        f"{tmp_path}/nowhere: there is no such adapter directory\n"
        "  hint: give the directory with adapter_config.json and adapter_model.safetensors"
    )


def test_a_run_whose_answers_are_stored_does_not_import_what_generates(
    tiny: Path, tmp_path: Path
) -> None:
    variant = Variant("base", str(tiny))
    first = open_backend("hf", BackendOptions((variant,), "cpu", cache_dir=tmp_path))
    first.prompt((Message("user", "Hi"),), variant)  # builds the tokenizer, and keeps it
    assert list(tmp_path.iterdir()) != []
    code = f"""
import sys
from pathlib import Path
from harness.backends import BackendOptions, open_backend
from harness.common import Message, Variant

variant = Variant("base", {str(tiny)!r})
backend = open_backend("hf", BackendOptions((variant,), "cpu", cache_dir=Path({str(tmp_path)!r})))
backend.environment(variant), backend.fingerprint(variant), backend.notes, backend.execution()
backend.prompt((Message("user", "Hi"),), variant)
print([name for name in ("transformers", "peft") if name in sys.modules])
"""

    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout

    assert said == "[]\n"
