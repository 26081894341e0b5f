"""All options, declared once: the command line, pytest and the configuration file are built here.

Defaults come from `[tool.harness]` in `pyproject.toml`, or from `harness.toml`; the command line
wins. A new option is one annotated field of `Settings` and nothing else.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from harness.backends import Models, Replicas, models_of
from harness.common import InputError, Prices, Problem, Sampling, TemplateArgs, nearest
from harness.common.reading import (
    MAX_SETTINGS,
    invalid,
    parse_json,
    read_text,
    read_toml,
)
from harness.common.toml_positions import Loc, find_offset, find_place
from harness.config.paths import Form, Kind, TypedPaths, parse_value
from harness.scorers import DEFAULT_TAGS, ReasoningParser, Tag

# Options that say how long, how often and whereto, and not who is asked.
HOW = frozenset(
    (
        "aa",
        "early_stop",
        "label",
        "no_warm",
        "note",
        "ray_address",
        "replicas",
        "report_dir",
        "store",
        "time_limit",
    )
)


@dataclass(frozen=True, slots=True)
class Flag:
    """How a field appears on the command line. `repeat`: may be given several times.

    `holds`: a path in this form, relative to where the command is typed.
    """

    name: str
    metavar: str = ""
    repeat: bool = False
    switch: bool = False
    choices: tuple[str, ...] = ()
    holds: Form | None = None


ToolParser = Literal[
    "deepseek",
    "glm",
    "harmony",
    "hermes",
    "json",
    "llama3_json",
    "marked_list",
    "mistral",
    "pythonic",
    "qwen3_coder",
]


class VariantSettings(BaseModel):
    """One table `[tool.harness.variants.NAME]`: an A/B test of prompts or sampling, say.

    `chat_template` is a Jinja file that takes the place of the model's own template. `prices` take
    the place of `[tool.harness.prices]` for this variant.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str | None = None
    adapter: str | None = None
    system: str | None = None
    chat_template: str | None = None
    chat_template_args: TemplateArgs = Field(default_factory=dict)
    sampling: Sampling | None = None
    prices: Prices | None = None
    reasoning_parser: ReasoningParser | None = None
    system_role: Literal["native", "merge"] | None = None


class JudgeSettings(BaseModel):
    """A model that `judge` checks ask: `[tool.harness.judge]`, or `[tool.harness.judges.NAME]`.

    `[tool.harness.teachers.NAME]` says the same of a model that answers for a repair.

    `responses` are recorded replies, for the backend `replay`: rows by the case, variant and repeat
    that are judged, one reply for each question. `sampling` is greedy unless it says otherwise.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    backend: str = "hf"
    model: str = "judge"
    adapter: str | None = None
    responses: Path | None = None
    base_url: str | None = None
    device: str | None = None
    dtype: str | None = None
    sampling: Sampling | None = None
    engine_args: Mapping[str, Any] = Field(default_factory=dict)
    replicas: int | None = Field(default=None, ge=1)


class RaySettings(BaseModel):
    """`[tool.harness.ray]`: where Ray puts replicas, and when it gives one up.

    The fields are those of `harness.backends.Replicas`; `per_replica` is what each one takes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    cpus_per_replica: float | None = Field(default=None, gt=0)
    gpus_per_replica: float | None = Field(default=None, ge=0)
    resources: Mapping[str, float] = Field(default_factory=dict)
    placement: Literal["", "pack", "spread", "strict_pack", "strict_spread"] = ""
    runtime_env: Mapping[str, Any] = Field(default_factory=dict)
    deaths: int = Field(default=3, ge=1)
    silence: float = Field(default=600.0, gt=0)
    start: float = Field(default=1800.0, gt=0)
    mixed: bool = False
    dashboard: bool = False


ExportTarget = Literal["parquet", "csv", "jsonl", "mlflow", "wandb", "inspect", "lm-eval"]


