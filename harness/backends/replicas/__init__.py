"""Several engines that answer one run beside each other: actors on Ray, each with one backend."""

from __future__ import annotations

from harness.backends.base import Backend, BackendOptions, Models, Replicas
from harness.common import InputError, Problem


def check_replicas(
    name: str, models: Models, replicas: Replicas, opened: Backend | None = None
) -> None:
    """Raise `InputError` for replicas of a backend that has no engine of its own.

    `models` is what the backend says of itself: known before it is opened, and asks a server. Of
    one that says nothing, it is known when it is `opened`.
    """
    if opened.holds_weights if opened else models in (Models.DIRECTORIES, Models.EITHER):
        return
    what = "--ray" if replicas.count is None else "--replicas"
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
    its own, where Ray is not installed, for an address that is none, and for options that do not
    go together.
    """
    from harness.backends.replicas.cluster import check_address, require_ray

    assert options.replicas is not None
    check_replicas(name, Models.EITHER, options.replicas, planner)
    check_address(options.replicas.address)
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
