"""`harness view`: the store in a browser."""

from __future__ import annotations

import argparse
import sys
import webbrowser
from typing import Any

from harness.cli.parser import INTERRUPTED, OTHER_CODES, add_settings, new_command, say
from harness.cli.running import named_run, read_settings

PORT = 8765


def add_commands(commands: Any) -> None:
    """Register the command."""
    view = new_command(
        commands,
        "view",
        "look at runs, cases, trends and comparisons in a browser",
        "view",
        "view latest --open",
        "view 20261121-1033 --port 0",
        about="Serves this machine alone, and only who has the token in the printed address. "
        "Reads while runs go on, and writes nothing into the store.\n\nExit code 0: none; "
        "it goes on until Ctrl-C, which is 130.",
        codes=OTHER_CODES,
    )
    view.add_argument("run", nargs="?", metavar="RUN", help="begin at this run: id, or latest")
    view.add_argument(
        "--port",
        type=port_number,
        default=PORT,
        metavar="N",
        help=f"port on this machine; 0 takes a free one (default: {PORT})",
    )
    view.add_argument("--open", action="store_true", help="open the browser, too")
    add_settings(view, only=("store", "report_dir"))
    view.set_defaults(act=view_command)


def port_number(text: str) -> int:
    """Read the number of a port; argparse reports anything else."""
    if not text.isascii() or not text.isdigit() or len(text) > 5 or int(text) > 65_535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: a number from 0 to 65535")
    return int(text)


def view_command(arguments: argparse.Namespace) -> int:
    """Serve until Ctrl-C, which is how it ends."""
    from harness.store import existing_store
    from harness.viewer import NAVIGATION, LocalServer, view_routes

    settings = read_settings(arguments)
    place = settings.path(settings.store)
    with existing_store(place, read_only=True) as store:
        run = named_run(store, arguments.run).id if arguments.run else ""
    with LocalServer(view_routes(settings), port=arguments.port, navigation=NAVIGATION) as server:
        address = server.link(f"/run/{run}" if run else "/")
        say(f"{address}\n\nWhoever has this address can read the store. Ctrl-C ends the server.")
        sys.stdout.flush()  # a pipe would hold it back until the end
        if arguments.open:
            webbrowser.open(address)
        try:
            server.run()
        except KeyboardInterrupt:
            say("stopped")
    return INTERRUPTED
