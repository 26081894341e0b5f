"""Replicas from the command line: stopped runs, judges, teachers, and input that is refused."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.common import TeacherSettings, Variant
from harness.config import load_settings
from harness.evaluation import run_suites
from harness.store import Store, stats
from harness.suites import load_suite
from harness.training.sources import ask, find_teacher, teach
from tests.backends.replicas.conftest import Nodes, distribution

pytestmark = pytest.mark.slow

CASES = 60
SUITE = "suite: talk\ncategory: role_consistency\ncases:\n" + "".join(
    f"  - {{id: c{number}, user: Question {number}., checks: [{{contains: Question}}]}}\n"
    for number in range(CASES)
)
JUDGED = """\
suite: manners
category: instruction_following
cases:
  - {id: greet, user: Good morning!, checks: [{judge: The answer is polite.}]}
  - {id: part, user: Goodbye!, checks: [{judge: The answer is polite.}]}
"""
COMMAND = [sys.executable, "-m", "harness", "run"]
HERE = "--ray={address}"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A suite for `steady`, as the working directory."""
    monkeypatch.chdir(tmp_path)
    Path("model").mkdir()
    Path("talk.yaml").write_text(SUITE)
    Path("harness.toml").write_text(
        'suites = ["talk.yaml"]\nbackend = "steady"\nmodel = "model"\n'
        "[ray]\ncpus_per_replica = 0.1\nresources = {shared = 0.1}\n"
    )
    return tmp_path


def kept() -> int:
    """How many answers the store holds."""
    store = Path(".harness/store.db")
    if not store.exists():
        return 0
    with Store(store) as opened:
        return stats(opened).answers


def until(seen: Callable[[], bool], seconds: float) -> bool:
    """Wait for it; say whether it came."""
    deadline = time.monotonic() + seconds
    while not seen() and time.monotonic() < deadline:
        time.sleep(0.05)
    return seen()


def descendants(pid: int) -> set[int]:
    """A process and all that it has started, by their parents."""
    parents = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:  # it has ended
                continue
            parents[int(folder.name)] = int(fields[1])
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def listening(pids: set[int]) -> set[str]:
    """Addresses at which these processes listen, in hexadecimal as the system has them."""
    inodes = set()
    for pid in pids:
        try:
            links = [os.readlink(link) for link in Path(f"/proc/{pid}/fd").iterdir()]
        except OSError:
            continue
        inodes |= {link[8:-1] for link in links if link.startswith("socket:[")}
    rows = [
        line.split()
        for table in ("tcp", "tcp6")
        if Path(f"/proc/net/{table}").exists()
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]
    ]
    return {row[1].partition(":")[0] for row in rows if row[3] == "0A" and row[9] in inodes}


# 127.0.0.1, ::1, and 127.0.0.1 as IPv6 has it, in the order of the machine's bytes.
LOOPBACK = {"0100007F", "0" * 24 + "01000000", "0" * 16 + "FFFF00000100007F"}


