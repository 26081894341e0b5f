"""`harness judge`: how far a judge agrees with people who labelled the same answers."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from harness.cli.parser import add_settings, at_least_one, new_command, say
from harness.cli.running import read_settings, typed_path
from harness.common.console import Terminal

ABOUT = """\
A label is one line of JSON, about an answer that is in the line, or about one of a run:
  {"prompt": "...", "answer": "...", "label": "good", "rater": "anna"}
  {"case": "refund-01", "variant": "new", "score": 4, "rater": "ben"}
  {"prompt": "...", "a": "...", "b": "...", "preferred": "A"}
  {"prompt": "...", "answer": "...", "label": "refuses"}
What is found goes into a file of the project (calibrations/), to be committed: runs state it, and
`min_agreement` of a check is held against it. All of it: docs/judges.md."""


def add_commands(commands: Any) -> None:
    """Register the command with its two acts."""
    judge = new_command(
        commands,
        "judge",
        "hold a judge against people, or show what was found",
        "judge calibrate labels.jsonl",
        "judge calibrate --run latest            labels of `harness review`",
        "judge show",
    )
    acts = judge.add_subparsers(dest="what", metavar="calibrate|show", required=True)
    calibrate = new_command(
        acts,
        "calibrate",
        "ask a judge what people were asked, and compare",
        "judge calibrate labels.jsonl",
        "judge calibrate labels.jsonl --rubric 'The tone' --repeats 3",
        "judge calibrate --run 20261121-1033",
        "judge calibrate --check refuses labels.jsonl",
        about=ABOUT,
    )
    calibrate.add_argument(
        "labels",
        nargs="?",
        metavar="LABELS.jsonl",
        help="labels of people (default: those of `harness review` in the store)",
    )
    calibrate.add_argument(
        "--run", default="", metavar="RUN", help="whose answers were labelled (default: latest)"
    )
    calibrate.add_argument(
        "--suite", action="append", default=[], metavar="FILE", help="the suites with the rubric"
    )
    calibrate.add_argument(
        "--check", choices=("judge", "prefer", "refuses"), help="(default: what the labels fit)"
    )
    calibrate.add_argument("--judge", metavar="NAME", help="of several judges (`default` too)")
    calibrate.add_argument(
        "--rubric", default="", metavar="TEXT", help="of several: its beginning; or a rubric"
    )
    calibrate.add_argument(
        "--pool", action="store_true", help="take several rubrics together, as one judge's"
    )
    calibrate.add_argument(
        "--grade", choices=("rating", "correct"), help="for a rubric that is in no suite"
    )
    calibrate.add_argument(
        "--min", type=int, choices=range(1, 6), metavar="N", help="the same: the rating that passes"
    )
    calibrate.add_argument(
        "--repeats", type=at_least_one, default=1, metavar="K", help="ask K times (default: 1)"
    )
    calibrate.add_argument("--out", metavar="FILE.json", help="(default: calibrations/...json)")
    add_settings(calibrate, only=("store", "time_limit", "device", "dtype", "trust_remote_code"))
    calibrate.set_defaults(act=calibrate_command)
    show = new_command(
        acts,
        "show",
        "print the calibrations of the project, or one of them",
        "judge show",
        "judge show calibrations/judge-default-1f3a9c02.json",
    )
    show.add_argument("file", nargs="?", metavar="FILE.json", help="(default: all of the project)")
    add_settings(show, only=())
    show.set_defaults(act=show_command)


def calibrate_command(arguments: argparse.Namespace) -> int:
    """Calibrate, print what was found, and say what it is good for."""
    from harness.evaluation import CalibrateOptions, calibrate, exit_code
    from harness.reports import Progress, print_calibration
    from harness.results import Verdict

    settings = read_settings(arguments)
    options = CalibrateOptions(
        labels=Path(arguments.labels) if arguments.labels else None,
        run=arguments.run,
        suites=tuple(arguments.suite),
        check=arguments.check,
        judge="" if arguments.judge == "default" else arguments.judge,
        rubric=arguments.rubric,
        grade=arguments.grade,
        minimum=arguments.min,
        pool=arguments.pool,
        repeats=arguments.repeats,
        out=typed_path(settings, arguments.out) if arguments.out else None,
    )
    with Progress(Terminal(stderr=True)) as observer:
        report = calibrate(settings, options, observer=observer)
    unknown = report.calibration.weakest.kappa.low is None
    arguments.decided = exit_code([Verdict.INCONCLUSIVE] if unknown else [])
    print_calibration(Terminal(), report.calibration, report.before)
    for note in report.notes:
        say(f"note: {note}")
    if report.calibration.identity.kind != "refuses":
        made, there = report.counts.generated, report.counts.cached
        say(f"{made} replies of the judge, {there} more from the store")
    if report.saved:
        say(f"saved: {report.path} (commit it: runs state it, and min_agreement reads it)")
    else:
        say(f"not saved: {report.path} stays, as the labels here are too few to take its place")
    return int(arguments.decided)


def show_command(arguments: argparse.Namespace) -> int:
    """Print calibrations again, without asking anybody."""
    from harness.gate import load_calibration, load_calibrations
    from harness.reports import print_calibration

    settings = read_settings(arguments)
    folder = settings.path(settings.calibrations)
    if arguments.file:
        found = {arguments.file: load_calibration(Path(arguments.file))}
    else:
        found = {str(folder / name): each for name, each in load_calibrations(folder).items()}
    if not found:
        say(f"no judge of this project was calibrated: {folder} holds no calibration")
    for number, (name, calibration) in enumerate(found.items()):
        if number:
            say()
        say(name)
        print_calibration(Terminal(), calibration)
    return 0
