"""An engine in a process of its own: what it answers, how it may end, and that it always ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.backends import Address, BackendOptions, Completion, Prompt, Request
from harness.backends.workers import BackendProcess
from harness.common import InputError, MachineryError, Message, Sampling, Variant

pytestmark = pytest.mark.usefixtures("brittle")

VARIANT = Variant("base", "m")
PARENT = """
import sys
from pathlib import Path
from tests.backends.test_workers import BackendProcess, BackendOptions, requests

child = BackendProcess("brittle", BackendOptions(cache_dir=Path(sys.argv[1])), "brittle m")
for request, completion in child.generate(requests("who", "sleep")):
    print(completion.text.split()[1], flush=True)
"""


def requests(*words: str) -> list[Request]:
    prompts = [Prompt((Message("user", word),), None, 1) for word in words]
    return [
        Request(str(number), Address(str(number), "base"), VARIANT, prompt, Sampling())
        for number, prompt in enumerate(prompts)
    ]


@pytest.fixture
def child(tmp_path: Path) -> Iterator[BackendProcess]:
    opened = BackendProcess("brittle", BackendOptions((VARIANT,), cache_dir=tmp_path), "brittle m")
    yield opened
    opened.close()


def answered(child: BackendProcess, *words: str) -> list[Completion]:
    return [completion for _, completion in child.generate(requests(*words))]


def process_of(completion: Completion) -> int:
    return int(completion.text.split()[1])


def is_alive(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def ends(process: int, within: float = 10.0) -> bool:
    deadline = time.monotonic() + within
    while is_alive(process) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not is_alive(process)


def test_it_answers_in_one_other_process_until_it_is_closed(child: BackendProcess) -> None:
    first, second = answered(child, "who", "print")
    third = answered(child, "who")[0]
    process = process_of(first)

    assert process != os.getpid()
    assert process_of(second) == process_of(third) == process
    assert (child.notes, child.execution) == (("3 asked",), {"asked": "3"})
    child.close()
    assert not is_alive(process)


def test_what_libraries_print_is_in_the_log(child: BackendProcess, tmp_path: Path) -> None:
    answered(child, "print")
    child.close()

    log = (tmp_path / "engine-brittle-m.log").read_text()
    assert sorted(log.splitlines()) == ["a library prints this", "and this"]


@pytest.mark.parametrize(
    ("word", "message"),
    [
        (
            "die",
            "the engine's process for brittle m was killed (SIGKILL; where memory runs out, "
            "the system does that)\n"
            "  found: the last words\n"
            "  hint: run the same command again: it goes on where this one stopped; "
            "its log is {log}",
        ),
        (
            "exit",
            "the engine's process for brittle m ended with exit code 3\n"
            "  hint: run the same command again: it goes on where this one stopped; "
            "its log is {log}",
        ),
        (
            "break",
            "the engine broke\n  found: ValueError: a fault of its own",
        ),
    ],
)
def test_one_that_dies_keeps_what_it_answered(
    child: BackendProcess, tmp_path: Path, word: str, message: str
) -> None:
    kept = []
    with pytest.raises(MachineryError) as caught:
        kept += [completion.text for _, completion in child.generate(requests("who"))]
        for _, completion in child.generate(requests("who", word, "who")):
            kept.append(completion.text)

    # Other problems may follow: warm engines on this machine that hold memory.
    assert str(caught.value.problems[0]) == message.format(log=tmp_path / "engine-brittle-m.log")
    assert len(kept) == 2
    assert answered(child, "who")  # another process takes its place


def test_wrong_input_stays_wrong_input(child: BackendProcess) -> None:
    with pytest.raises(InputError) as caught:
        answered(child, "wrong")

    assert str(caught.value) == "model:3: is wrong\n  hint: mend it"


def test_a_backend_that_cannot_be_opened_says_why() -> None:
    child = BackendProcess("no-such", BackendOptions(), "no-such m")

    with pytest.raises(InputError) as caught:
        answered(child, "who")

    assert str(caught.value).startswith("backend 'no-such' is not known\n")


def test_who_stops_listening_stops_it(child: BackendProcess) -> None:
    answers = child.generate(requests("who", "sleep"))
    process = process_of(next(answers)[1])

    answers.close()  # type: ignore[attr-defined]  # an iterator to its callers, a generator here

    assert ends(process)


def test_closing_from_another_thread_ends_one_at_work(child: BackendProcess) -> None:
    answers = child.generate(requests("who", "sleep"))
    process = process_of(next(answers)[1])
    errors: list[BaseException] = []

    def listen() -> None:
        try:
            next(answers)
        except MachineryError as error:
            errors.append(error)

    listener = threading.Thread(target=listen)
    listener.start()
    time.sleep(0.2)
    child.close()
    listener.join(10)

    assert ends(process)
    assert not listener.is_alive() and len(errors) == 1


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_it_and_its_helpers_end_with_the_parent(tmp_path: Path, how: signal.Signals) -> None:
    path = os.pathsep.join([*filter(None, sys.path)])
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert parent.stdout is not None
    process = int(parent.stdout.readline())
    log = tmp_path / "engine-brittle-m.log"
    while "helper" not in log.read_text():
        time.sleep(0.02)
    helper = int(log.read_text().split()[1])
    assert is_alive(process) and is_alive(helper)

    parent.send_signal(how)
    parent.communicate(timeout=20)

    assert ends(process) and ends(helper)