class MlflowSettings(BaseModel):
    """`[tool.harness.export.mlflow]`. `uri`: an address, or a path of a SQLite file of the project.

    Without one, MLflow's own variable MLFLOW_TRACKING_URI says where, or its default.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    uri: str | None = None
    experiment: Annotated[str, Field(min_length=1)] = "harness"


class WandbSettings(BaseModel):
    """`[tool.harness.export.wandb]`. Offline, files are written that `wandb sync` sends."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    project: Annotated[str, Field(min_length=1)] = "harness"
    entity: str | None = None
    mode: Literal["offline", "online"] = "offline"


class ExportSettings(BaseModel):
    """`[tool.harness.export]`: `after` names what each run is exported to when it has ended.

    `into` is the folder of exports that are files. `tags` are names and texts that go with each.
    Without `answers` trackers do not get the page of the scorecard, which shows the answers.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    after: tuple[ExportTarget, ...] = ()
    into: Path = Path("exports")
    answers: bool = True
    tags: Mapping[str, str] = Field(default_factory=dict)
    mlflow: MlflowSettings = MlflowSettings()
    wandb: WandbSettings = WandbSettings()


class Settings(BaseModel):
    """What a run was told. Paths are relative to `root`, the folder of the configuration file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    root: Path = Path()
    suites: tuple[str, ...] = Field(
        default=(), description="files and folders that `pytest` and `harness run` take as suites"
    )
    model: Annotated[str | None, Flag("--model", "M", holds="model")] = Field(
        default=None, description="the base model: a directory, or the name a server knows"
    )
    adapter: Annotated[
        tuple[str, ...], Flag("--adapter", "NAME=DIR", repeat=True, holds="adapter")
    ] = Field(
        default=(), description="a LoRA adapter on the base; a glob names each after its directory"
    )
    variant: Annotated[
        tuple[str, ...],
        Flag("--variant", "NAME=adapter:DIR|model:DIR", repeat=True, holds="variant"),
    ] = Field(default=(), description="another variant: an adapter, or a model of its own")
    baseline: Annotated[
        str | None, Flag("--baseline", "NAME|RUN|FILE.json|none", holds="baseline")
    ] = Field(default=None, description="compare against this (default: base, if there is another)")
    reference: Annotated[tuple[str, ...], Flag("--reference", "NAME", repeat=True)] = Field(
        default=(), description="report this variant, but do not gate it"
    )
    backend: Annotated[str, Flag("--backend", "NAME")] = Field(
        default="hf", description="the engine: hf, vllm, openai, replay, echo, or a plug-in's"
    )
    base_url: Annotated[str | None, Flag("--base-url", "URL")] = Field(
        default=None, description="the server's address, for --backend openai: http://HOST:PORT/v1"
    )
    no_warm: Annotated[bool, Flag("--no-warm", switch=True)] = Field(
        default=False, description="start an engine even where `harness engine up` keeps one warm"
    )
    responses: Annotated[Path | None, Flag("--responses", "FILE", holds="input")] = Field(
        default=None, description="recorded answers (JSONL), for --backend replay"
    )
    device: Annotated[str, Flag("--device", "DEVICE")] = Field(
        default="auto", description="cpu, cuda, cuda:1, ... (default: chosen, with the reason)"
    )
    dtype: Annotated[str, Flag("--dtype", "DTYPE")] = Field(
        default="auto", description="float32, bfloat16, ... (default: chosen, with the reason)"
    )
    batch_tokens: Annotated[int | None, Flag("--batch-tokens", "N")] = Field(
        default=None, ge=1, description="most tokens in one batch (default: chosen)"
    )
    engine_arg: Annotated[tuple[str, ...], Flag("--engine-arg", "KEY=VALUE", repeat=True)] = Field(
        default=(), description="passed on to the engine; VALUE is JSON, or else a text"
    )
    replicas: Annotated[int | None, Flag("--replicas", "N")] = Field(
        default=None, ge=1, description="engines that answer beside each other, through Ray"
    )
    ray_address: Annotated[str, Flag("--ray", "ADDRESS")] = Field(
        default="", description="a Ray cluster for the replicas: HOST:PORT, or auto for this one"
    )
    guard_model: Path | None = Field(
        default=None,
        description="the folder of a model that embeds texts, to find training rows that ask what "
        "a case asks in other words",
    )
    chat_template_args: TemplateArgs = Field(
        default_factory=dict,
        description="variables of the chat template, such as enable_thinking = false",
    )
    time_limit: Annotated[float | None, Flag("--time-limit", "SECONDS")] = Field(
        default=None, gt=0, description="end the run after this; what is finished is kept"
    )
    early_stop: Annotated[bool, Flag("--early-stop", switch=True)] = Field(
        default=False, description="stop a suite once it has shown that every candidate regressed"
    )
    aa: Annotated[bool, Flag("--aa", switch=True)] = Field(
        default=False, description="let the baseline answer twice and report how noisy it is"
    )
    trust_remote_code: Annotated[bool, Flag("--trust-remote-code", switch=True)] = Field(
        default=False, description="run code that comes with the model; off for a reason"
    )
    report_dir: Annotated[Path, Flag("--report-dir", "DIR", holds="output")] = Field(
        default=Path("reports"), description="where scorecards are written"
    )
    store: Annotated[Path, Flag("--store", "FILE", holds="output")] = Field(
        default=Path(".harness/store.db"), description="the database of answers and results"
    )
    label: Annotated[str | None, Flag("--label", "TEXT")] = Field(
        default=None, description="a short name of the run, for lists of runs"
    )
    note: Annotated[str | None, Flag("--note", "TEXT")] = Field(
        default=None, description="what to know of the run, kept beside it"
    )
    calibrations: Path = Field(
        default=Path("calibrations"),
        description="the folder of what `harness judge calibrate` found, to be committed",
    )
    variants: Mapping[str, VariantSettings] = Field(default_factory=dict)
    judge: JudgeSettings | None = None
    judges: Mapping[str, JudgeSettings] = Field(default_factory=dict)
    teachers: Mapping[str, JudgeSettings] = Field(default_factory=dict)
    reasoning_tags: tuple[Tag, ...] = Field(
        default=DEFAULT_TAGS,
        description="what of an answer is reasoning and is not scored: families (think, [THINK], "
        "harmony), elements by name, or pairs of an opening and a closing text",
    )
    tool_parser: Annotated[ToolParser | None, Flag("--tool-parser", "FORM")] = Field(
        default=None,
        description="in which form answers write calls of tools, instead of the one that the chat "
        "template shows: " + ", ".join(get_args(ToolParser)),
    )
    reasoning_parser: Annotated[ReasoningParser, Flag("--reasoning-parser", "NAME")] = Field(
        default="auto",
        description="how reasoning is marked that is kept apart from answers: "
        + ", ".join(get_args(ReasoningParser)),
    )
    engine_args: Mapping[str, Any] = Field(
        default_factory=dict, description="arguments of the engine, as --engine-arg gives them"
    )
    ray: RaySettings = Field(default_factory=RaySettings)
    prices: Prices | None = None
    export: ExportSettings = ExportSettings()
    modules: tuple[str, ...] = Field(
        default=(), description="Python modules whose functions `python` checks may call"
    )

    def path(self, relative: str | Path) -> Path:
        """Return a path of the configuration, from the working directory."""
        return self.root / os.path.expanduser(relative)

    def prices_of(self, variant: str) -> Prices | None:
        """Return what a variant's tokens cost: its own prices, else those of the project."""
        own = self.variants.get(variant)
        return (own.prices if own else None) or self.prices

    def model_path(self, name: str, backend: str | None = None) -> str:
        """Return a model's directory as a path; any other name as it is, for the engine.

        It looks it up from the working directory, so a name that is a directory there and none of
        the project's is no name either.
        """
        local, names = self.path(name), models_of(backend or self.backend) is Models.NAMES
        return str(local) if local.exists() or (Path(name).exists() and not names) else name


