"""Cases on a terminal: what was asked, what each variant answered, and why that passed or not."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from harness.common import encodable
from harness.reports.html.cases import asked
from harness.results import Outcome, Result

LONGEST = 4_000  # characters of one text: a haystack would fill a hundred screens
STANDING = {
    Outcome.PASS: ("✓ pass", "green"),
    Outcome.FAIL: ("✗ fail", "red"),
    Outcome.ERROR: ("! error", "magenta"),
    Outcome.SKIPPED: ("· skipped", "dim"),
}


def print_case(
    console: Console, results: Sequence[Result], *, worse: Collection[str] = (), full: bool = False
) -> None:
    """Print one case: `results` are those of its variants and repeats, at least one.

    `worse` names the variants for which it got worse. Texts are cut to `LONGEST` unless `full`.
    """

    def line(*parts: tuple[str, str], indent: int = 0) -> None:
        encoding = console.encoding
        texts = [Text(encodable(text, encoding), style=style) for text, style in parts]
        if console.soft_wrap:  # a pipe: whole lines
            console.print(Text(" " * indent).append_text(Text.assemble(*texts)))
        else:
            console.print(Padding(Text.assemble(*texts), (0, 0, 0, indent), expand=False))

    def block(text: str, style: str = "") -> None:
        if len(text) > LONGEST and not full:
            left = f"[… {len(text) - LONGEST:,} characters more: --full prints them …]"
            text = f"{text[:LONGEST]}\n{left}"
        for row in text.splitlines() or ["(empty)"]:
            line((row, style), indent=4)

    first = results[0]
    tags = f"  [{', '.join(first.tags)}]" if first.tags else ""
    line((f"{first.suite}/{first.case}", "bold"), (tags, "dim"))
    prompts: list[tuple[str, str]] = []
    several = max(result.repeat for result in results) > 0
    for result in results:
        if (turns := asked(result)) != prompts:  # one prompt for all variants, as a rule
            prompts = turns
            for role, content in turns:
                line((role, "cyan"), indent=2)
                block(content)
        word, colour = STANDING[result.outcome]
        repeat = f", try {result.repeat + 1}" if several else ""
        mark = "  ▼ got worse" if result.variant in worse else ""
        line(
            (f"{result.variant}{repeat}", "bold"),
            (f"  {word}", colour),
            (f"  score {result.score:.2f}" if 0 < result.score < 1 else "", "dim"),
            (mark, "red"),
            indent=2,
        )
        for number, answer in enumerate(result.said):
            if len(result.said) > 1:
                line((f"answer to turn {number + 1}", "cyan"), indent=4)
            thought = result.thought[number] if number < len(result.thought) else ""
            if thought:
                line(("reasoning", "cyan"), indent=4)
                block(thought, "dim")
                line(("answer", "cyan"), indent=4)
            block(answer)
        if not result.said:
            line(("no answer", "dim"), indent=4)
        missed = [check for check in result.checks if check.passed is not True]
        for check in missed:
            turn = f"turn {check.turn + 1}, " if len(result.said) > 1 else ""
            line((f"{turn}{check.title}: ", "bold"), (check.reason, ""), indent=4)
        if result.reason and not any(check.reason in result.reason for check in missed):
            line((f"why: {result.reason}", ""), indent=4)
    console.print()
