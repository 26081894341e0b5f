"""Several engines that answer one run beside each other: actors on Ray, each with one backend."""

from __future__ import annotations

from harness.backends.base import Backend, BackendOptions, Models
from harness.common import InputError, Problem


def check_replicas(name: str, models: Models, options: BackendOptions) -> None:
    """Raise `InputError` for replicas of a backend that has no engine of its own.

    `models` is what the backend says of itself: known before it is opened, and asks a server.
    """
    if models in (Models.DIRECTORIES, Models.EITHER):
        return
    what = "--ray" if options.replicas and options.replicas.count is None else "--replicas"
    hint = "leave it out"
    if models is Models.NAMES:
        hint = "put the servers behind one address, and give that as --base-url"
    raise InputError(
        Problem(
            f"{what} does not go with backend {name!r}: it loads no model that there could be "
            "several of",
            hint=hint,
        )
    )


def open_replicas(planner: Backend, name: str, options: BackendOptions) -> Backend:
    """Open replicas of a backend, whose `planner` was opened here and never generates.

    Neither Ray nor an engine is started. Raises `InputError` for a backend that has no engine of
    its own, where Ray is not installed, and for options that do not go together.
    """
    from harness.backends.replicas.cluster import require_ray

    if not planner.holds_weights:
        check_replicas(name, Models.NONE, options)
    if ":" in options.device:
        raise InputError(
            Problem(
                f"--device {options.device} does not go with replicas: Ray gives each its GPU",
                hint="use --device cuda, or choose GPUs with CUDA_VISIBLE_DEVICES",
            )
        )
    require_ray()
    from harness.backends.replicas.backend import ReplicatedBackend

    return ReplicatedBackend(planner, name, options)
