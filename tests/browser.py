"""A real headless Chromium for tests, that keeps an account of what a page asked for and complained about."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page, sync_playwright

from tests.programs import program

Scheme = Literal["light", "dark"]
WIDE, PHONE = (1440, 900), (390, 844)


@dataclass
class Looked:
    """An open page.

    Args:
        hosts: every host that it asked for something.
        complaints: errors on its console, and exceptions that nobody caught.
    """

    page: Page
    hosts: set[str] = field(default_factory=set)
    complaints: list[str] = field(default_factory=list)

    def text(self, selector: str) -> str:
        """The visible text of the first element that fits."""
        return self.page.locator(selector).first.inner_text()

    def shows(self, text: str) -> None:
        """Wait until the text is there to be seen.

        Raises:
            AssertionError: it does not come.
        """
        self.page.get_by_text(text).first.wait_for(state="visible", timeout=15_000)

    def overflow(self) -> int:
        """By how many pixels the page is wider than its window."""
        return int(self.page.evaluate("document.documentElement.scrollWidth - window.innerWidth"))


@contextmanager
def chromium() -> Iterator[Browser]:
    """A running browser, without a sandbox, for CI runs as root in a container. Skips the test where there is none."""
    executable = program("chromium", "chromium")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def look(
    browser: Browser, address: str, size: tuple[int, int] = WIDE, scheme: Scheme = "light", script: str | None = None
) -> Iterator[Looked]:
    """Open a page in a window of its own.

    Args:
        script: runs before anything of the page does.
    """
    context = browser.new_context(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme)
    try:
        looked = Looked(context.new_page())
        if script is not None:
            looked.page.add_init_script(script)
        looked.page.on("request", lambda request: looked.hosts.add(urlsplit(request.url).netloc))
        looked.page.on("console", lambda said: looked.complaints.append(said.text) if said.type == "error" else None)
        looked.page.on("pageerror", lambda error: looked.complaints.append(str(error)))
        looked.page.goto(address)
        yield looked
    finally:
        context.close()
