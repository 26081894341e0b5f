"""`harness import`: a suite out of a public file."""

from __future__ import annotations

import argparse
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.cli.parser import Parser, at_least_one, count, new_command, say
from harness.common import InputError, Problem

if TYPE_CHECKING:
    from harness.suites.importing import Imported

CHECKS = ("auto", "equals", "contains", "numeric", "json", "chrf")


def add_commands(commands: Any) -> None:
    """Register the command and its formats."""
    family = new_command(
        commands,
        "import",
        "make a suite out of a public file",
        "import ifeval input_data.jsonl --out suites/ifeval.yaml",
        "import xstest xstest_prompts.csv",
        "import jsonl rows.jsonl --map user=question --map reference=answer",
        "import promptfoo promptfooconfig.yaml --out suites/support.yaml",
    )
    formats = family.add_subparsers(
        dest="format", metavar="FORMAT", required=True, parser_class=Parser
    )
    shown = "import ifeval input_data.jsonl --mode compat --out suites/ifeval.yaml"
    ifeval = _format(formats, "ifeval", "IFEval's input file (JSONL)", ifeval_command, shown)
    whose = "whose rules count: compat is the reference's (default: fixed)"
    ifeval.add_argument("--mode", choices=("fixed", "compat"), default="fixed", help=whose)
    shown = "import xstest xstest_prompts.csv --out suites/over-refusal.yaml"
    xstest = _format(formats, "xstest", "XSTest's prompts (CSV)", xstest_command, shown)
    shown = "import jsonl rows.jsonl --map user=question --map reference=answer"
    rows = _format(formats, "jsonl", "rows of instructions or messages", rows_command, shown)
    targets = "messages, system, user, input, reference, id, cluster or tag"
    rows.add_argument("--map", action="append", default=[], metavar="TARGET=COLUMN", help=targets)
    how = "how an answer is held against the one that is wanted (default: auto)"
    rows.add_argument("--check", choices=CHECKS, default="auto", help=how)
    enough = "the chrF that is enough (default: 0.4)"
    rows.add_argument("--min", type=float, default=0.4, metavar="SHARE", help=enough)
    rows.add_argument("--category", default="imported", metavar="NAME", help="(default: imported)")
    for benchmark in (ifeval, xstest, rows):
        skip = "leave out rows that make no case, and list them, instead of stopping"
        benchmark.add_argument("--skip", action="store_true", help=skip)
    shown = "import promptfoo promptfooconfig.yaml --judge --out suites/support.yaml"
    promptfoo = _format(
        formats, "promptfoo", "a project of promptfoo (YAML or JSON)", promptfoo_command, shown
    )
    judge = "make llm-rubric and its like `judge` checks, for the default judge or the named one"
    promptfoo.add_argument("--judge", nargs="?", const="", metavar="NAME", help=judge)
    embedding = "the model that embeds texts, for `similar` (default: such assertions are left out)"
    promptfoo.add_argument("--embedding", default="", metavar="FOLDER", help=embedding)

    shown = "import lm-eval gsm8k.yaml --data test=test.jsonl --data train=train.jsonl"
    task = _format(formats, "lm-eval", "a task of lm-evaluation-harness", lm_eval_command, shown)
    split = "the rows of a split, where the task has them on a server"
    task.add_argument("--data", action="append", default=[], metavar="SPLIT=FILE", help=split)
    which = "by which of the task's filters an answer is judged (default: the first)"
    task.add_argument("--filter", default="", metavar="NAME", help=which)
    which = "by which of its metrics (default: the first that can be carried over)"
    task.add_argument("--metric", default="", metavar="NAME", help=which)
    task.add_argument("--shots", type=count, metavar="N", help="examples (default: the task's)")
    task.add_argument("--turns", action="store_true", help="examples as turns, not in one text")
    task.add_argument("--limit", type=at_least_one, metavar="N", help="only the first rows")
    root = "the folder that holds the task and all files it includes (default: the task's own)"
    task.add_argument("--root", metavar="FOLDER", help=root)
    samples = "what lm-eval wrote with --log_samples: its answers become recorded ones"
    task.add_argument("--samples", metavar="FILE", help=samples)
    shown = "import openai-evals registry/evals/capitals.yaml --out suites/capitals.yaml"
    evals = _format(formats, "openai-evals", "an eval of OpenAI's registry", evals_command, shown)
    evals.add_argument("--eval", default="", metavar="NAME", help="one eval of the file, not all")
    data = "the samples, where the file names another place"
    evals.add_argument("--data", metavar="FILE", help=data)
    shown = "import inspect logs/2026-11-28_capitals.eval --out suites/capitals.yaml"
    log = _format(formats, "inspect", "a log of inspect_ai (.eval or JSON)", inspect_command, shown)
    which = "by which of the log's scorers (default: the first that can be carried over)"
    log.add_argument("--scorer", default="", metavar="NAME", help=which)
    shown = "import log feedback.jsonl --map user=prompt,answer=reply,verdict=thumbs"
    drafts = _format(formats, "log", "good and bad answers from production", log_command, shown)
    targets = "user, messages, system, answer, verdict, better, id or tag"
    drafts.add_argument("--map", action="append", default=[], metavar="TARGET=COLUMN", help=targets)
    half = "half of the prompts with good and bad answers become pairs for training, and no cases"
    drafts.add_argument("--pairs", action="store_true", help=half)
    category = "(default: production)"
    drafts.add_argument("--category", default="production", metavar="NAME", help=category)


