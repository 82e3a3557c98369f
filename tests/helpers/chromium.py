"""Chromium, in which tests open pages; what the pages request and log."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

PROGRAMS = ("chromium-headless-shell", "chromium", "google-chrome")
"""The first that is installed is used. The others also draw windows around each page, although
they are not visible: half of the time of the tests."""


@contextmanager
def launch() -> Iterator[Any]:
    """Start Chromium without a window; skip the test if something for it is not installed."""
    sync_api = pytest.importorskip("playwright.sync_api")
    executable = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if executable is None:
        pytest.skip("needs Chromium")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        yield browser
        browser.close()


def record(page: Any, messages: list[str], requests: list[str]) -> None:
    """Append what a page logs, its errors, and the URLs that it requests, to two lists."""
    page.on("console", lambda message: messages.append(message.text))
    page.on("pageerror", lambda error: messages.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
