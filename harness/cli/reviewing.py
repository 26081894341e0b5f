"""`harness review`: people judge the answers of a run, in a browser or in a file."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from harness.cli.parser import add_settings, at_least_one, count, new_command, say
from harness.cli.running import read_settings, tell, typed_path
from harness.common import InputError, Problem
from harness.common.console import Terminal

PORT = 8765


def add_commands(commands: Any) -> None:
    """Register the command."""
    review = new_command(
        commands,
        "review",
        "people judge answers of a run, blind",
        "review                                what the newest run left uncertain, in a browser",
        "review latest --rater ann --sample 50 --seed 7",
        "review 20261121-1033 --by scores --suite support --criterion 'solves the problem'",
        "review latest --rater ann --export ann.jsonl",
        "review latest --import ann.jsonl",
        about="Answers are shown without the names of their variants, on sides that are drawn for\n"
        "each item and rater: two to be compared, or one to be scored from 1 to 5. What is\n"
        "pressed is saved in the store at once; Ctrl-C ends it, and the scorecard is made again.",
    )
    review.add_argument("run", nargs="?", default="latest", metavar="RUN", help="id, or latest")
    review.add_argument("--rater", default="", metavar="NAME", help="who judges; the page asks")
    review.add_argument(
        "--by",
        choices=("scores", "pairs"),
        help="each answer from 1 to 5, or two side by side (default: pairs, if there are variants)",
    )
    for name, metavar, text in (
        ("--suite", "NAME", "only this suite"),
        ("--case", "ID", "only this case, or those like 'refund-*'"),
        ("--variant", "NAME", "only answers of this variant"),
        ("--criterion", "TEXT", "what a score is about (default: the rubrics of the suite)"),
    ):
        review.add_argument(name, action="append", default=[], metavar=metavar, help=text)
    review.add_argument(
        "--sample",
        type=at_least_one,
        metavar="N",
        help="so many cases at random (default: those that the statistics call uncertain)",
    )
    review.add_argument(
        "--seed", type=count, default=0, metavar="S", help="of what is drawn (default: 0)"
    )
    review.add_argument(
        "--port", type=count, default=PORT, metavar="N", help=f"0: any (default: {PORT})"
    )
    files = review.add_mutually_exclusive_group()
    files.add_argument("--export", metavar="FILE", help="write JSONL to be filled in elsewhere")
    files.add_argument("--import", dest="filled", metavar="FILE", help="read it again")
    add_settings(review, only=("store", "report_dir"))
    review.set_defaults(act=review_command)


def review_command(arguments: argparse.Namespace) -> int:
    """Judge, or write or read a file; the exit code is the verdict's that the run has then."""
    from harness.common import plural
    from harness.evaluation import reopen
    from harness.reports import print_summary, view_command
    from harness.review import (
        Review,
        ReviewOptions,
        check_rater,
        open_review,
        read_review,
        write_review,
    )
    from harness.store import existing_store

    settings = read_settings(arguments)
    rater = check_rater(arguments.rater) if arguments.rater else ""
    if not all(text.strip() for text in arguments.criterion):
        raise InputError(Problem("a criterion is empty", hint="--criterion 'solves the problem'"))
    options = ReviewOptions(
        by=arguments.by,
        suites=tuple(arguments.suite),
        cases=tuple(arguments.case),
        variants=tuple(arguments.variant),
        criteria=tuple(text.strip() for text in arguments.criterion),
        sample=arguments.sample,
        seed=arguments.seed,
    )
    place = settings.path(settings.store)
    with existing_store(place) as store:
        opened = open_review(settings, store, arguments.run)
        for note in opened.notes:
            say(f"note: {note}", file=sys.stderr)
        items = () if arguments.filled else opened.plan(options)
        if arguments.filled:
            path = Path(typed_path(settings, arguments.filled))
            done = read_review(settings.path(path), store, opened.results, rater)
            say(
                f"{path}: {plural(done.added, 'judgement')} of {done.rater} added, {done.known} "
                f"known already, {plural(done.empty, 'item')} left empty"
            )
        elif arguments.export:
            path = Path(typed_path(settings, arguments.export))
            written = write_review(
                settings.path(path), opened.info.id, items, store, rater, options.seed
            )
            say(f"{path}: {plural(written, 'item')} to judge")
            return 0
    if items:
        from harness.review.server import review_server

        review = Review(place, items, options.seed)
        with review_server(review, opened.info.id, rater, arguments.port) as server:
            try:
                say(
                    f"{plural(len(items), 'item')} of run {opened.info.id} to judge; Ctrl-C ends it"
                )
                say(server.link())
                sys.stdout.flush()
                server.run()
            except KeyboardInterrupt:
                say()
    report = reopen(settings, opened.info.id)
    arguments.decided = report.exit_code
    view = view_command(settings, report.info.id)
    print_summary(Terminal(), report.scorecard, report.paths, view=view)
    return tell(report.exit_code, report.gate.verdict)
