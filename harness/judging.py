"""The judges that the checks of a run ask for, opened from the settings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager

from harness.backends import BackendOptions
from harness.engine import open_engine
from harness.errors import InputError, Problem, nearest
from harness.runner import Judge, Judges, asked_of
from harness.sampling import Sampling
from harness.settings import JudgeSettings, Settings
from harness.suites import Case
from harness.variants import Variant

NAME = "judge"  # the variant's: recorded replies need none, but a key names one
# A judge thinks before it rates; reasoning models need more, and say so themselves in settings.
SAMPLING = Sampling(max_new_tokens=1024)


@contextmanager
def open_judges(settings: Settings, cases: Iterable[Case]) -> Iterator[Judges]:
    """The judges that these cases ask, by the name that they ask for; closed at the end.

    No weights are loaded. Raises InputError for a judge that nobody configured, with the first
    case that asks for it, and for a model or an engine that is wrong.
    """
    wanted = _wanted(cases)
    missing = [name for name in wanted if _of(settings, name) is None]
    if missing:
        raise InputError(*(_missing(settings, name, wanted[name]) for name in missing))
    with ExitStack() as stack:
        judges = {name: _open(settings, name) for name in wanted}
        for judge in judges.values():
            stack.callback(judge.backend.close)
        yield judges


def _wanted(cases: Iterable[Case]) -> dict[str, Case]:
    """Each name that is asked for, with the first case that does."""
    found: dict[str, Case] = {}
    for case in {id(case): case for case in cases}.values():
        for question in asked_of(case):
            found.setdefault(question.backend, case)
    return found


def _of(settings: Settings, name: str) -> JudgeSettings | None:
    return settings.judges.get(name) if name else settings.judge


def _open(settings: Settings, name: str) -> Judge:
    judge = _of(settings, name)
    assert judge is not None
    adapter = str(settings.path(judge.adapter)) if judge.adapter else None
    variant = Variant(NAME, settings.model_path(judge.model, judge.backend), adapter)
    options = BackendOptions(
        variants=(variant,),
        device=judge.device or settings.device,
        dtype=judge.dtype or settings.dtype,
        responses=settings.path(judge.responses) if judge.responses else None,
        base_url=judge.base_url,
        trust_remote_code=settings.trust_remote_code,
        cache_dir=settings.path(settings.store).parent,
        engine_args=judge.engine_args,
    )
    backend = open_engine(judge.backend, options, warm=not settings.no_warm)
    return Judge(backend, variant, SAMPLING.override(judge.sampling))


def _missing(settings: Settings, name: str, case: Case) -> Problem:
    place = case.position
    table = f"[tool.harness.judges.{name}]" if name else "[tool.harness.judge]"
    return Problem(
        f"no judge is called {name!r}" if name else "a check asks a judge, and none is configured",
        place.path,
        place.line,
        place.column,
        case=case.id,
        did_you_mean=nearest(name, settings.judges) if name else "",
        mend=f"add {table} to pyproject.toml, with backend and model",
    )
