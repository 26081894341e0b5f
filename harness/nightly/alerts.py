"""Who is told what: by the exit code, in Markdown, by a webhook. Telling never ends a night."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import httpx

from harness.common import (
    InputError,
    joined,
    make_folder,
    moment,
    percent,
    plural,
    points,
    whole_file,
)
from harness.common.web import LinkLocalError, ReplyTooLarge, one_reply, reason_of
from harness.evaluation import exit_code
from harness.nightly.config import Alerts, Webhook
from harness.nightly.ranking import matrices_to_markdown
from harness.nightly.values import Night, NightFinding, night_to_json
from harness.reports import because, escaped, label
from harness.results import Verdict

MOST_CASES = 5
WEBHOOK_REPLY = 2**20  # bytes; what it says is not read


def alerts_of(night: Night, rules: Alerts) -> tuple[NightFinding, ...]:
    """Return the findings that are told, the most severe first."""
    order = list(Verdict)
    found = [finding for finding in night.findings if finding.verdict in rules.on]
    return tuple(sorted(found, key=lambda f: order.index(f.verdict or Verdict.PASS)))


def exit_code_of(night: Night, alerts: Iterable[NightFinding]) -> int:
    """Return 0 when nothing is told; else the exit code of what is told and of what failed."""
    told = (finding.verdict for finding in alerts if finding.verdict)
    return exit_code(told, broken=bool(night.failures))


def write_alerts(
    path: Path,
    extra: Path | None,
    night: Night,
    alerts: Sequence[NightFinding],
    notes: Sequence[str],
) -> Path:
    """Write the summary, and once more to `extra`; returns the first path."""
    text = to_markdown(night, alerts, notes)
    for target in filter(None, (path, extra)):
        make_folder(target.parent)
        with whole_file(target) as file:
            file.write(text)
    return path


def headline(night: Night, alerts: Sequence[NightFinding]) -> str:
    """Tell the night in one line."""
    return f"{night.series}, {moment(night.started)}: {'; '.join(told_of(night, alerts))}"


def told_of(night: Night, alerts: Sequence[NightFinding]) -> tuple[str, ...]:
    """Tell what a night is about: how many alerts, and what got better."""
    count = len(alerts) + len(night.failures)
    told = [plural(count, "alert") if count else "no alert"]
    gains = dict.fromkeys(f"{gain.variant} in {gain.suite}" for gain in night.gains)
    return (*told, *([f"better: {joined(list(gains))}"] if gains else []))


def to_markdown(night: Night, alerts: Sequence[NightFinding], notes: Sequence[str]) -> str:
    """Write alerts, then rates, then the variants with each other, then what was not compared."""
    parts = [f"## {escaped(headline(night, alerts))}\n"]
    told = [f"- **failed** {escaped(failure)}\n" for failure in night.failures]
    for finding in alerts:
        where = f"{escaped(finding.variant)} in {escaped(finding.suite)}"
        why = f"against {finding.rival.value}: {escaped(because(finding.reasons))}"
        told.append(f"- **{label(finding.verdict)}** {where} {why}\n")
        if finding.worse:
            cases = joined([f"`{case}`" for case in finding.worse], MOST_CASES)
            told.append(f"  Got worse: {cases}\n")
        told.append(f"  `{finding.command}`\n")
    if told:
        parts.append("".join(told))
    table = "| suite | variant | rate | against | change | verdict |\n|---|---|--:|---|--:|---|\n"
    for finding in night.findings:
        rate = night.rate(finding.suite, finding.variant)
        cells = (
            escaped(finding.suite),
            escaped(finding.variant),
            percent(rate.pass_rate if rate else None),
            finding.rival.value,
            points(finding.delta),
            finding.word,
        )
        table += "| " + " | ".join(cells) + " |\n"
    parts.append(table)
    parts += filter(None, [matrices_to_markdown(night)])
    if notes:
        parts.append("".join(f"- note: {escaped(note)}\n" for note in notes))
    return "\n".join(parts)


def post(
    webhook: Webhook | None, night: Night, alerts: Sequence[NightFinding], notes: Sequence[str]
) -> str:
    """Post the alerts as JSON; says what became of it, and raises nothing.

    `text` is what chat programs show; the rest is for programs.
    """
    if webhook is None or not (alerts or night.failures or webhook.always):
        return ""
    url = webhook.address()
    if not url:
        return f"webhook not called: {webhook.url_env} holds no web address"
    row = night_to_json(night)
    told = {(f.rival, f.suite, f.variant) for f in alerts}
    payload = {
        "text": to_markdown(night, alerts, notes),
        "headline": headline(night, alerts),
        "series": night.series,
        "night": night.id,
        "alerts": [
            finding
            for finding, plain in zip(row["findings"], night.findings, strict=True)
            if (plain.rival, plain.suite, plain.variant) in told
        ],
        "failures": row["failures"],
    }
    headers = {"Content-Type": "application/json", "User-Agent": "harness"}
    try:
        body = json.dumps(payload).encode()
        answer = one_reply(
            "POST",
            url,
            webhook.timeout,
            limit=WEBHOOK_REPLY,
            link_local=webhook.link_local,
            content=body,
            headers=headers,
        )
    except LinkLocalError as error:
        return (
            f"webhook not called: {error.address} is an address of this link alone, where clouds "
            "keep credentials; alerts.webhook.link_local: true allows it"
        )
    except ReplyTooLarge:
        return "webhook called: its reply was too long, and was not read"
    except InputError as error:  # of the proxy in the environment
        return f"webhook failed: {error.problems[0].message}: {error.problems[0].found}"
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
        slow = f"no answer within {webhook.timeout:g} s"
        late = isinstance(error, httpx.TimeoutException)
        return f"webhook failed: {slow if late else reason_of(error)}"
    if answer.is_redirect:
        return f"webhook failed: HTTP {answer.status_code}: redirects are not followed"
    if not answer.is_success:
        return f"webhook failed: HTTP {answer.status_code} {answer.reason_phrase}"
    return f"webhook called: {answer.status_code}"