def engine_arguments(settings: Settings) -> dict[str, Any]:
    """Return what the engine is told beside the options it shares with others.

    The command line wins over the configuration. Raises InputError for an argument that is none.
    """
    found = dict(settings.engine_args)
    for text in settings.engine_arg:
        key, equals, value = text.partition("=")
        if not key or not equals:
            what = f"--engine-arg {text!r} is not understood"
            raise InputError(Problem(what, expected="KEY=VALUE"))
        try:
            found[key] = parse_json(value, "--engine-arg")
        except InputError:
            found[key] = value
    return found


def replicas_of(settings: Settings, count: int | Literal["all"] | None) -> Replicas | None:
    """Return how many engines answer and where; None for one in the usual way.

    `count` is the run's, a judge's or a teacher's own: "all" for as many as there is room for, None
    where one engine is enough.
    """
    if count is None or (count == 1 and not settings.ray_address):
        return None
    told = settings.ray.model_dump()
    cpus, gpus = told.pop("cpus_per_replica"), told.pop("gpus_per_replica")
    number = None if count == "all" else count
    return Replicas(number, settings.ray_address, cpus=cpus, gpus=gpus, **told)


def flags() -> Iterator[tuple[str, Flag, str]]:
    """Yield field name, flag and help of every option, in order."""
    for name, field in Settings.model_fields.items():
        for item in field.metadata:
            if isinstance(item, Flag):
                yield name, item, field.description or ""


