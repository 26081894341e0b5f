"""What travels between two processes arrives as it was."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.backends import Address, BackendOptions, Completion, Prompt, Request
from harness.backends.workers import (
    FRAMES,
    AnswerEvent,
    CloseCommand,
    DoneEvent,
    FailedEvent,
    Frame,
    GenerateCommand,
    OpenCommand,
)
from harness.common import (
    InputError,
    MachineryError,
    Message,
    Problem,
    Sampling,
    Variant,
    VariantRole,
)

texts = st.text(st.characters(codec="utf-8"))
samplings = st.builds(
    Sampling,
    temperature=st.floats(0, 10),
    seed=st.integers(0, 2**63 - 1),
    stop=st.lists(texts).map(tuple),
)
variants = st.builds(
    Variant,
    name=st.just("v1.2"),
    model=texts,
    adapter=st.none() | texts,
    system=st.none() | texts,
    sampling=st.none() | samplings,
    role=st.sampled_from(VariantRole),
)
messages = st.lists(
    st.builds(Message, role=st.sampled_from(["system", "user", "assistant"]), content=texts)
).map(tuple)
prompts = st.builds(
    Prompt,
    messages=messages,
    token_ids=st.none() | st.lists(st.integers(0, 2**20)).map(tuple),
    tokens=st.integers(0, 99),
    estimated=st.booleans(),
)
requests = st.builds(
    Request,
    key=texts,
    address=st.builds(Address, case=texts, variant=texts, repeat=st.integers(0, 9)),
    variant=variants,
    prompt=prompts,
    sampling=samplings,
    time_limit=st.none() | st.floats(0, 1e6),
)
completions = st.builds(
    Completion, text=texts, finish_reason=st.just("stop"), seconds=st.floats(0, 1e6), error=texts
)
problems = st.builds(Problem, message=texts, path=texts, line=st.integers(0, 9), hint=texts)
frames = st.one_of(
    st.just(CloseCommand()),
    st.builds(AnswerEvent, key=texts, completion=completions),
    st.builds(DoneEvent, notes=st.lists(texts).map(tuple), execution=st.dictionaries(texts, texts)),
    st.builds(FailedEvent, problems=st.lists(problems).map(tuple), wrong_input=st.booleans()),
    st.builds(GenerateCommand, requests=st.lists(requests, max_size=3).map(tuple)),
)


@given(frames)
def test_a_frame_is_one_line_and_arrives_as_it_was(frame: Frame) -> None:
    line = FRAMES.to_line(frame)

    assert line.endswith(b"\n") and line.count(b"\n") == 1
    assert FRAMES.from_line(line) == frame


def test_options_arrive_as_they_were() -> None:
    cast = (Variant("hot", "m", sampling=Sampling(temperature=0.7)),)
    options = BackendOptions(
        cast, cache_dir=Path("a/b"), engine_args={"rows": 3, "deep": {"x": [1, None, "y"]}}
    )

    frame = FRAMES.from_line(FRAMES.to_line(OpenCommand("hf", options)))

    assert frame == OpenCommand("hf", options)


def test_settings_that_nobody_set_stay_unset() -> None:
    cast = (Variant("hot", "m", sampling=Sampling(temperature=0.7)),)

    frame = FRAMES.from_line(FRAMES.to_line(OpenCommand("hf", BackendOptions(cast))))

    assert isinstance(frame, OpenCommand)
    sampling = frame.options.variants[0].sampling
    assert sampling is not None
    assert sampling.model_fields_set == {"temperature"}


@pytest.mark.parametrize("family", [InputError, MachineryError])
def test_an_error_arrives_with_its_family_and_all_problems(
    family: type[InputError] | type[MachineryError],
) -> None:
    error = family(Problem("one", "a.yaml", 3), Problem("two", hint="so"))

    frame = FRAMES.from_line(FRAMES.to_line(FailedEvent.of(error)))

    assert isinstance(frame, FailedEvent)
    assert type(frame.error()) is family
    assert str(frame.error()) == str(error)


@pytest.mark.parametrize("line", [b"", b"{}", b'{"kind": "run"}', b"cos\nsystem\n(S'ls'\ntR."])
def test_anything_else_is_refused(line: bytes) -> None:
    with pytest.raises(ValueError, match="valid"):
        FRAMES.from_line(line)
