"""`--help` of every command: what it does, an example, and what its exit codes mean."""

from __future__ import annotations

import pytest

from harness.cli import COMMANDS, main
from harness.cli.parser import EXIT_CODES, new_parser

INNER = (
    "baseline save",
    "baseline show",
    "engine down",
    "engine status",
    "engine up",
    "import ifeval",
    "import jsonl",
    "import xstest",
)


def commands() -> list[str]:
    _, choices = new_parser()
    for family in COMMANDS:
        family.add_commands(choices)
    return sorted(choices.choices)


@pytest.mark.parametrize("command", [*commands(), *INNER])
def test_every_command_is_explained(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([*command.split(), "--help"])

    usage, description, *rest = capsys.readouterr().out.split("\n\n")
    assert usage.startswith(f"usage: harness {command} ")
    assert description.endswith(".") and len(description.split()) > 2
    examples = next(part for part in rest if part.startswith("examples:\n"))
    assert f"\n  harness {command}" in examples
    assert "\n\n".join(rest).endswith(EXIT_CODES)
