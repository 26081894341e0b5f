"""Ray itself: a cluster of our own on this machine, or one that exists; and what it holds.

The only module that imports Ray. Measured with Ray 2.60: `ray.init` waits for ever at an address
where nobody listens, so the port is tried first; messages of its daemons go to standard output, and
it replaces `sys.excepthook` and the handler of SIGTERM, so all three are put back.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from harness.backends.base import Replicas
from harness.common import HarnessError, InputError, MachineryError, Problem

INSTALL = "pip install 'lora-regression-harness[ray]'"
PROBE_SECONDS = 3.0
_STORE_BYTES = 80_000_000  # the least that Ray takes: prompts and answers are small
# Loopback alone: the name is Ray's own for "cluster on one address".
_OWN = {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_AUTH_MODE": "token",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "1",  # without a GPU of its own a replica sees none
}
_TOKEN = "RAY_AUTH_TOKEN"
_ALWAYS = {"RAY_USAGE_STATS_ENABLED": "0"}
# A node that is gone is known after 1.5 s instead of 15 s.
_HEALTH = {
    "health_check_initial_delay_ms": 1000,
    "health_check_period_ms": 500,
    "health_check_timeout_ms": 1000,
    "health_check_failure_threshold": 3,
}


def require_ray() -> None:
    """Raise `InputError` where Ray is not installed."""
    if find_spec("ray") is None:
        raise InputError(
            Problem("--replicas and --ray need Ray, which is not installed", hint=INSTALL)
        )


@dataclass
class Connection:
    """Ray, as this process is joined to it.

    Of a cluster of our own, `folder` is removed when it ends, and `before` are the variables that
    were set for it, with what they were.
    """

    ray: Any
    folder: Path | None
    joined: bool
    address: str
    before: Mapping[str, str | None] = field(default_factory=dict)
    users: int = 0

    @property
    def is_own(self) -> bool:
        """Return whether the cluster was started here and ends with us."""
        return self.folder is not None

    def nodes(self) -> list[Mapping[str, Any]]:
        """Return the nodes that are alive, as Ray describes them."""
        return [node for node in self.ray.nodes() if node["Alive"]]

    def gpu_kinds(self) -> dict[str, str]:
        """Return the kind of GPU of each node that has any, by the node's number."""
        mark = "accelerator_type:"
        return {
            node["NodeID"]: name.removeprefix(mark)
            for node in self.ray.nodes()
            for name in node["Resources"]
            if name.startswith(mark)
        }


_lock = threading.Lock()
_current: Connection | None = None


def connect(replicas: Replicas) -> Connection:
    """Join the cluster that is asked for, or start one; a process has one for all its backends.

    Raises `InputError` for an address where no cluster is, or one of other versions.
    """
    global _current
    with _lock:
        if _current is None:
            _current = _join(replicas.address) if replicas.address else _start(replicas)
        elif replicas.address and _current.is_own:
            raise InputError(
                Problem(
                    "one process joins one Ray cluster, and it has started its own",
                    found=f"--ray {replicas.address}",
                    hint="give all replicas of a run the same --ray",
                )
            )
        _current.users += 1
        return _current


def disconnect(connection: Connection) -> None:
    """Leave the cluster when its last user has; one of our own ends."""
    global _current
    with _lock:
        connection.users -= 1
        if connection.users > 0:
            return
        _current = None
        if connection.joined:
            connection.ray.shutdown()
        if connection.folder is not None:
            shutil.rmtree(connection.folder, ignore_errors=True)
            _set_variables(connection.before)  # the next may have another token, or none


def _start(replicas: Replicas) -> Connection:
    """Start a cluster on this machine: loopback, no dashboard, a token that nobody else knows."""
    there: Any = sys.modules.get("ray")
    if there is not None and there.is_initialized():  # somebody's program, which has joined already
        return Connection(
            there, None, joined=False, address=there.get_runtime_context().gcs_address
        )
    token = os.environ.get(_TOKEN) or secrets.token_hex(32)
    before = _set_variables({**_OWN, **_ALWAYS, _TOKEN: token})
    # Ray's sockets lie in there, and the system allows their paths 107 bytes.
    folder = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))
    ray = _import()
    try:
        with _undisturbed():
            ray.init(
                address="local",  # a file that an old cluster left would be believed otherwise
                num_cpus=1,  # replicas on this machine's CPUs ask for none: they are counted here
                object_store_memory=_STORE_BYTES,
                include_dashboard=replicas.dashboard,
                log_to_driver=False,
                logging_level="error",
                _temp_dir=str(folder),
                _system_config=_HEALTH,
            )
    except Exception as error:
        shutil.rmtree(folder, ignore_errors=True)
        _set_variables(before)
        raise MachineryError(
            Problem(
                "Ray did not start on this machine",
                found=_first_line(error),
                hint="is there room in /tmp and in /dev/shm? Without --replicas no Ray is needed",
            )
        ) from error
    return Connection(ray, folder, joined=True, address="this machine", before=before)


