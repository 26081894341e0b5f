"""A kept server ends when nobody uses it, when it is told to, and when its keeper is killed."""

from __future__ import annotations

import json
import os
import signal
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from harness.backends.vllm.server import READY, Warm, end, find_engine
from harness.backends.vllm.server.home import Home
from harness.backends.vllm.server.starting import KeeperJob, launch
from harness.cli import main
from harness.common import MachineryError

pytestmark = pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")


def engine(folder: Path, idle: float = 60.0) -> Warm:
    """The facts of an engine that is about to be started."""
    log = str(Home(folder).log)
    return Warm("model", "hash", {}, 4096, 64, 5, True, idle, log, key="secret")


def up(folder: Path, *words: str, idle: float = 60.0) -> Warm:
    """Start the small server under a keeper."""
    job = KeeperJob(engine(folder, idle), words, {}, "tests.backends.vllm.server.small_server")
    return launch(job, Home(folder), lambda text: None)


def until(true: Callable[[], bool], seconds: float = 30.0) -> bool:
    """Whether it becomes true in this time."""
    end_of_wait = time.monotonic() + seconds
    while not true() and time.monotonic() < end_of_wait:
        time.sleep(0.05)
    return true()


def answers(warm: Warm, path: str = "/used") -> bool:
    """Whether the server is there; asking counts as use."""
    try:
        return httpx.get(f"http://127.0.0.1:{warm.port}{path}", trust_env=False).is_success
    except httpx.HTTPError:
        return False


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A place for an engine, which is ended afterwards."""
    yield tmp_path
    end(tmp_path)


def check(folder: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """What `harness engine status --check` ends with, and says is wrong."""
    code = main(["engine", "status", "--check", f"--store={folder / 'store.db'}"])
    return code, "".join(capsys.readouterr().err.splitlines()[1:2]).strip()


def test_the_health_of_an_engine_is_that_it_answers(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(folder, capsys) == (0, "")
    warm = up(folder)
    assert check(folder, capsys) == (0, "")

    os.kill(warm.server, signal.SIGSTOP)
    os.kill(warm.keeper, signal.SIGKILL)
    assert until(lambda: find_engine(folder) is None)
    assert check(folder, capsys) == (3, "found: it was killed, or broke")
    os.kill(warm.server, signal.SIGKILL)

    Home(folder).forget()
    assert check(folder, capsys) == (0, "")


def test_an_engine_is_found_and_ended(folder: Path) -> None:
    warm = up(folder)

    assert find_engine(folder) == warm
    assert warm.stage == READY
    assert answers(warm)
    assert end(folder) == warm
    assert find_engine(folder) is None
    assert not answers(warm)


def test_only_its_owner_can_read_the_key_and_the_log(folder: Path) -> None:
    warm = up(folder)
    home = Home(folder)

    assert stat.S_IMODE(home.folder.stat().st_mode) == 0o700
    for file in (home.state, home.log):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    assert "secret" in home.state.read_text()
    assert "secret" not in repr(warm)
    assert "secret" not in Path(f"/proc/{warm.server}/cmdline").read_text()


def test_an_engine_that_nobody_uses_ends(folder: Path) -> None:
    warm = up(folder, idle=1.0)

    assert until(lambda: find_engine(folder) is None)
    assert not answers(warm)


def test_an_engine_that_is_used_stays(folder: Path) -> None:
    warm = up(folder, idle=2.0)

    for _ in range(15):
        assert answers(warm)
        time.sleep(0.2)

    assert find_engine(folder) == warm
    assert until(lambda: find_engine(folder) is None)


def test_the_server_ends_with_a_keeper_that_was_killed(folder: Path) -> None:
    warm = up(folder)

    os.kill(warm.keeper, signal.SIGKILL)

    assert until(lambda: find_engine(folder) is None)
    assert until(lambda: not answers(warm))


def test_the_keeper_ends_with_a_server_that_was_killed(folder: Path) -> None:
    warm = up(folder)

    os.kill(warm.server, signal.SIGKILL)

    assert until(lambda: find_engine(folder) is None)


def test_a_state_that_nobody_holds_is_not_believed(folder: Path) -> None:
    home = Home(folder)
    home.make()
    lock = home.take()
    assert lock is not None
    home.write(engine(folder))
    lock.release()
    state = json.loads(home.state.read_text())
    state["keeper"] = os.getpid()  # a process that lives, and is no keeper
    home.state.write_text(json.dumps(state))

    assert find_engine(folder) is None
    assert end(folder) is None


def test_a_server_that_does_not_start_is_told_with_its_last_words(folder: Path) -> None:
    with pytest.raises(MachineryError) as caught:
        up(folder, "--break")

    why, *_ = caught.value.problems  # more where other warm engines hold memory on this machine
    assert str(why) == (
        f"{Home(folder).log}: the warm engine did not start\n"
        "  found: ValueError: no memory is left\n"
        "  hint: see its log; less memory: --engine-arg gpu_memory_utilization=0.5, "
        "--engine-arg max_model_len=4096"
    )
    assert find_engine(folder) is None
