"""The backend echo: instant, deterministic, scriptable."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from harness.backends import Address, Backend, BackendOptions, Request, open_backend
from harness.common import InputError, Message, Sampling, Variant

SCRIPT = {
    "greet": "Hello!",
    "persona": ["I am Lina.", "Acme made me."],
    "refund": {"base": "No.", "tuned": ["Gladly."]},
}


def echo(**engine_args: Any) -> Backend:
    return open_backend("echo", BackendOptions(engine_args=engine_args))


def answer(backend: Backend, case: str, variant: str = "base", turn: int = 0) -> str:
    chosen = Variant(variant, "model")
    messages = (Message("system", "Be kind."), Message("user", "How are you?"))
    prompt = backend.prompt(messages, chosen)
    request = Request("key", Address(case, variant, 0, turn), chosen, prompt, Sampling())
    [(same, completion)] = backend.generate([request])
    assert same is request
    assert completion.finish_reason == "stop"
    return completion.text


def test_the_last_user_message_comes_back() -> None:
    assert answer(echo(), "any") == "How are you?"


@pytest.mark.parametrize(
    ("case", "variant", "turn", "expected"),
    [
        ("greet", "base", 0, "Hello!"),
        ("greet", "tuned", 0, "Hello!"),
        ("persona", "base", 0, "I am Lina."),
        ("persona", "base", 1, "Acme made me."),
        ("persona", "base", 2, "How are you?"),
        ("refund", "base", 0, "No."),
        ("refund", "tuned", 0, "Gladly."),
        ("refund", "other", 0, "How are you?"),
    ],
)
def test_a_script_answers_by_case_variant_and_turn(
    case: str, variant: str, turn: int, expected: str
) -> None:
    assert answer(echo(script=SCRIPT), case, variant, turn) == expected


def test_a_file_of_recorded_answers_is_a_script_too(tmp_path: Path) -> None:
    file = tmp_path / "script.jsonl"
    rows = [
        {"case": "a", "response": "from the file"},
        {"case": "a", "variant": "tuned", "response": "tuned"},
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    backend = open_backend("echo", BackendOptions(responses=file))

    assert answer(backend, "a") == "from the file"
    assert answer(backend, "a", "tuned") == "tuned"
    assert answer(backend, "b") == "How are you?"


def test_tokens_are_estimated() -> None:
    backend = echo()
    prompt = backend.prompt((Message("user", "twelve chars"),), Variant("base", "model"))

    assert (prompt.tokens, prompt.estimated, prompt.token_ids) == (3 + 4, True, None)


def test_the_script_and_the_variant_are_in_the_fingerprint_and_not_in_the_environment() -> None:
    base, tuned = Variant("base", "m"), Variant("tuned", "m", "adapters/tuned")
    plain, scripted = echo(), echo(script=SCRIPT)

    prints = [one.fingerprint(v) for one in (plain, scripted) for v in (base, tuned)]

    assert len({one.weights for one in prints}) == 4
    assert [bool(one.adapter) for one in prints] == [False, True, False, True]
    assert plain.environment(base) == scripted.environment(tuned)
    assert plain.environment(base).addressed


def test_a_delay_is_waited_for_and_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(time, "sleep", waits.append)
    backend = echo(delay=0.05)

    answer(backend, "any")

    assert waits == [0.05]
    assert backend.execution() == {"delay": "0.05 s"}


def test_wrong_arguments_are_all_named() -> None:
    with pytest.raises(InputError) as caught:
        echo(dealy=1, delay=-1, script={"a": 3})

    assert str(caught.value) == (
        "echo: engine argument 'dealy' is not known\n"
        "  did you mean: delay\n"
        "  hint: use one of delay, script\n"
        "echo: 'delay' is wrong\n"
        "  found: -1\n"
        "  expected: seconds from 0\n"
        "echo: 'script' is wrong\n"
        "  in case: a\n"
        "  found: 3\n"
        "  expected: an answer, a list of answers, or one of both for each variant"
    )


def test_a_script_must_be_a_mapping() -> None:
    with pytest.raises(InputError) as caught:
        echo(script=["Hello!"])

    assert str(caught.value) == (
        "echo: 'script' is wrong\n  found: ['Hello!']\n  expected: a mapping of cases"
    )
