"""Every page at two sizes, in two themes, over five stores: readable, whole, and with words."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from page_stores import write_kld_ladder, write_long_names
from playwright.sync_api import Browser, Page

from browser.axe import Unreachable, axe_source, violations
from browser.harness import App, fits, page_of, serving, shot, turn_to
from browser.layout import chart_problems, resize, text_problems
from grid.app.navigation import PAGES

SIZES = ((1280, 800), (390, 844))
"""Of a laptop's window and of a phone's, px."""

SPOILED = """<div data-testid=stApp style="background-color: rgb(255, 255, 255)">
  <p style="width: 40px; overflow: hidden; white-space: nowrap">a long cropped text</p>
  <p style="color: #999; font-size: 14px">pale</p>
  <div class=st-key-chart><div data-testid=stPlotlyChart style="width: 200px; height: 100px">
    <svg class=main-svg width=200 height=100 style="overflow: visible">
      <text x=10 y=20>first</text><text x=20 y=22>second</text><text x=190 y=80>outside</text>
      <text x=10 y=60 fill=#cccccc>faint</text>
    </svg></div></div></div>"""
"""A page with each fault that is looked for."""


def write_imported(folder: Path) -> Path:
    """The published tables of others."""
    command = [sys.executable, "-m", "grid", "import", "--published", "--store", str(folder)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    return folder


STORES: dict[str, Callable[[Path], Path] | None] = {
    "bundled": None,
    "kld-only": lambda folder: write_kld_ladder(folder / "store"),
    "imported": lambda folder: write_imported(folder / "store"),
    "empty": lambda folder: folder / "none",
    "long-names": lambda folder: write_long_names(folder / "store"),
}


@pytest.fixture(scope="module", params=list(STORES))
def app(
    request: pytest.FixtureRequest, browser: Browser, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[App]:
    """The app over each store in turn."""
    folder = tmp_path_factory.mktemp(request.param)
    write = STORES[request.param]
    store = write(folder) if write else request.getfixturevalue("swept")
    with serving(store, folder / "cache") as url:
        yield App(url, browser)


@pytest.fixture(scope="session")
def checker() -> str:
    """axe-core's source; empty where it cannot be fetched."""
    try:
        return axe_source()
    except Unreachable:
        return ""


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_page_is_readable_and_whole(app: App, dark: bool, checker: str) -> None:
    page = page_of(app, PAGES[0].title, SIZES[0][0], dark)
    hosts: set[str] = set()
    page.on("request", lambda sent: hosts.add(sent.url.partition("://")[2].split("/")[0]))
    problems = []
    for entry in PAGES:
        turn_to(page, app, entry.title)
        for width, height in SIZES:
            resize(page, width, height)
            problems += [f"{entry.title}, {width} px: {p}" for p in problems_of(page, checker)]
            shot(page, f"{entry.path}-{width}-{'dark' if dark else 'light'}")
    page.context.close()
    assert not problems, "\n".join(problems)
    assert hosts <= {app.url.split("/")[2], ""}, "a page loads from elsewhere"
    if not checker:
        pytest.skip("layout is right; axe-core was not run, for npm's registry is out of reach")


def problems_of(page: Page, checker: str) -> Iterator[str]:
    """What is wrong with a page as it stands."""
    if not fits(page):
        yield "scrolls sideways"
    yield from chart_problems(page)
    yield from text_problems(page)
    if checker:
        yield from violations(page, checker)


def test_faults_are_seen(browser: Browser, checker: str) -> None:
    page = browser.new_page()
    page.set_content(SPOILED)
    charts, texts = chart_problems(page), text_problems(page)
    for fault in (
        "st-key-chart: no text alternative: ''",
        "st-key-chart: 'first' overlaps 'second'",
        "st-key-chart: 'outside' is cropped",
    ):
        assert fault in charts
    assert any("'faint' has a contrast of 1.6" in fault for fault in charts)
    assert texts == ["'a long cropped text' is cropped"]
    if checker:
        rules = {violation.partition(":")[0] for violation in violations(page, checker)}
        assert {"color-contrast", "page-has-heading-one", "html-has-lang"} <= rules
    page.close()
