"""vLLM for real, on a CPU: the base and two adapters in one engine, in a process of its own."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

from harness.backends import BackendOptions, open_backend
from harness.common import MachineryError, Message
from tests.backends.conftest import Ask
from tests.backends.vllm.conftest import (
    BASE,
    FORGETFUL,
    QUESTIONS,
    REPAIRED,
    VARIANTS,
    Served,
)

pytestmark = pytest.mark.slow

SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string", "maxLength": 8}, "size": {"enum": ["S", "M", "L"]}},
    "required": ["name", "size"],
    "additionalProperties": False,
}


def test_variants_answer_with_their_own_weights(served: Served) -> None:
    answers = served.answers(served.requests())

    texts = [{answers[f"{text}/{v.name}"].text for v in VARIANTS} for text in QUESTIONS]
    assert sum(len(found) > 1 for found in texts) >= len(QUESTIONS) // 2
    assert {answer.finish_reason for answer in answers.values()} <= {"stop", "length"}


def test_an_answer_does_not_turn_on_what_else_is_in_the_run(served: Served) -> None:
    # Also: rows of the base beside rows of adapters stay the base's (vllm-project/vllm#48421).
    together = served.answers(served.requests())

    for variant in VARIANTS:
        for request in served.requests([variant], QUESTIONS[:3]):
            assert served.answers([request])[request.key].text == together[request.key].text


def test_the_engine_hf_gives_the_same_answers(served: Served) -> None:
    hf = open_backend("hf", BackendOptions(VARIANTS, device="cpu", engine_args={"threads": 1}))
    requests = [
        *served.requests(),
        *served.requests([BASE], QUESTIONS[:4], "once", repetition_penalty=1.3),
        *served.requests([REPAIRED], QUESTIONS[:4], "cut", stop=["a", "e "]),
    ]
    theirs = {request.key: done for request, done in hf.generate(requests)}
    hf.close()

    ours = served.answers(requests)

    same = [
        (ours[key].text, ours[key].finish_reason, ours[key].completion_tokens)
        == (theirs[key].text, theirs[key].finish_reason, theirs[key].completion_tokens)
        for key in theirs
    ]
    assert sum(same) / len(requests) >= 0.95


def test_a_stop_string_ends_an_answer_and_is_no_part_of_it(served: Served) -> None:
    free = served.answers(served.requests([BASE]))
    stopped = served.answers(served.requests([BASE], stop=["e"]))

    for key, answer in stopped.items():
        assert answer.text == free[key].text.partition("e")[0]
        assert answer.finish_reason == ("stop" if "e" in free[key].text else answer.finish_reason)


def test_an_answer_that_is_cut_off_says_so(served: Served) -> None:
    answers = served.answers(served.requests([BASE], max_new_tokens=1))

    assert {(a.finish_reason, a.completion_tokens) for a in answers.values()} == {("length", 1)}


def test_the_same_seed_draws_the_same_and_another_one_does_not(served: Served) -> None:
    drawn = [
        served.answers(served.requests([BASE], temperature=1.5, seed=seed)) for seed in (1, 1, 2)
    ]
    first, same, other = ([answer.text for _, answer in sorted(d.items())] for d in drawn)

    assert first == same
    assert first != other


def test_more_prompts_than_fit_into_a_step_are_drawn_by_a_seed(served: Served) -> None:
    texts = [f"{number} and the word {'colour ' * 150}" for number in range(40)]
    drawn = served.requests([BASE], texts, temperature=1.0, seed=3, max_new_tokens=2)
    assert sum(request.prompt.tokens for request in drawn) > 4096  # the engine's step

    assert not any(done.error for done in served.answers(drawn).values())


def test_constrained_decoding_gives_what_the_schema_wants(served: Served) -> None:
    free = served.requests([BASE, FORGETFUL], QUESTIONS[1:3], max_new_tokens=64)

    answers = served.answers([replace(request, json_schema=SCHEMA) for request in free])

    for answer in answers.values():
        assert answer.finish_reason == "stop"
        jsonschema.validate(json.loads(answer.text), SCHEMA)


def test_a_schema_that_the_engine_cannot_enforce_is_an_error_of_that_request(
    served: Served,
) -> None:
    one, other = served.requests([BASE], QUESTIONS[:2])
    impossible = replace(one, json_schema={"type": "nothing-there-is"})

    answers = served.answers([impossible, other])

    assert answers[one.key].finish_reason == "error"
    assert answers[one.key].error.startswith("vLLM refuses the request: ")
    assert answers[other.key].error == ""


def test_a_time_limit_ends_one_request_and_not_the_others(served: Served) -> None:
    (hurried,) = served.requests([REPAIRED], ["Count to a hundred."], time_limit=1e-6)

    answers = served.answers([hurried, *served.requests([BASE], QUESTIONS[:2])])

    assert answers.pop(hurried.key).error == "over its time limit of 1e-06 s"
    assert all(answer.error == "" for answer in answers.values())


def test_a_prompt_that_does_not_fit_is_refused_unasked(served: Served) -> None:
    (request,) = served.requests([BASE], ["Hello"], max_new_tokens=4096)

    (answer,) = served.answers([request]).values()

    tokens = request.prompt.tokens
    assert answer.error == (f"{tokens} prompt and 4096 answer tokens exceed the context of 4096")


def test_how_it_ran_and_what_the_adapters_do_is_told(served: Served) -> None:
    served.answers(served.requests([BASE], QUESTIONS[:1]))

    facts = served.backend.execution()

    assert facts["mode"] == "eager"
    assert facts["effect of repaired"].startswith("mean |Δ log-probability| ")
    assert {"torch", "max_num_seqs", "engine_start", "effect of forgetful"} <= facts.keys()
    assert "eager: on a CPU, compiling takes longer than it saves" in served.backend.notes


def test_the_environment_says_all_that_answers_depend_on(served: Served) -> None:
    environment = served.backend.environment(REPAIRED)

    assert (environment.engine, environment.dtype) == ("vllm", "float32")
    assert environment.extra == {"eos": "2"}


def test_a_longer_request_than_planned_for_starts_the_engine_again(served: Served) -> None:
    served.answers(served.requests([BASE], QUESTIONS[:1]))
    before = served.backend.execution()["max_model_len"]

    answers = served.answers(served.requests([REPAIRED], ["Hello " * 1_200], max_new_tokens=8))

    assert [answer.error for answer in answers.values()] == [""]
    assert int(served.backend.execution()["max_model_len"]) > int(before)


def test_an_engine_that_cannot_start_says_why_and_where_the_log_is(
    tmp_path: Path, ask: Ask
) -> None:
    arguments = {"kv_cache_memory_bytes": 1 << 50}
    options = BackendOptions((BASE,), cache_dir=tmp_path, engine_args=arguments)
    backend = open_backend("vllm", options)
    request = ask(backend.prompt((Message("user", "Hello"),), BASE), BASE)

    with pytest.raises(MachineryError) as caught:
        list(backend.generate([request]))
    backend.close()

    lines = str(caught.value).splitlines()
    assert lines[0] == "vLLM could not start"
    assert lines[1].startswith("  found: ValueError: Available memory on node 0 ")
    assert lines[2].endswith(f"; the whole story is in {tmp_path}/engine-vllm-model.log")


def test_times_are_those_of_the_work_and_not_of_the_queue(served: Served) -> None:
    """Variants that share batches have no time of their own; each by itself may be compared."""
    together = served.answers(served.requests())
    alone = {
        variant.name: served.answers(served.requests([variant], QUESTIONS[:2], "-alone"))
        for variant in VARIANTS[:2]
    }

    answers = [*together.values(), *(a for some in alone.values() for a in some.values())]
    assert all(a.first_token is not None and 0 < a.first_token <= a.seconds for a in answers)
    assert len({a.machine for a in together.values()}) == len(VARIANTS)
    own = {a.machine for some in alone.values() for a in some.values()}
    assert len(own) == 1 and not own & {a.machine for a in together.values()}
