"""What is sent: every sampling setting, in the words of the server's program."""

from __future__ import annotations

from typing import Any

import pytest

from harness.backends import Address, Prompt, Request
from harness.backends.openai.arguments import Endpoint
from harness.backends.openai.wire import chat_body, token_body
from harness.common import Message, Sampling
from tests.backends.openai.conftest import SMALL

HERE = Endpoint("http://localhost/v1")
PLAIN = {"temperature": 0.0, "top_p": 1.0, "seed": 0, "max_tokens": 256, "stream": False}


def request(**sampling: Any) -> Request:
    prompt = Prompt((Message("user", "Hi"),), (1, 2), 2)
    return Request("key", Address("c", "base"), SMALL, prompt, Sampling(**sampling))


def sent(program: str, endpoint: Endpoint = HERE, **sampling: Any) -> dict[str, Any]:
    body = chat_body(request(**sampling), "m", endpoint, program)
    assert body.pop("model") == "m"
    assert body.pop("messages") == [{"role": "user", "content": "Hi"}]
    return body


@pytest.mark.parametrize(
    ("program", "more"),
    [
        ("", {}),
        ("ollama", {}),
        ("vllm", {"top_k": 0, "repetition_penalty": 1.0, "min_p": 0.0}),
        ("sglang", {"top_k": -1, "repetition_penalty": 1.0, "min_p": 0.0}),
        ("llama.cpp", {"top_k": 0, "repeat_penalty": 1.0, "min_p": 0.0}),
    ],
)
def test_what_is_neutral_is_said_only_to_programs_that_know_it(
    program: str, more: dict[str, float]
) -> None:
    assert sent(program) == {**PLAIN, **more}


def test_what_a_suite_sets_is_sent_to_everyone() -> None:
    own: dict[str, Any] = {"top_k": 7, "repetition_penalty": 1.2, "stop": ["END"]}

    assert sent("", **own) == {**PLAIN, **own}
    assert sent("llama.cpp", top_k=7, repetition_penalty=1.2)["repeat_penalty"] == 1.2


def test_a_user_leaves_fields_out_renames_one_and_adds_some() -> None:
    told = Endpoint(
        HERE.url, omit=("seed",), limit_field="max_completion_tokens", body={"service": "flex"}
    )

    fields = {name: value for name, value in PLAIN.items() if name not in ("seed", "max_tokens")}
    assert sent("", told) == {**fields, "max_completion_tokens": 256, "service": "flex"}
    assert told.in_key == {"service": '"flex"', "omit": "seed"}


def test_token_ids_go_with_every_setting_of_vllm() -> None:
    body = token_body(request(), "m", HERE)

    extra = {"top_k": 0, "repetition_penalty": 1.0, "min_p": 0.0}
    assert body == {"model": "m", "prompt": [1, 2], **PLAIN, **extra}


@pytest.mark.parametrize(
    ("url", "certified"),
    [
        ("http://localhost:8000/v1", False),
        ("http://127.0.0.1:8000/v1", False),
        ("https://localhost:8000/v1", True),
        ("http://host.example/v1", True),  # an encrypted proxy may stand in between
        ("https://host.example/v1", True),
    ],
)
def test_certificates_are_left_out_only_where_nothing_is_encrypted(
    url: str, certified: bool
) -> None:
    assert Endpoint(url).certified is certified
