"""Start a warm engine, and wait until it answers."""

from __future__ import annotations

import json
import secrets
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from harness.backends.adapters import open_adapter
from harness.backends.base import BackendOptions, Environment
from harness.backends.models import open_model
from harness.backends.registry import open_here
from harness.backends.vllm.options import BATCH_INVARIANT
from harness.backends.vllm.planning import Work, describe_model, plan_start, this_machine
from harness.backends.vllm.server.home import KEEPER, READY, Home, Warm, holders
from harness.backends.vllm.server.keeper import TAKEN
from harness.backends.vllm.server.process import VLLM
from harness.backends.vllm.versions import installed
from harness.common import InputError, JsonValue, MachineryError, Problem, Variant, processes

BASE_NAME = "base"
# What an engine is started for where nobody says otherwise: most adapters have a rank of 64 at
# most, and few runs have more than four.
USUAL_RANK, USUAL_ADAPTERS = 64, 4
USUAL_CONTEXT = 4096  # tokens, for a model that does not say
ANSWERS = 20_000  # in all the runs of its life: compiled graphs pay from 5,000 on
_LOOK = 0.2  # seconds between looks while it starts
# No statistics and no hub: network that nobody asked for. The rest lets adapters be added.
_ENVIRONMENT = {
    "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "HF_HUB_OFFLINE": "1",
    "NO_COLOR": "1",
}

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class KeeperJob:
    """What a keeper is told over stdin."""

    warm: Warm
    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    module: str = VLLM


def start(options: BackendOptions, idle: float, tell: Tell) -> Warm:
    """Start a warm engine for these options; `tell` hears how it goes on.

    Raises `InputError` for another engine in its place and for what vLLM cannot serve, and
    `MachineryError` with the end of its log where it does not start.
    """
    assert options.cache_dir is not None
    home = Home(options.cache_dir)
    if home.is_held():
        raise InputError(
            Problem(
                "a warm engine is up already",
                found=((there := home.read()) and there.model) or "",
                hint="use it, or end it first: harness engine down",
            )
        )
    return launch(_keeper_job(options, home, idle), home, tell)


def launch(job: KeeperJob, home: Home, tell: Tell) -> Warm:
    """Start a keeper with this job, in a session of its own; return the engine once it answers."""
    home.make()
    keeper = processes.start(KEEPER, str(home.folder))
    assert keeper.stdin is not None
    with keeper.stdin as stdin:
        stdin.write(json.dumps(asdict(job)).encode())
    try:
        return _wait(keeper, home, tell)
    except BaseException:
        keeper.terminate()
        raise


def environment_facts(environment: Environment) -> dict[str, JsonValue]:
    """Return what answers depend on, without the template: the server gets token ids."""
    facts = asdict(environment)
    facts.pop("chat_template")
    return json.loads(json.dumps(facts))  # type: ignore[no-any-return]  # as it is read back


def _keeper_job(options: BackendOptions, home: Home, idle: float) -> KeeperJob:
    """Plan an engine for every case that fits the model, many answers and more adapters."""
    backend = open_here("vllm", options)
    base = options.variants[0]
    environment = backend.environment(base)
    model = open_model(base.model)
    paths = {v.adapter for v in options.variants if v.adapter}
    ranks = [open_adapter(path, model).rank for path in paths]
    ranks += [USUAL_RANK] * max(1, USUAL_ADAPTERS - len(ranks))
    tokens = ANSWERS * 128 // 2
    length = backend.context_length or USUAL_CONTEXT
    is_cpu = installed().is_cpu
    plan = plan_start(
        Work(ANSWERS, tokens, tokens, longest=length, shared=1.0),
        describe_model(model, environment.dtype),
        this_machine(is_cpu=is_cpu),
        ranks,
        {name: v for name, v in options.engine_args.items() if name != BATCH_INVARIANT},
    )
    warm = Warm(
        model=base.model,
        weights=backend.fingerprint(base).weights,
        environment=environment_facts(environment),
        max_model_len=plan.arguments.get("max_model_len"),
        max_lora_rank=plan.arguments["max_lora_rank"],
        slots=plan.arguments["max_loras"],
        is_cpu=is_cpu,
        idle=idle,
        log=str(home.log.resolve()),
        key=secrets.token_urlsafe(32),
        started=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    words = [  # the server's command line
        f"--model={model.path.resolve()}",
        f"--served-model-name={BASE_NAME}",
        "--host=127.0.0.1",
        f"--dtype={environment.dtype}",
        "--generation-config=vllm",  # nothing comes from the model's own defaults
    ]
    words += ["--seed=0"] if "seed" not in plan.arguments else []
    words += ["--trust-remote-code"] if options.trust_remote_code else []
    for name, value in plan.arguments.items():
        option = name.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{option}" if value else f"--no-{option}")
        else:
            words.append(f"--{option}={value if isinstance(value, str) else json.dumps(value)}")
    variables = {**_ENVIRONMENT, **plan.environment}
    if options.engine_args.get(BATCH_INVARIANT):
        variables["VLLM_BATCH_INVARIANT"] = "1"
    if number := options.device.partition(":")[2]:
        variables["CUDA_VISIBLE_DEVICES"] = number
    return KeeperJob(warm, tuple(words), variables)


def _wait(keeper: subprocess.Popen[bytes], home: Home, tell: Tell) -> Warm:
    """Return the engine once it answers; raise where its keeper ends instead."""
    begun = time.monotonic()
    while keeper.poll() is None:
        warm = home.read()
        if warm is not None and warm.stage == READY:
            return warm
        tell(f"starting vLLM, {time.monotonic() - begun:.0f} s, log in {home.log}")
        time.sleep(_LOOK)
    if keeper.returncode == TAKEN:
        raise InputError(
            Problem("a warm engine is up already", hint="use it, or: harness engine down")
        )
    try:  # the line of its log that most likely says what broke
        lines = home.log.read_text(encoding="utf-8", errors="replace").splitlines()
        errors = [line for line in lines[-200:] if "Error" in line and "Traceback" not in line]
        found = (errors or lines or ["an empty log"])[-1].strip()[:300]
    except OSError:
        found = "there is no log"
    raise MachineryError(
        Problem(
            "the warm engine did not start",
            str(home.log),
            found=found,
            hint="see its log; less memory: --engine-arg gpu_memory_utilization=0.5, "
            "--engine-arg max_model_len=4096",
        ),
        *holders(),
    )


def base_of(variants: tuple[Variant, ...], model: str) -> tuple[Variant, ...]:
    """Return the variants that an engine is started for: the base first."""
    return (Variant(BASE_NAME, model), *(v for v in variants if v.adapter and v.model == model))
