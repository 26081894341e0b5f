"""Chat templates of others: each is a prompt or an input error, whatever it tries.

The process that renders them has limits of its own, so that a template which breaks out kills it.
"""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from harness.common import InputError, Message
from harness.prompts import load_tokenizer
from tests.backends.tiny import save_tokenizer
from tests.embedded import ROOT

DATA = Path(__file__).parent / "data" / "hostile"
TALK = (Message("system", "Be brief."), Message("user", "Hi there, tell me."))
MEMORY, SECONDS = 500 * 2**20, 10  # above what the process has; of the processor, for one template
# Too large to be kept as data: files that are slow to read rather than to render.
LARGE = (
    "{{ x }}" * 28_000,
    "{% if x %}{% endif %}" * 9_500,
    "{% set x = 1 %}" * 13_000,
    "{# " + "x" * 190_000,
    "{{ '" + "x" * 190_000,
    "x" * 200_001,
    "{%" * 99_999,
    "{{" * 99_999,
    "{" * 199_999,
    "{% for a in b %}" * 12_000,
    "{{ x }}" * 14_000,
    "{% set x = 1 %}" * 6_600,
)


def templates(*, large: bool) -> list[str]:
    """All of them, or but for the large ones."""
    kept = [json.loads(line) for line in (DATA / "templates.jsonl").read_text().splitlines()]
    return [(DATA / "bomb.jinja").read_text(), *kept, *(LARGE if large else ())]


def render_all(folder: Path, *, large: bool) -> None:
    """Print what becomes of each; run by the test in a process of its own."""
    file, cache = folder / "own.jinja", folder / "cache"
    load_tokenizer(folder / "model", cache_dir=cache)
    used = int(Path("/proc/self/statm").read_text().split()[5]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_DATA, (used + MEMORY, used + MEMORY))
    for template in templates(large=large):
        file.write_text(template, encoding="utf-8")
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        try:
            tokenizer = load_tokenizer(folder / "model", chat_template=file, cache_dir=cache)
            said = f"{len(tokenizer.token_ids(TALK))} tokens"
        except InputError as error:
            said = f"refused: {error.problems[0].message}"
        print(json.dumps([said, template[:100]]), flush=True)


@pytest.mark.skipif(sys.platform != "linux", reason="limits of a process as Linux has them")
@pytest.mark.parametrize("large", [False, pytest.param(True, marks=pytest.mark.full)])
def test_every_hostile_template_is_a_prompt_or_an_input_error(large: bool, tmp_path: Path) -> None:
    save_tokenizer(tmp_path / "model")
    load_tokenizer(tmp_path / "model", cache_dir=tmp_path / "cache")

    done = subprocess.run(
        [
            *(sys.executable, "-m", "tests.prompts.test_hostile_templates", str(tmp_path)),
            *(["large"] if large else []),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )

    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, (found[-1:], done.returncode, done.stderr[-1000:])
    assert len(found) == len(templates(large=large)) > 230
    said = {template: outcome for outcome, template in found}
    for template, outcome in said.items():
        assert outcome.endswith(" tokens") or outcome.startswith("refused: "), template
        assert "MemoryError" not in outcome, template
    assert said["{{ messages | groupby('role') | list }}"].endswith(" tokens")
    assert said[(DATA / "bomb.jinja").read_text()[:100]].startswith("refused: ")


if __name__ == "__main__":
    render_all(Path(sys.argv[1]), large="large" in sys.argv)