def given_options(settings: Settings) -> tuple[str, ...]:
    """Return the command line's words for who is asked and by what: all that is not the default."""
    words: list[str] = []
    for name, flag, _ in flags():
        value, usual = getattr(settings, name), Settings.model_fields[name].default
        if name in HOW or value == usual:
            continue
        values = value if flag.repeat else [value]
        # With "=", since pytest takes a word of its own for a path to test.
        words += [flag.name] if flag.switch else [f"{flag.name}={v}" for v in values]
    return tuple(words)


def load_settings(root: Path, given: Mapping[str, Any] | None = None) -> Settings:
    """Read the settings of the project at `root`; `given` are options on top, with its paths.

    Those of a command line are relative to where it was typed: see `load_typed`.
    """
    path, table, place = _configuration(root)
    try:
        configured = Settings.model_validate({**table, "root": root})
    except ValidationError as error:
        raise InputError(*_problems(error, path, place)) from None
    try:
        return Settings.model_validate({**dict(configured), **(given or {})})
    except ValidationError as error:
        raise InputError(*_problems(error, None)) from None


def find_root(start: Path) -> Path:
    """Find the nearest folder at or above `start` with a configuration; else return `start`."""
    return next(filter(configured, (start, *start.parents)), start)


def configured(folder: Path) -> bool:
    """Return whether this folder has a configuration of the harness."""
    return (folder / "harness.toml").is_file() or bool(_configuration(folder)[1])


def where_to_set(settings: Settings, line: str) -> str:
    """Say where the user should configure `line`: in the file that is there."""
    own, shared = settings.path("harness.toml"), settings.path("pyproject.toml")
    if own.is_file():
        return f"{line} at the top of {own}"
    if configured(settings.root):
        return f"{line} under [tool.harness] in {shared}"
    return f"{line} in {own}, which `harness init` writes"


def place_of(settings: Settings, *loc: str, value: object) -> tuple[str, int, int]:
    """Return path, line and column of a key of the configuration file that has this value.

    Empty and zeros where it has none: the value came from elsewhere.
    """
    path, table, outer = _configuration(settings.root)
    there: object = table
    for step in loc:
        there = there.get(step) if isinstance(there, dict) else None
    if there is None or there != value:
        return "", 0, 0
    text = read_text(path, limit=MAX_SETTINGS)
    return str(path), *find_place(text, (*outer, *loc), of_key=True)


def _configuration(root: Path) -> tuple[Path, dict[str, Any], Loc]:
    """Read the configuration: its file, its settings, and the table that they stand in."""
    own, shared = root / "harness.toml", root / "pyproject.toml"
    if own.is_file():
        return own, read_toml(own), ()
    tools = read_toml(shared).get("tool", {}) if shared.is_file() else {}
    table = tools.get("harness", {}) if isinstance(tools, dict) else {}
    if not isinstance(table, dict):
        problem = Problem("tool.harness is no table", str(shared), expected="[tool.harness]")
        raise InputError(problem)
    return shared, table, ("tool", "harness")