def _format(formats: Any, name: str, text: str, act: Any, example: str) -> argparse.ArgumentParser:
    parser = new_command(formats, name, text, example)
    parser.add_argument("file", metavar="FILE")
    parser.add_argument("--out", metavar="SUITE.yaml", help="(default: the name of FILE)")
    parser.add_argument("--force", action="store_true", help="write over what is there")
    parser.set_defaults(act=act)
    return parser


def ifeval_command(arguments: argparse.Namespace) -> int:
    """Make a suite out of IFEval's input file."""
    from harness.suites.importing import import_ifeval

    return _write(
        arguments, import_ifeval(Path(arguments.file), arguments.mode, skip=arguments.skip)
    )


def xstest_command(arguments: argparse.Namespace) -> int:
    """Make a suite out of XSTest's prompts."""
    from harness.suites.importing import import_xstest

    return _write(arguments, import_xstest(Path(arguments.file), skip=arguments.skip))


def rows_command(arguments: argparse.Namespace) -> int:
    """Make a suite out of rows of instructions or messages."""
    from harness.suites.importing import ImportOptions, import_rows, parse_map

    options = ImportOptions(parse_map(arguments.map), arguments.check, arguments.min)
    file, category = Path(arguments.file), arguments.category
    return _write(arguments, import_rows(file, category, options, skip=arguments.skip))


def promptfoo_command(arguments: argparse.Namespace) -> int:
    """Make a suite out of a project of promptfoo."""
    from harness.suites.importing import Choices, import_promptfoo

    choices = Choices(arguments.judge, arguments.embedding)
    return _write(arguments, import_promptfoo(Path(arguments.file), choices))


def lm_eval_command(arguments: argparse.Namespace) -> int:
    """Make a suite out of a task of lm-evaluation-harness."""
    from harness.suites.importing import TaskOptions, import_lm_eval

    data: dict[str, Path] = {}
    for pair in arguments.data:
        split, _, file = pair.rpartition("=")
        if not split or not file:
            raise InputError(
                Problem("--data cannot be read", found=pair, expected="SPLIT=FILE: test=rows.jsonl")
            )
        data[split] = Path(file)
    options = TaskOptions(
        data,
        arguments.filter,
        arguments.metric,
        arguments.shots,
        arguments.turns,
        arguments.limit,
        Path(arguments.samples) if arguments.samples else None,
        Path(arguments.root) if arguments.root else None,
    )
    return _write(arguments, import_lm_eval(Path(arguments.file), options))


def evals_command(arguments: argparse.Namespace) -> int:
    """Make a suite out of an eval of OpenAI's registry."""
    from harness.suites.importing import import_openai_evals

    data = Path(arguments.data) if arguments.data else None
    file = Path(arguments.file)
    return _write(arguments, import_openai_evals(file, only=arguments.eval, data=data))


def inspect_command(arguments: argparse.Namespace) -> int:
    """Make a suite, and recorded answers, out of a log of inspect_ai."""
    from harness.suites.importing import import_inspect

    return _write(arguments, import_inspect(Path(arguments.file), scorer=arguments.scorer))


def log_command(arguments: argparse.Namespace) -> int:
    """Make draft cases out of answers from production."""
    from harness.suites.importing import LOG_TARGETS, import_log, parse_map

    columns = parse_map(arguments.map, LOG_TARGETS)
    file, category = Path(arguments.file), arguments.category
    return _write(arguments, import_log(file, columns, category=category, pairs=arguments.pairs))


SHOWN = 20  # of the lines under one heading; the head of the suite file has all


def _write(arguments: argparse.Namespace, imported: Imported) -> int:
    from harness.common import plural
    from harness.suites.importing import write_suite

    # The stem of the suite file is the suite's name.
    if arguments.out is None:
        stem = re.sub(r"[^A-Za-z0-9_.-]+", "-", Path(arguments.file).stem)
        path = Path(f"{stem.strip('-') or arguments.format}-suite.yaml")
    else:
        path = Path(arguments.out)
        if path.suffix not in (".yaml", ".yml") or not re.fullmatch(r"[A-Za-z0-9_.-]+", path.stem):
            expected = "NAME.yaml, with letters, digits, _, . and - in the name"
            found = path.as_posix()
            raise InputError(Problem("--out cannot be used", found=found, expected=expected))
    suite = write_suite(imported, path, overwrite=arguments.force)
    checks = sum(len(turn.checks) for case in suite.cases for turn in case.turns)
    for heading, lines in imported.told:
        say(f"{heading}:")
        for line in lines[:SHOWN]:
            say(f"  {line}")
        if len(lines) > SHOWN:
            say(f"  and {len(lines) - SHOWN:,} more, in the head of {path.as_posix()}")
    if imported.counted:
        say(f"Carried over: {imported.counted}.")
    if imported.confirmed:
        say(imported.confirmed)
    held = f"{plural(len(suite.cases), 'case')}, {plural(checks, 'check')}"
    say(f"{path.as_posix()}: {suite.name}, {held}")
    if imported.answers:
        rows = path.with_name(f"{path.stem}-answers.jsonl").as_posix()
        answers = plural(len(imported.answers), "recorded answer")
        say(f"{rows}: {answers}; to judge them:")
        words = ("harness", "run", path.as_posix(), "--backend", "replay", "--responses", rows)
        say(f"  {shlex.join(words)}")
    if imported.pairs:
        rows = path.with_name(f"{path.stem}-pairs.jsonl").as_posix()
        say(f"{rows}: {plural(len(imported.pairs), 'pair')}; for a repair, in the suite:")
        name = Path(rows).name
        say(f"  fix: {{method: dpo, pairs: {{pools: [{name}]}}}}")
    return 0
