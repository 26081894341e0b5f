"""`harness export`: the results of a run as files that other tools read."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from harness.cli.parser import add_settings, count, new_command, say
from harness.cli.running import named_run, read_settings, typed_path


def add_commands(commands: Any) -> None:
    """Register the command."""
    export = new_command(
        commands,
        "export",
        "write the results of a run as Parquet, CSV or JSON lines",
        "export latest --to parquet --shards 8",
        "export 20261121-1033 --to csv --into tables/",
    )
    export.add_argument("run", nargs="?", default="latest", metavar="RUN", help="id, or latest")
    export.add_argument("--to", required=True, metavar="TARGET", help="parquet, csv or jsonl")
    export.add_argument(
        "--shards", type=count, default=1, metavar="N", help="files; a case is in one (default: 1)"
    )
    export.add_argument("--into", metavar="DIR", help="a new folder (default: exports/RUN)")
    add_settings(export, only=("store",))
    export.set_defaults(act=export_command)


def export_command(arguments: argparse.Namespace) -> int:
    """Write the files and say where they are."""
    from harness.common import plural
    from harness.reports import export_results
    from harness.store import existing_store

    settings = read_settings(arguments)
    with existing_store(settings.path(settings.store)) as store:
        run = named_run(store, arguments.run).id
        place = Path("exports") / run
        place = typed_path(settings, arguments.into) if arguments.into else settings.path(place)
        results = store.results(run)
        done = export_results(run, results, place, arguments.to, arguments.shards)
    say(f"{done.directory}: {plural(done.rows, 'row')} in {plural(len(done.files), 'file')}")
    return 0
