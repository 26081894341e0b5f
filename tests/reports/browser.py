"""A real headless browser on a report, or a reason why there is none."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
DRIVER = shutil.which("chromedriver")
MISSING = "needs chromium and chromedriver (Debian: apt-get install chromium chromium-driver)"
FLAGS = (
    "--headless",
    "--no-sandbox",  # containers seldom allow the sandbox; the pages are our own
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


class Browser:
    """One window of chromium, with what it asked for and complained about."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def open(self, page: Path | str, fragment: str = "") -> None:
        """Open a page, from the disk or by its address, and wait until its script has run."""
        self.driver.get("about:blank")
        self.complaints()
        self.requests()
        self.driver.get((page if isinstance(page, str) else page.as_uri()) + fragment)
        self.wait("document.documentElement.dataset.ready === 'true'")

    def run(self, script: str, *arguments: object) -> Any:
        """The value of a script's `return`."""
        return self.driver.execute_script(script, *arguments)

    def wait(self, condition: str, seconds: float = 20.0) -> None:
        """Wait until a JavaScript expression holds."""
        from selenium.webdriver.support.wait import WebDriverWait

        WebDriverWait(self.driver, seconds, 0.02).until(lambda _: self.run(f"return {condition}"))

    def all(self, selector: str) -> list[Any]:
        """The elements that a CSS selector finds."""
        return list(self.driver.find_elements("css selector", selector))

    def one(self, selector: str) -> Any:
        """The first element that a CSS selector finds."""
        return self.driver.find_element("css selector", selector)

    def texts(self, selector: str) -> list[str]:
        """The visible texts of the elements."""
        return [element.text for element in self.all(selector)]

    def press(self, *keys: str) -> None:
        """Press keys, wherever the focus is."""
        from selenium.webdriver.common.action_chains import ActionChains

        ActionChains(self.driver).send_keys(*keys).perform()

    def choose(self, control: str, value: str) -> None:
        """Choose an option of one of the filters, as a user does."""
        from selenium.webdriver.support.select import Select

        Select(self.one(f"#filter-{control}")).select_by_value(value)

    def search(self, text: str) -> None:
        """Type into the search field and wait for the list."""
        before = self.one("#count").text
        self.one("#filter-text").send_keys(text)
        self.wait(f"document.getElementById('count').textContent !== {json.dumps(before)}")

    def size(self, width: int, height: int) -> None:
        """Another size of the window, down to a phone's."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def media(self, **features: str) -> None:
        """Media features, as `prefers_color_scheme="dark"`."""
        rows = [{"name": n.replace("_", "-"), "value": value} for n, value in features.items()]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": rows})

    def complaints(self) -> list[str]:
        """What the console has said since the last call; breaches of the policy are among it."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def requests(self) -> list[str]:
        """The addresses asked for since the last call."""
        events = [
            json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")
        ]
        return [
            event["params"]["request"]["url"]
            for event in events
            if event["method"] == "Network.requestWillBeSent"
        ]


@contextmanager
def browser(profile: Path) -> Iterator[Browser]:
    """A browser with a fresh profile; raises where it is installed and does not start."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM or ""
    for flag in (*FLAGS, f"--user-data-dir={profile}", "--window-size=1280,950"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    try:
        yield Browser(driver)
    finally:
        driver.quit()