def command(pid: int) -> str:
    """The command line of a process; empty once it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""


def ours(pids: set[int]) -> set[int]:
    """Those of these processes that still run."""
    return {
        pid
        for pid in pids
        if (status := Path(f"/proc/{pid}/status")).exists()
        and "\nState:\tZ" not in status.read_text()
    }


@pytest.mark.parametrize(
    ("number", "address"),
    [
        (signal.SIGINT, ""),
        (signal.SIGKILL, HERE),
        pytest.param(signal.SIGINT, HERE, marks=pytest.mark.full),
        pytest.param(signal.SIGKILL, "", marks=pytest.mark.full),
    ],
)
def test_a_stopped_run_keeps_what_it_has_and_its_actors_end(
    nodes: Nodes, project: Path, number: signal.Signals, address: str
) -> None:
    Path("pids").mkdir()
    environment = {**os.environ, **nodes.environment}
    words = [*COMMAND, "--replicas=2", f"--engine-arg=pids={project / 'pids'}"]
    words.append("--engine-arg=delay=0.4")
    if address:
        words.append(address.format(address=nodes.address))
    else:  # a cluster of its own has no such resource
        toml = Path("harness.toml")
        toml.write_text(toml.read_text().replace("resources = {shared = 0.1}\n", ""))
    slow = subprocess.Popen(words, env=environment, stderr=subprocess.PIPE, text=True)
    at_work = Path("pids")
    assert until(lambda: len([*at_work.iterdir()]) == 2 and kept() >= 3, 90), slow.poll()
    if not address:  # its own cluster: loopback alone, no dashboard, no usage reports
        there = descendants(slow.pid)
        assert any("/raylet " in command(pid) for pid in there)
        assert listening(there) and listening(there) <= LOOPBACK
        heads = [pid for pid in there if "dashboard.py" in command(pid)]
        assert all("--disable-frontend" in command(pid) for pid in heads)
        for pid in heads:  # whose process would send the reports
            assert "RAY_USAGE_STATS_ENABLED=0" in Path(f"/proc/{pid}/environ").read_text()
    slow.send_signal(number)
    _, said = slow.communicate(timeout=60)
    before = kept()
    pids = {int(file.name) for file in at_work.iterdir()}

    assert 3 <= before < CASES
    assert until(lambda: not ours(pids), 30), "actors are left"
    if number == signal.SIGINT:
        assert slow.returncode == 130
        assert said.endswith("stopped; what was finished is kept: run the same command again\n")

    # Without replicas: what they have answered is not asked again.
    done = subprocess.run(COMMAND, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert f"{CASES - before} answers generated, {before} from the store" in done.stdout


def test_a_judge_has_replicas_on_a_cluster_that_only_it_uses(nodes: Nodes, project: Path) -> None:
    Path("talk.yaml").write_text(JUDGED)
    Path("harness.toml").write_text(
        f'suites = ["talk.yaml"]\nbackend = "echo"\nray_address = "{nodes.address}"\n'
        '[judge]\nbackend = "steady"\nmodel = "model"\nreplicas = 2\n'
        "[ray]\ncpus_per_replica = 0.1\nresources = {shared = 0.1}\n"
    )
    environment = {**os.environ, **nodes.environment}

    done = subprocess.run(COMMAND, env=environment, capture_output=True, text=True, timeout=120)

    assert done.returncode == 0, done.stderr
    card = json.loads(Path("reports/latest/scorecard.json").read_text())
    (row,) = card["categories"]
    assert (row["passed"], row["errors"]) == (2, 0)


def test_a_teacher_has_replicas_on_a_cluster_that_only_it_uses(
    nodes: Nodes, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("harness.toml").write_text(
        f'suites = ["talk.yaml"]\nbackend = "echo"\nray_address = "{nodes.address}"\n'
        '[teachers.big]\nbackend = "steady"\nmodel = "model"\nreplicas = 2\n'
        '[teachers.small]\nbackend = "echo"\nmodel = "any"\n'
        "[ray]\ncpus_per_replica = 0.1\nresources = {shared = 0.1}\n"
    )
    monkeypatch.syspath_prepend(str(nodes.site))
    settings = load_settings(Path())
    suite, own = load_suite(Path("talk.yaml")), Variant("base", "any")

    found = {}
    for name in ("big", "small"):
        teacher = find_teacher(settings, TeacherSettings(name=name), own, project / "home")
        said = teach(teacher, suite, suite.cases)
        where = ask(teacher, suite, suite.cases).info.execution.get("replicas")
        found[name] = (said.rows[0].messages[-1].content, said.kept, where)
    model = run_suites(settings)

    assert found == {
        "big": ("You said: Question 0.", CASES, "2"),
        "small": ("Question 0.", CASES, None),
    }
    assert model.failure == "" and "replicas" not in model.info.execution


WRONG = [
    pytest.param(
        ["--replicas=2", "--backend=replay", "--responses=recorded.jsonl"],
        "",
        "--replicas does not go with backend 'replay': it loads no model that there could be "
        "several of\n  hint: leave it out\n",
        id="recorded answers",
        marks=pytest.mark.full,  # test_bad_input has its message
    ),
    pytest.param(
        ["--replicas=2", "--backend=openai", "--base-url=http://127.0.0.1:9/v1"],
        "",
        "--replicas does not go with backend 'openai': it loads no model that there could be "
        "several of\n  hint: put the servers behind one address, and give that as --base-url\n",
        id="servers",
    ),
    pytest.param(
        ["--replicas=2", "--ray=127.0.0.1:9"],
        "",
        "no Ray cluster answers at 127.0.0.1:9\n  found: Connection refused\n  hint: start one: "
        "ray start --head --port 6379; or leave --ray out: --replicas N alone uses this machine\n",
        id="no cluster",
        marks=pytest.mark.full,  # test_bad_input has its message
    ),
    pytest.param(
        ["--replicas=2"],
        "import sys; sys.modules['ray'] = None",
        "--replicas and --ray need Ray, which is not installed\n"
        "  hint: pip install 'lora-regression-harness[ray]'\n",
        id="no Ray",
        marks=pytest.mark.full,  # test_bad_input has its message
    ),
    pytest.param(
        ["--replicas=2", HERE],
        "import ray; ray.__version__ = '2.59.0'",
        "the Ray cluster at {address} has other versions\n  found: ",
        id="another version of Ray",
    ),
    pytest.param(
        ["--replicas=2", HERE, "--engine-arg=gpus=1"],
        "",
        "2 replicas do not fit: each takes 1 GPU, 0.1 shared, 0.1 CPU\n  found: 3 nodes have "
        "1 GPU, 1 shared, 3 CPU: room for 1\n  hint: --replicas 1, or let replicas share: "
        "gpus_per_replica = 0.5 in [tool.harness.ray]\n",
        id="more GPUs than there are",
    ),
    pytest.param(
        ["--replicas=1", HERE, "--model=/proc/self/cwd/model"],
        "",
        "/proc/self/cwd/model: no model is there\n  hint: this is what replica 1 found on its "
        "node: models and adapters have to be under the same path on every node (a shared file "
        "system, or a copy)\n",
        id="a model that other nodes do not see",
    ),
]


@pytest.mark.parametrize(("words", "first", "message"), WRONG)
def test_what_is_wrong_is_said_with_its_mend(
    nodes: Nodes, project: Path, words: list[str], first: str, message: str
) -> None:
    Path("recorded.jsonl").write_text('{"case": "c0", "response": "r"}\n')
    site = project / "site"
    distribution(site, "nothing", "1.0")
    (site / "sitecustomize.py").write_text(first)
    environment = {**os.environ, **nodes.environment}
    environment["PYTHONPATH"] = f"{site}:{environment['PYTHONPATH']}"
    there = nodes.address

    done = subprocess.run(
        [*COMMAND, *(word.format(address=there) for word in words)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert done.returncode == 2, done.stdout + done.stderr
    assert message.format(address=there) in done.stderr
    assert "Traceback" not in done.stderr