def _problems(error: ValidationError, path: Path | None, table: Loc = ()) -> list[Problem]:
    """Return what is wrong in the configuration (`path`, at `table`), or on the command line.

    The first are told, in the order of the file, and the rest is counted.
    """
    from harness.common.validation import in_words, told

    text = read_text(path, limit=MAX_SETTINGS) if path else ""

    def place(row: ErrorDetails) -> tuple[Loc, bool]:
        return told(row), row["type"] == "extra_forbidden"

    def said(row: ErrorDetails) -> dict[str, Any]:
        loc, unknown = place(row)
        line, column = find_place(text, (*table, *loc), of_key=unknown)
        parts = _unknown(loc) if unknown else in_words(row, _name(loc, path))
        return {"line": line, "column": column, **parts}

    def order(row: ErrorDetails) -> int:
        loc, unknown = place(row)
        return find_offset(text, (*table, *loc), of_key=unknown)

    return invalid(error, str(path or ""), said, order)


def _name(loc: Loc, path: Path | None) -> str:
    """Name what has the wrong value: a setting, or an option of the command line."""
    name = ".".join(map(str, loc))
    return name if path else f"--{name.replace('_', '-')}"


def _unknown(loc: Loc) -> dict[str, str]:
    from harness.suites.problems import known_keys

    name, known = str(loc[-1]), sorted({*known_keys(Settings, loc[:-1])} - {"root"})
    return {
        "message": f"unknown setting {name!r}",
        "did_you_mean": nearest(name, known),
        "hint": "known settings: " + ", ".join(known),
    }


_WHAT: Mapping[Kind, str] = {
    "file": "file",
    "run": "file or folder",
    "adapter": "directory",
    "model": "directory",
}
_HINTS: Mapping[Kind, str] = {
    "adapter": "give the directory with adapter_config.json and adapter_model.safetensors",
    "model": "give the directory with config.json and *.safetensors",
}


def load_typed(root: Path, given: Mapping[str, Any], here: Path) -> Settings:
    """Read the settings of the project at `root`, with options on top, typed in the folder `here`.

    Raises InputError for what is wrong in the configuration or in the options, and for all paths
    among the options that lead nowhere.
    """
    settings = load_settings(root, given)
    paths = TypedPaths(here, root, models_of(settings.backend) is Models.NAMES)
    changes: dict[str, Any] = {}
    problems: list[Problem] = []
    for name, flag, _ in flags():
        if given.get(name) is None or not flag.holds:
            continue
        value = getattr(settings, name)
        texts = value if flag.repeat else (str(value),)
        for text in texts:
            problems += _missing(paths, models_of(settings.backend), flag.name, flag.holds, text)
        located = tuple(paths.option(flag.holds, text) for text in texts)
        changes[name] = located if flag.repeat else located[0]
    if problems:
        raise InputError(*problems)
    return Settings.model_validate({**dict(settings), **changes})


def _missing(
    paths: TypedPaths, models: Models, option: str, form: Form, text: str
) -> Iterator[Problem]:
    """Say what is wrong where only a path that is read can be meant, and it is not there.

    It says where was looked, and what is meant if that is seen: the same path from the root of the
    project, or a file beside it with its ending and nearly its name.
    """
    value = parse_value(form, text)
    if value.kind == "adapter":
        read = models is Models.DIRECTORIES and not glob.has_magic(value.path)
    elif value.kind == "model":
        read = paths.place(value) != value.path
    else:
        read = value.kind in ("file", "run")
    place = os.path.abspath(paths.folder / os.path.expanduser(value.path))
    if not value.path or not read or os.path.exists(place):
        return
    from_root = os.path.abspath(paths.root / value.path)
    folder, name = os.path.split(place)
    ending = os.path.splitext(name)[1]
    around = os.listdir(folder) if os.path.isdir(folder) else []
    others = {other for other in around if os.path.splitext(other)[1] == ending} - {name}
    close = nearest(name, others)
    meant = os.path.join(os.path.dirname(value.path), close) if close else ""
    if os.path.exists(from_root):
        meant = os.path.relpath(from_root, paths.folder)
    nothing = "a link that leads nowhere:" if os.path.islink(place) else "nothing at"
    yield Problem(
        f"{option} {text}: there is no such {_WHAT[value.kind]}",
        found=f"{nothing} {place}",
        did_you_mean=value.with_path(meant) if meant else "",
        hint="" if meant else _HINTS.get(value.kind, ""),
    )
