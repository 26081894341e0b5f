"""Who is told: Markdown, and a webhook that never ends a night."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.nightly.conftest import ALL, WORSE, Sleep, changed


@dataclass
class Listener:
    """A web server on this machine that keeps what it is sent."""

    url: str = ""
    status: int = 200
    heard: list[dict[str, Any]] = field(default_factory=list)


@pytest.fixture
def listener() -> Iterator[Listener]:
    found = Listener()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found.heard.append(json.loads(body))
            self.send_response(found.status)
            if found.status == 302:
                self.send_header("Location", found.url)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        found.url = f"http://127.0.0.1:{server.server_port}/hook"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield found
        server.shutdown()
        thread.join()


def test_alerts_are_posted(sleep: Sleep, listener: Listener) -> None:
    changed(alerts=f"{{webhook: {{url: '{listener.url}'}}}}")
    sleep()
    assert listener.heard == []

    assert sleep(1, base=ALL, new=WORSE).posted == "webhook called: 200"
    (heard,) = listener.heard
    assert heard["headline"] == "production, 22 Nov 2026, 02:00 UTC: 2 alerts"
    assert [(a["rival"], a["variant"]) for a in heard["alerts"]] == [
        ("baseline", "new"),
        ("last night", "new"),
    ]
    assert heard["text"].startswith("## production, 22 Nov 2026")


def test_a_quiet_night_is_posted_where_it_is_asked_for(sleep: Sleep, listener: Listener) -> None:
    changed(alerts=f"{{webhook: {{url: '{listener.url}', always: true}}}}")
    sleep()

    assert listener.heard[0]["alerts"] == []


def test_a_webhook_that_fails_is_said(sleep: Sleep, listener: Listener) -> None:
    changed(alerts=f"{{webhook: {{url: '{listener.url}', always: true}}}}")
    listener.status = 500
    report = sleep()

    assert report.posted == "webhook failed: HTTP 500 Internal Server Error"
    assert report.exit_code == 0


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "http://[", "https://host:port/"])
def test_a_webhook_that_cannot_be_reached_is_said(sleep: Sleep, url: str) -> None:
    changed(alerts=f"{{webhook: {{url: '{url}', always: true, timeout: 2}}}}")

    assert sleep().posted.startswith("webhook failed: ")


def test_a_webhook_does_not_reach_for_credentials(sleep: Sleep) -> None:
    changed(alerts="{webhook: {url: 'http://169.254.169.254/latest', always: true}}")

    assert sleep().posted == (
        "webhook not called: 169.254.169.254 is an address of this link alone, where clouds keep "
        "credentials; alerts.webhook.link_local: true allows it"
    )


def test_a_proxy_that_cannot_be_used_is_said(sleep: Sleep, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "::::")
    monkeypatch.setenv("no_proxy", "")
    changed(alerts="{webhook: {url: 'http://127.0.0.1:9/', always: true}}")

    said = "webhook failed: the proxy that the environment names cannot be used: Invalid port: "
    assert sleep().posted.startswith(said)


def test_a_webhook_is_not_followed_elsewhere(sleep: Sleep, listener: Listener) -> None:
    changed(alerts=f"{{webhook: {{url: '{listener.url}', always: true}}}}")
    listener.status = 302

    assert sleep().posted == "webhook failed: HTTP 302: redirects are not followed"
    assert len(listener.heard) == 1


def test_the_address_may_stand_in_the_environment(
    sleep: Sleep, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed(alerts="{webhook: {url_env: NIGHT_HOOK, always: true}}")
    assert sleep().posted == "webhook not called: NIGHT_HOOK holds no web address"

    monkeypatch.setenv("NIGHT_HOOK", listener.url)
    assert sleep(1).posted == "webhook called: 200"


def test_the_summary_says_alerts_first(sleep: Sleep) -> None:
    changed(alerts="{markdown: out/alert.md}")
    sleep()
    report = sleep(1, base=ALL, new=WORSE)
    text = Path("out/alert.md").read_text()

    assert text == report.markdown.read_text()
    lines = text.splitlines()
    assert lines[0] == "## production, 22 Nov 2026, 02:00 UTC: 2 alerts"
    assert lines[2].startswith(
        "- **✗ regressed** new in colours against baseline: 12 of 12 → 5 of 12 cases pass"
    )
    assert lines[3] == "  Got worse: `c00`, `c01`, `c02`, `c03` and 3 more"
    assert "| colours | new | 41.7 % | last night | −58.3 | ✗ regressed |" in lines


def test_what_did_not_clearly_change_is_no_pass(sleep: Sleep) -> None:
    """It is below its bar in both nights: beside the night before that is neither good nor bad."""
    sleep(0, base=ALL, new=WORSE)
    lines = sleep(1, base=ALL, new="-" + WORSE[:-1]).markdown.read_text().splitlines()

    assert "| colours | new | 33.3 % | baseline | −66.7 | ✗ regressed |" in lines
    assert "| colours | new | 33.3 % | last night | −8.3 | · no clear change |" in lines
    assert "| colours | base | 100.0 % | last night | 0.0 | · no clear change |" in lines


def test_what_clearly_got_better_is_said(sleep: Sleep) -> None:
    sleep(0, base=ALL, new=WORSE)
    report = sleep(1, base=ALL, new=ALL)

    lines = report.markdown.read_text().splitlines()
    assert "| colours | new | 100.0 % | last night | +58.3 | ▲ got better |" in lines
    text = report.page.read_text()
    assert text.count('<span class="against none">last night') == 1  # base: no colour
    assert text.count('<span class="against pass">last night') == 1


def test_other_rules(sleep: Sleep) -> None:
    changed(alerts="{on: [error]}")
    sleep()

    assert sleep(1, base=ALL, new=WORSE).exit_code == 0
