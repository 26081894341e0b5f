"""`lint-adapter`: what makes an adapter useless, or other than it seems, wherever it comes from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.backends import (
    AdapterDir,
    ModelDir,
    adapted_modules,
    open_adapter,
    open_model,
    pickles_in,
)
from harness.common import InputError, Problem, from_home
from harness.common.reading import read_object
from harness.prompts import load_tokenizer, read_template
from harness.training.sft import DEFAULT_SERVED_RANK, SERVED_RANKS, served_rank

_RESUME = ("optimizer.pt", "scheduler.pt", "rng_state.pth", "training_args.bin")


@dataclass(frozen=True, slots=True)
class LintReport:
    """Errors: it does nothing, or not what it should. Warnings: it may be served differently."""

    path: str
    errors: tuple[Problem, ...]
    warnings: tuple[Problem, ...]
    facts: tuple[str, ...]

    def lines(self) -> list[str]:
        """For people."""
        found = [f"error: {problem}" for problem in self.errors]
        found += [f"warning: {problem}" for problem in self.warnings]
        found += [f"{self.path}: {fact}" for fact in self.facts]
        if not self.errors and not self.warnings:
            found.append(f"{self.path}: nothing is wrong with it")
        return found


def lint_adapter(directory: str, model: str | None = None) -> LintReport:
    """Look at an adapter's files; no weights of the base are loaded.

    Without `model`, the base is the one that the adapter names. Raise `InputError` where there is
    no such directory, or a `model` that was given is none.
    """
    path = from_home(directory)
    if not (path / "adapter_config.json").is_file():
        base, problem = None, None
    elif model:
        base, problem = open_model(model), None
    else:
        base, problem = _named_base(path)
    adapter: AdapterDir | None = None
    errors: tuple[Problem, ...] = ()
    try:
        adapter = open_adapter(directory, base)
    except InputError as error:
        errors = error.problems
    warnings = [problem] if problem else []
    config = dict(adapter.config) if adapter else {}
    warnings += _files(path)
    if adapter:
        warnings += [*_served(path, adapter), *_names(path, config)]
    if base:
        warnings += _template(path, base)
    facts = tuple(_facts(adapter, base)) if adapter else ()
    return LintReport(str(path), errors, tuple(warnings), facts)


def _named_base(path: Path) -> tuple[ModelDir | None, Problem | None]:
    """Return the base that the adapter names; where it is not here, that is worth a warning."""
    named = str(read_object(path / "adapter_config.json").get("base_model_name_or_path") or "")
    if not named:
        said = Problem("does not say which base it belongs to", str(path), hint="give --model BASE")
        return None, said
    try:
        return open_model(named), None
    except InputError as error:
        return None, Problem(
            "could not be compared with its base, which is not here",
            str(path),
            found=f"{named}: {error.problems[0].message}",
            hint="give --model BASE",
        )


def _files(path: Path) -> list[Problem]:
    """Return files that nobody should load, or that only a training needs."""
    if not path.is_dir():
        return []
    pickles = sorted({*pickles_in(path), *(n for n in _RESUME if (path / n).is_file())})
    if not pickles:
        return []
    return [
        Problem(
            "holds pickles, which can run any code when they are loaded",
            str(path),
            found=", ".join(pickles),
            hint="remove them: an adapter needs adapter_model.safetensors and adapter_config.json",
        )
    ]


def _served(path: Path, adapter: AdapterDir) -> Iterator[Problem]:
    """Yield what vLLM says to it."""
    if adapter.unserved:
        yield Problem(
            "vLLM refuses it",
            str(path),
            found=", ".join(adapter.unserved),
            hint="merge it into its base: harness merge",
        )
    if adapter.rank > SERVED_RANKS[-1]:
        yield Problem(
            "vLLM serves no adapter of this rank",
            str(path),
            found=f"rank {adapter.rank}",
            expected=f"{SERVED_RANKS[-1]} at most",
            hint="merge it into its base: harness merge",
        )
    elif adapter.rank > DEFAULT_SERVED_RANK:
        yield Problem(
            "vLLM refuses its rank unless it is told",
            str(path),
            found=f"rank {adapter.rank}",
            hint=f"vllm serve ... --max-lora-rank {served_rank(adapter.rank)}",
        )


def _names(path: Path, config: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield names in target_modules that no tensor belongs to: they were never trained."""
    targets = config.get("target_modules")
    if not isinstance(targets, list):
        return
    modules = adapted_modules(path)
    for target in sorted(map(str, targets)):
        if not any(module == target or module.endswith(f".{target}") for module in modules):
            yield Problem(
                f"target_modules names {target!r}, and it holds no tensor of such a module",
                str(path / "adapter_config.json"),
                hint="it changes nothing; look whether the name is spelt as in the base",
            )


def _template(path: Path, base: ModelDir) -> list[Problem]:
    """Say where it was trained, as its files tell, with another template than the base has."""
    own = path / "chat_template.jinja"
    if not own.is_file():
        return []
    try:
        tokenizer = load_tokenizer(base.path)
    except InputError:  # a base without a chat template has none to differ from
        return []
    try:
        if tokenizer.renders_like(read_template(own)):
            return []
    except InputError as error:
        return list(error.problems)
    return [
        Problem(
            "its chat template is not the base's: served with the base's own, it sees other "
            "prompts than in training",
            str(own),
            hint="serve it with this template (vllm serve --chat-template), or train it again",
        )
    ]


def _facts(adapter: AdapterDir, base: ModelDir | None) -> Iterator[str]:
    config = adapter.config
    scaling = " with rank-stabilised scaling" if config.get("use_rslora") else ""
    yield f"rank {adapter.rank}, alpha {config.get('lora_alpha', 8):g}{scaling}"
    if base:
        yield f"fits {base.name}"
    if (adapter.path / "manifest.json").is_file():
        yield "has a manifest of the harness"
