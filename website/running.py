"""Run the command blocks of pages: `python -m website.running PAGE ...`.

A page is read from the top. Its places are made when they are first named, and its commands run
there one after another, as a reader would type them; what a page shows of their output is held
against what they print. `--show` prints all output, to be put into a page.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from website.blocks import ROOT, Block, blocks_of

LIMIT = 3600.0  # seconds for one command
# What differs from run to run, and is not held against the page.
_CHANGES = (
    (re.compile(r"\d{8}-\d{6}-[0-9a-f]{6}"), "RUN"),
    (re.compile(r"fix-[0-9a-f]{8}-[0-9a-f]{8}"), "FIX"),
    (re.compile(r"\b\d+(\.\d+)? ?(s|ms|min)\b( \d+ s)?"), "TIME"),
    (re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d)?"), "DATE"),
    (re.compile(r"={3,}"), "==="),
    (re.compile(r" \(\d+:\d\d:\d\d\)"), ""),
)


class EchoServer:
    """A server with an OpenAI-compatible API on loopback, which says what it was asked."""

    def __init__(self) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.reply(
                    {"object": "list", "data": [{"id": "NAME"}, {"id": "NAME-OF-THE-ADAPTER"}]}
                )

            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                text = asked["messages"][-1]["content"] if "messages" in asked else "yes"
                choice = {
                    "index": 0,
                    "message": {"role": "assistant", "content": text},
                    "finish_reason": "stop",
                }
                usage = {"prompt_tokens": 7, "completion_tokens": 3}
                self.reply({"object": "chat.completion", "choices": [choice], "usage": usage})

            def reply(self, body: object) -> None:
                data = json.dumps(body).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.listener.serve_forever, daemon=True)
        self.thread.start()

    def close(self) -> None:
        """Stop, and give the port back."""
        self.listener.shutdown()
        self.thread.join()
        self.listener.server_close()


def copied_repository(folder: Path) -> Path:
    """Copy the files of this repository that git knows, and lend it this environment."""
    home = folder / "harness"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, check=True,
    )  # fmt: skip
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (home / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, home / name)
    (home / ".venv").mkdir()
    environment = Path(sys.executable).parents[1]
    for name in ("bin", "lib", "pyvenv.cfg"):
        (home / ".venv" / name).symlink_to(environment / name)
    for stamp in ("gate", "test"):
        (home / ".venv" / f"{stamp}.stamp").touch()
    return home


@contextmanager
def place(name: str, folder: Path) -> Iterator[tuple[Path, dict[str, str]]]:
    """Make a place: the folder in which commands run, and what is put in the place of texts.

    `repository` is a copy of this one; `empty` an empty folder; `recorded` a project whose answers
    are recorded; `server` a copy of this repository beside a server on this machine.
    """
    if name == "empty":
        yield folder, {}
    elif name == "recorded":
        shutil.copytree(ROOT / "website" / "recorded", folder, dirs_exist_ok=True)
        yield folder, {}
    elif name == "repository":
        yield copied_repository(folder), {}
    elif name == "server":
        server = EchoServer()
        try:
            address = f"localhost:{server.listener.server_port}"
            yield copied_repository(folder), {"localhost:8000": address}
        finally:
            server.close()
    else:
        raise ValueError(f"no place is called {name!r}")


def same(shown: Sequence[str], printed: Sequence[str]) -> bool:
    """Return whether what is shown was printed; a line of three dots stands for anything.

    Words count and not lines: a terminal folds lines that a pipe leaves whole.
    """
    parts: list[list[str]] = [[]]
    for line in shown:
        if line.strip() == "...":
            parts.append([])
        else:
            parts[-1].append(line)
    texts, left = [plain(part) for part in parts], plain(printed)
    if len(texts) == 1:
        return texts[0] == left
    if not left.startswith(texts[0]) or not left.endswith(texts[-1]):
        return False
    left = left[len(texts[0]) : len(left) - len(texts[-1])]
    for text in texts[1:-1]:
        _, found, left = left.partition(text) if text else ("", "", left)
        if text and not found:
            return False
    return True


def plain(lines: Sequence[str]) -> str:
    """Return the words of some lines, without what differs from run to run."""
    text = "\n".join(lines)
    for pattern, word in _CHANGES:
        text = pattern.sub(word, text)
    return " ".join(text.split())


def run_page(page: Path, *, show: bool = False) -> list[str]:
    """Run all blocks of a page that are to be run; return what is wrong, by page and line."""
    wrong: list[str] = []
    with ExitStack() as stack:
        places: dict[str, tuple[Path, dict[str, str]]] = {}
        before: dict[str, list[str]] = {}
        for block in blocks_of(page):
            if not block.holds_commands or block.not_run:
                continue
            if block.place not in places:
                folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="page-")))
                places[block.place] = stack.enter_context(place(block.place, folder))
            wrong += run_block(
                block, *places[block.place], before.setdefault(block.place, []), show
            )
    return wrong


def run_block(
    block: Block, folder: Path, instead: dict[str, str], before: list[str], show: bool
) -> Iterator[str]:
    """Run the commands of a block; yield what is wrong. `before` are earlier `cd` and `export`."""
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "COLUMNS": "80",
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1"),
        "PYTHONPATH": str(ROOT),
    }
    for command in block.commands():
        text = command.text
        for old, new in instead.items():
            text = text.replace(old, new)
        script = "\n".join([*before, text])
        if text.split(" ")[0] in ("cd", "export"):
            before.append(text)
        done = subprocess.run(
            ["bash", "-c", script], cwd=folder, env=environment, text=True, timeout=LIMIT,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        if show:
            print(f"$ {text}\n{done.stdout}[{done.returncode}]", flush=True)
        if done.returncode != command.exit_code:
            yield (
                f"{block.where}: `{command.text}` ended with {done.returncode}, and not with "
                f"{command.exit_code}\n{done.stdout}"
            )
        elif command.shown is not None and not same(command.shown, done.stdout.splitlines()):
            yield f"{block.where}: `{command.text}` printed something else:\n{done.stdout}"


def main(words: Sequence[str]) -> int:
    """Run the named pages; return 1 where something is wrong."""
    parser = argparse.ArgumentParser(prog="python -m website.running")
    parser.add_argument("pages", nargs="+", metavar="PAGE", type=Path)
    parser.add_argument("--show", action="store_true", help="print all that the commands print")
    arguments = parser.parse_args(words)
    wrong = [
        each for page in arguments.pages for each in run_page(page.resolve(), show=arguments.show)
    ]
    print("\n".join(wrong) if wrong else "all commands ran, and printed what the pages show")
    return int(bool(wrong))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
