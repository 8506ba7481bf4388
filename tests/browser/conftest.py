"""One browser, one small real sweep and one served app for all tests of the folder."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from browser.harness import CHROMIUM, FLAGS, App, serving

SWEEP = """
name = "pages"
quants = ["F16", "Q8_0", "Q4_K_M", "Q2_K"]
[[models]]
source = "ref:*"
[speed]
prompt = [64]
generate = [16]
depth = [0, 128]
repetitions = 3
[latency]
prompt = 32
generate = 8
repetitions = 3
[memory]
context = 512
[quality]
context = 256
chunks = 2
[tasks]
items = 40
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Without a browser they say what is missing."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.browser)
            if not CHROMIUM.exists():
                item.add_marker(pytest.mark.skip(reason=f"needs {CHROMIUM}"))


@pytest.fixture(scope="session")
def browser() -> Iterator[object]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=str(CHROMIUM), args=list(FLAGS))
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store of a real sweep over the bundled family; $QUANTGRID_BROWSER_STORE spares it."""
    store = os.environ.get("QUANTGRID_BROWSER_STORE")
    if store:
        return Path(store)
    folder = tmp_path_factory.mktemp("swept")
    (folder / "pages.toml").write_text(SWEEP)
    done = subprocess.run(
        [sys.executable, "-m", "grid", "sweep", "pages.toml", "--store", "rows", "--here"],
        cwd=folder,
        env={**os.environ, "QUANTGRID_CACHE": str(folder / "cache")},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder / "rows"


@pytest.fixture(scope="session")
def app(swept: Path, browser: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The app over that store."""
    from playwright.sync_api import Browser

    assert isinstance(browser, Browser)
    with serving(swept, tmp_path_factory.mktemp("cache")) as url:
        yield App(url, browser)
