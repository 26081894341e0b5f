"""`harness rows`: training rows read, cleaned and guarded, without training anything."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.cli.parser import add_settings, count, new_command, say
from harness.cli.running import read_settings
from harness.common import InputError, Problem, whole_file
from harness.common.console import Terminal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.common import JsonValue
    from harness.training import TrainingRow
    from harness.training.cleaning import CountTokens


def add_commands(commands: Any) -> None:
    """Register the command."""
    rows = new_command(
        commands,
        "rows",
        "read training rows, clean them and hold them against suites",
        "rows pool.jsonl --clean --guard suites/",
        "rows alpaca.jsonl#500 chats.parquet --clean --out rows.jsonl",
        "rows pool.csv --clean --model M --max-tokens 2048 --report report.json",
    )
    rows.add_argument("files", nargs="+", metavar="FILE", help="FILE or FILE#COUNT (seeded draw)")
    rows.add_argument("--clean", action="store_true", help="drop what teaches something wrong")
    held = "leave out rows that hold a piece of a case of these suites"
    rows.add_argument("--guard", action="append", default=[], metavar="SUITES", help=held)
    rewords = "with --guard: a model that embeds texts, to find questions in other words"
    rows.add_argument("--guard-model", metavar="DIR", help=rewords)
    rows.add_argument("--system", metavar="TEXT", help="for rows without a system prompt")
    rows.add_argument("--seed", type=count, default=0, metavar="N", help="of draws (default: 0)")
    skip = "leave out rows that cannot be read, and list them, instead of stopping"
    rows.add_argument("--skip", action="store_true", help=skip)
    redact = "replace e-mail addresses and secrets (with --clean)"
    rows.add_argument("--redact", action="store_true", help=redact)
    languages = "codes such as en,de: drop answers in other languages (with --clean)"
    rows.add_argument("--languages", default="", metavar="CODES", help=languages)
    longest = "drop longer conversations (default: what --model takes; with --clean)"
    rows.add_argument("--max-tokens", type=count, metavar="N", help=longest)
    rows.add_argument("--model", metavar="M", help="the model whose template and tokens count")
    rows.add_argument("--out", metavar="FILE.jsonl", help="write the rows, as messages")
    rows.add_argument("--report", metavar="FILE.json", help="write what was dropped, and why")
    add_settings(rows, only=())
    rows.set_defaults(act=rows_command)


def rows_command(arguments: argparse.Namespace) -> int:
    """Read, clean, guard; print the reports, write the rows."""
    from harness.common import plural
    from harness.config import load_selected
    from harness.training.cleaning import CleaningSettings, clean, print_cleaning
    from harness.training.contamination import Guard, GuardSettings, print_guard
    from harness.training.rows import RowFile, parse_spec, read

    problems = []
    if arguments.max_tokens is not None and not arguments.model:
        problems.append(Problem("--max-tokens needs --model, whose tokens are counted"))
    for name in ("redact", "languages", "max_tokens", "model"):
        if getattr(arguments, name) and not arguments.clean:
            problems.append(Problem(f"--{name.replace('_', '-')} is part of cleaning: add --clean"))
    if arguments.guard_model and not arguments.guard:
        problems.append(Problem("--guard-model is part of the guard: add --guard SUITES"))
    if problems:
        raise InputError(*problems)
    specs = [parse_spec(file) for file in arguments.files]
    files = [RowFile(spec.path, spec.count, arguments.system) for spec in specs]
    reading = read(files, arguments.seed, skip=arguments.skip)
    for problem in reading.left_out:
        say(f"left out: {problem}")
    say(f"Read: {plural(len(reading.rows), 'row')} from {plural(len(files), 'file')}.")

    kept: Sequence[TrainingRow] = reading.rows
    reports: dict[str, JsonValue] = {}
    console = Terminal()
    if arguments.clean:
        longest: int | None = arguments.max_tokens
        count_tokens: CountTokens | None = None
        if arguments.model:
            from harness.backends import open_model
            from harness.prompts import load_tokenizer

            model = open_model(arguments.model)
            tokenizer = load_tokenizer(model.path)
            longest = longest or model.context_length

            def tokens_of(row: TrainingRow) -> int:
                ids = tokenizer.token_ids(
                    row.messages, add_generation_prompt=False, tools=row.tools
                )
                return len(ids)

            count_tokens = tokens_of
        languages = tuple(filter(None, arguments.languages.split(",")))
        asked = CleaningSettings(max_tokens=longest, languages=languages, redact=arguments.redact)
        cleaned = clean(kept, asked, count_tokens)
        print_cleaning(console, cleaned.report)
        kept, reports["cleaning"] = cleaned.rows, cleaned.report.as_json()
    if arguments.guard:
        settings = read_settings(arguments)
        folder = arguments.guard_model
        if folder is None and settings.guard_model is not None:
            folder = settings.path(settings.guard_model)
        held = GuardSettings(model=Path(folder) if folder else None)
        guarded = Guard(load_selected(arguments.guard, settings), held).check(kept)
        print_guard(console, guarded.report)
        kept, reports["guard"] = guarded.rows, guarded.report.as_json()

    if arguments.out:
        with whole_file(Path(arguments.out)) as file:
            file.writelines(json.dumps(r.as_json(), ensure_ascii=False) + "\n" for r in kept)
        say(f"{arguments.out}: {plural(len(kept), 'row')}")
    if arguments.report:
        with whole_file(Path(arguments.report)) as file:
            file.write(json.dumps(reports, indent=1) + "\n")
    return 0
