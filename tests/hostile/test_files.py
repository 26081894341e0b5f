"""Files that broke an earlier version, one by one: each is told in words, with its place.

`python -m tests.hostile.test_files` writes `messages.txt` anew; what changes in it is to be read.
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from harness.cli import main
from tests.embedded import ROOT

DATA = Path(__file__).parent / "data"
MESSAGES = Path(__file__).parent / "messages.txt"
SUITE = """\
suite: s
category: c
cases:
  - {id: c1, user: hi, checks: [{contains: x}]}
  - {id: c2, user: hi, checks: [{contains: x}]}
"""
MODEL = ROOT / "fixtures" / "model"
LOCAL = ["--backend=hf", "--device=cpu"]


def adapter() -> None:
    """Put a whole adapter into the folder."""
    shutil.copytree(ROOT / "fixtures" / "adapters" / "repaired", "adapter")


def tensors(change: dict[str, object] | bytes) -> None:
    """Give the first tensor of the adapter another entry, or the file another header."""
    adapter()
    path = Path("adapter/adapter_model.safetensors")
    whole = path.read_bytes()
    length = int.from_bytes(whole[:8], "little")
    header = json.loads(whole[8 : 8 + length])
    if isinstance(change, dict):
        name = next(name for name in header if name != "__metadata__")
        header[name] |= change
    text = change if isinstance(change, bytes) else json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + whole[8 + length :])


def commands(case: str) -> list[list[str]]:
    """Lay the project out, with the hostile file in its place; return what is run on it."""
    kind, _, name = case.partition("/")
    file = DATA / case
    Path("s.yaml").write_text(SUITE)
    match kind:
        case "suite":
            Path("data").mkdir()
            os.symlink("ln-loop.jsonl", "data/ln-loop.jsonl")
            with open("data/huge.jsonl", "wb") as sparse:
                sparse.truncate(3 * 2**30)
            shutil.copy(file, "x.yaml")
            return [["validate", "x.yaml"]]
        case "baseline":
            shutil.copy(file, "b.json")
            return [
                ["baseline", "show", "b.json"],
                ["run", "s.yaml", "--backend=echo", "--baseline=b.json"],
            ]
        case "answers":
            shutil.copy(file, "a.jsonl")
            return [["score", "s.yaml", "--responses=a.jsonl"]]
        case "made":
            target = "harness.toml" if name.endswith(".toml") else name
            Path(target).write_text(MADE[name])
            return [
                {
                    ".jsonl": ["score", "s.yaml", f"--responses={name}"],
                    ".yaml": ["validate", name],
                    ".json": ["rows", name],
                    ".toml": ["run", "s.yaml"],
                }[Path(name).suffix]
            ]
        case "results":
            with redirect_stdout(io.StringIO()):
                main(["run", "s.yaml", "--backend=echo", "--report-dir=reports"])
            os.rename(next(p for p in Path("reports").iterdir() if not p.is_symlink()), "report")
            shutil.copyfile(file, "report/results.jsonl")
            return [
                ["compare", "report:base", "report:base"],
                ["score", "s.yaml", "--responses=report/results.jsonl"],
            ]
        case "settings":
            shutil.copy(file, "harness.toml")
            return [["run", "s.yaml"]]
        case "night":
            Path("we.yaml").write_text(SUITE)
            Path("harness.toml").write_text('backend = "echo"\n')
            shutil.copy(file, "nightly.yaml")
            return [["nightly", "nightly.yaml"]]
        case "adapter":
            adapter()
            shutil.copyfile(file, "adapter/adapter_config.json")
        case "tensors":
            tensors(TENSORS[name])
        case _:  # a model's directory
            shutil.copytree(MODEL, "model")
            target = {
                "index": "model.safetensors.index.json",
                "config": "config.json",
                "template": "chat_template.jinja",
            }[kind]
            shutil.copyfile(file, Path("model") / target)
            return [["run", "s.yaml", "--model=model", *LOCAL]]
    return [["run", "s.yaml", f"--model={MODEL}", "--adapter=a=adapter", *LOCAL]]


TENSORS: dict[str, dict[str, object] | bytes] = {
    "dtype-list": {"dtype": ["F32"]},
    "shape-huge": {"shape": [10**18, 8]},
    "shape-negative": {"shape": [-1, 8]},
    "offsets-outside": {"data_offsets": [0, 10**15]},
    "deep": b"[" * 100_000,
    "no-object": b"7",
}
ONE = "suite: s\ncategory: c\ncases:\n"
# What would be large as a file.
MADE = {
    "deep.jsonl": '{"case": "c1", "response": ' + "[" * 100_000 + "]" * 100_000 + "}\n",
    "lists.jsonl": '{"case": "c1", "response": "x", "steps": [' + "[]," * 10_000_000 + "0]}\n",
    "keys.jsonl": '{"response": "x"' + "".join(f', "k{n}": 0' for n in range(100_000)) + "}\n",
    "keys.yaml": ONE + "  []\n" + "".join(f"k{n}: 1\n" for n in range(9_000)),
    "flood.yaml": ONE + "  []\n" + "".join(f"k{n}: 1\n" for n in range(20_000)),
    "flood.toml": "".join(f"k{n} = 1\n" for n in range(100_000)),
    "deep.yaml": ONE + "  " + "[" * 500 + "\n",
    "cases.yaml": ONE + "".join(f"  - {{id: a{n}, user: 3}}\n" for n in range(6_000)),
    "tag.yaml": "!" * 1_000_000,
    "id.yaml": ONE + "  - {id: " + "a/" * 5_000 + ", user: hi}\n",
    "place.yaml": ONE + '  - {id: a, user: hi, checks: [{json_value: {path: "$['
    + "9" * 5_000 + ']", equals: 1}}]}\n',
    "groups.yaml": ONE + "  - {id: a, user: hi, checks: [{regex: '"
    + "(" * 3_000 + ")" * 3_000 + "'}]}\n",
    "pointer.yaml": ONE + "  - {id: a, user: hi, checks: [{json_schema: {schema: "
    '{$ref: "#/title/x", title: t}}}]}\n',
    "harness.toml": 'backend = "echo"\nreport_dir = "a\\u0000b"\n',
}  # fmt: skip
CASES = sorted(
    [path.relative_to(DATA).as_posix() for path in DATA.rglob("*") if path.is_file()]
    + [f"tensors/{name}" for name in TENSORS]
    + [f"made/{name}" for name in MADE]
)


def told(case: str) -> Iterator[str]:
    """Run the commands on a file; yield what each said, and how it ended."""
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        for words in commands(case):
            errors, lines = io.StringIO(), io.StringIO()
            with redirect_stderr(errors), redirect_stdout(lines):
                code = main(words)
            said = errors.getvalue() if code in (2, 3) and errors.getvalue() else lines.getvalue()
            said = re.sub(r"\d{8}-\d{6}-[0-9a-f]{6}", "RUN", said.replace(str(ROOT), "ROOT"))
            said = re.sub(r"(known keys: |use one of ).*", r"\1...", said)  # others say which
            said = re.sub(r"\d+ \w{3} \d{4}, \d\d:\d\d UTC", "NOW", said)
            yield f"{words[0]}: exit code {code}\n{said.rstrip()}\n"


def known() -> dict[str, str]:
    """Return the messages of `messages.txt` by file."""
    parts = MESSAGES.read_text("utf-8").split("== ")[1:]
    return {head: rest.strip("\n") for head, _, rest in (part.partition("\n") for part in parts)}


@pytest.mark.parametrize("case", CASES)
def test_a_hostile_file_is_told_in_words(case: str) -> None:
    assert "\n".join(told(case)).strip("\n") == known()[case]


if __name__ == "__main__":
    with MESSAGES.open("w", encoding="utf-8") as file:
        for each in CASES:
            file.write(f"== {each}\n" + "\n".join(told(each)) + "\n")
            print(each, file=sys.stderr)