def _set_variables(values: Mapping[str, str | None]) -> dict[str, str | None]:
    """Set variables of the environment, or take those away that are None; return what they were.

    Ray keeps what it has once read of them: where it is imported already, it reads them again.
    """
    before = {name: os.environ.get(name) for name in values}
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    native: Any = sys.modules.get("ray._raylet")
    constants: Any = sys.modules.get("ray._private.ray_constants")
    with suppress(AttributeError):  # they are no public names: a later Ray may have others
        native.Config.initialize("")
        native.AuthenticationTokenLoader.instance().reset_cache()
        constants.ENABLE_RAY_CLUSTER = constants.env_bool(
            constants.ENABLE_RAY_CLUSTERS_ENV_VAR, not constants.IS_WINDOWS_OR_OSX
        )
    return before


def _join(text: str) -> Connection:
    """Join a cluster that exists."""
    for name, value in _ALWAYS.items():
        os.environ.setdefault(name, value)
    address = _found_address(text)
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), PROBE_SECONDS).close()
    except OSError as error:
        raise InputError(
            Problem(
                f"no Ray cluster answers at {address}",
                found=error.strerror or str(error),
                hint="start one: ray start --head --port 6379; or leave --ray out: --replicas N "
                "alone uses this machine",
            )
        ) from None
    ray = _import()
    if ray.is_initialized():
        return Connection(ray, None, joined=False, address=address)
    try:
        with _undisturbed():
            ray.init(address=address, log_to_driver=False, logging_level="error")
    except Exception as error:
        raise refused(address, error) from error
    return Connection(ray, None, joined=True, address=address)


def check_address(text: str) -> None:
    """Raise `InputError` for what is no address of a cluster; nothing is connected to."""
    if text.startswith("ray://"):
        raise InputError(
            Problem(
                f"--ray {text}: answers cannot be streamed through Ray's client",
                hint="run on a node of the cluster, with --ray auto",
            )
        )
    host, _, port = text.rpartition(":")
    is_port = port.isascii() and port.isdigit() and 0 < int(port) < 2**16
    if text not in ("", "auto") and not (host and is_port):
        raise InputError(
            Problem(f"--ray {text!r} is no address", expected="HOST:PORT (6379), or auto")
        )


def _found_address(text: str) -> str:
    """Return HOST:PORT of what was asked for; raise `InputError` where there is none."""
    check_address(text)
    if text != "auto":
        return text
    said = os.environ.get("RAY_ADDRESS", "")
    check_address(said)
    if said and said != "auto":
        return said
    kept = Path(os.environ.get("RAY_TMPDIR", "/tmp"), "ray", "ray_current_cluster")
    with suppress(OSError):
        if address := kept.read_text(encoding="utf-8").strip():
            return address
    raise InputError(
        Problem(
            "--ray auto: this machine belongs to no Ray cluster",
            hint="ray start --head here, or ray start --address HOST:6379 to join one; or leave "
            "--ray out: --replicas N alone uses this machine",
        )
    )


def refused(address: str, error: Exception) -> HarnessError:
    """Return the error of a cluster that answers, and that this process cannot join."""
    said = str(error)
    if "ersion mismatch" in said:
        lines = [" ".join(line.split()) for line in said.splitlines() if line.strip()]
        return InputError(
            Problem(
                f"the Ray cluster at {address} has other versions",
                found="; ".join(lines[1:])[:400] or lines[0],
                hint="install the same Ray and the same Python here as there, to the last number",
            )
        )
    if "token" in said.lower() or "nauthenticated" in said:
        return InputError(
            Problem(
                f"the Ray cluster at {address} wants a token",
                found=_first_line(error),
                hint="set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN as they are on its head node",
            )
        )
    return InputError(
        Problem(
            f"the Ray cluster at {address} cannot be joined",
            found=_first_line(error),
            hint="run on one of its nodes (ray status says whether this is one)",
        )
    )


def _import() -> Any:
    """Import Ray, and keep its words off standard output."""
    hook = sys.excepthook
    import ray

    sys.excepthook = hook
    worker: Any = sys.modules.get("ray._private.worker")
    if hasattr(worker, "print_to_stdstream"):  # of its daemons; `log_to_driver` does not stop them
        worker.print_to_stdstream = lambda *told, **more: None
    return ray


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Put back what Ray sets for the whole process."""
    is_main = threading.current_thread() is threading.main_thread()
    hook, handler = sys.excepthook, signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        sys.excepthook = hook
        if is_main and handler is not None:
            signal.signal(signal.SIGTERM, handler)


def _first_line(error: Exception) -> str:
    lines = (" ".join(line.split()) for line in str(error).splitlines())
    return f"{type(error).__name__}: {next(filter(None, lines), '')}"[:300]


def room_for(needs: Mapping[str, float], nodes: Sequence[Mapping[str, Any]]) -> int:
    """Return how many replicas that each need this much fit on these nodes, as Ray places them.

    A share of a GPU lies on one GPU.
    """
    total = 0
    for node in nodes:
        fits = []
        for name, need in needs.items():
            have = float(node["Resources"].get(name, 0.0))
            if need <= 0:
                continue
            sharing = int(have) * int(1 / need + 1e-9) if name == "GPU" and need < 1 else None
            fits.append(int(have / need + 1e-9) if sharing is None else sharing)
        total += min(fits, default=0)
    return total
