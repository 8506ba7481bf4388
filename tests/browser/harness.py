"""A real app behind a real Chromium: `with serving(store) as url`, `page_of(app, "Frontier")`.

Everything is bounded in time, on loopback, and ended by the process that was started.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, expect

ROOT = Path(__file__).parents[2]
CHROMIUM = Path("/usr/bin/chromium")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
START_S, WAIT_MS = 60.0, 30_000

IDLE = '[data-testid="stApp"][data-test-script-state="notRunning"]'
BROKEN = '[data-testid="stException"]'


@dataclass(frozen=True)
class App:
    """A served app, and the browser that opens its pages."""

    url: str
    browser: Browser


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(store: Path | str, cache: Path | str | None = None) -> Iterator[str]:
    """`grid app` over a store, until the block ends; gives its address."""
    port = free_port()
    environment = {**os.environ} if cache is None else {**os.environ, "QUANTGRID_CACHE": str(cache)}
    command = [
        sys.executable, "-m", "grid", "app", "--store", str(store), "--port", str(port),
        "--no-browser",
    ]  # fmt: skip
    with served(command, port, environment) as url:
        yield url


@contextmanager
def served(command: list[str], port: int, environment: dict[str, str]) -> Iterator[str]:
    """A command that serves at a port, until the block ends; gives its address."""
    with launched(command, port, environment) as (url, _):
        yield url


@contextmanager
def launched(
    command: list[str], port: int, environment: dict[str, str]
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """The same, with its process."""
    server = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        url = f"http://127.0.0.1:{port}"
        wait_for(url, server)
        yield url, server
    finally:
        server.terminate()
        try:
            server.wait(timeout=10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def wait_for(url: str, server: subprocess.Popen[bytes], limit_s: float = START_S) -> None:
    """Return when the server answers. Raises RuntimeError with its output if it ended instead."""
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        if server.poll() is not None:
            output = server.stdout.read().decode() if server.stdout else ""
            raise RuntimeError(f"the app ended with {server.returncode}: {output}")
        try:
            with urllib.request.urlopen(f"{url}/_stcore/health", timeout=2):
                return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"the app did not answer within {limit_s:g} s")


def page_of(app: App, title: str, width: int = 1280, dark: bool = False) -> Page:
    """A page by its name in the navigation, drawn to the end, without an exception box."""
    context = app.browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme="dark" if dark else "light",
        reduced_motion="reduce",
    )
    context.set_default_timeout(WAIT_MS)
    return turn_to(context.new_page(), app, title)


def turn_to(page: Page, app: App, title: str) -> Page:
    """The same window at another page, by its address: a new session."""
    page.goto(f"{app.url}/{path_of(title)}")
    settled(page)
    assert page.get_by_role("dialog").count() == 0, f"there is no page {title!r}"
    return page


def path_of(title: str) -> str:
    """The first page is at the root; the others at their path."""
    from grid.app.navigation import PAGES

    paths = {page.title: "" if i == 0 else page.path for i, page in enumerate(PAGES)}
    return paths[title]


def settled(page: Page) -> Page:
    """Wait until the script ran to its end and charts are drawn; no exception box may be there."""
    page.wait_for_selector(
        '[data-testid="stMainBlockContainer"] :is(h1, h2), [data-testid="stAlert"]'
    )
    page.wait_for_selector(IDLE)
    page.wait_for_function(
        "() => [...document.querySelectorAll('[data-testid=stSkeleton]')]"
        ".every(box => !box.checkVisibility())"
        " && [...document.querySelectorAll('[data-testid=stPlotlyChart]')]"
        ".filter(box => box.checkVisibility())"
        ".every(box => box.querySelector('.js-plotly-plot .main-svg'))"
    )
    assert broken(page) == []
    return page


def broken(page: Page) -> list[str]:
    """The texts of exception boxes."""
    return list(page.locator(BROKEN).all_inner_texts())


def words(page: Page) -> str:
    """All that the main part says, blanks made single."""
    text = page.locator('[data-testid="stMainBlockContainer"]').inner_text()
    return re.sub(r"\s+", " ", text)


def select(page: Page, label: str, option: str) -> None:
    """Choose in a box as a user does: click, then click the option."""
    box = page.get_by_role("combobox", name=label)
    box.click()
    box.fill(option)
    page.get_by_role("option", name=option, exact=True).first.click()
    rerun(page)


def press(page: Page, name: str) -> None:
    """Click a button or a segment by its text."""
    button = page.get_by_role("button", name=name, exact=True)
    button.or_(page.get_by_role("radio", name=name, exact=True)).first.click()
    rerun(page)


def rerun(page: Page) -> None:
    """Wait until what a click began has ended."""
    page.wait_for_timeout(150)  # the run's start reaches the page by a message
    settled(page)


def unfold(page: Page, name: str) -> None:
    """Open an expander, and wait for what is drawn when it is open."""
    page.locator("summary", has_text=name).first.click()
    expect(page.locator("details[open] summary", has_text=name).first).to_be_visible()
    rerun(page)


def traces(page: Page, key: str) -> list[dict[str, Any]]:
    """The data of a chart as the browser has it, by the key of its widget."""
    charts = page.evaluate(
        """key => {
            const plot = document.querySelector('.st-key-' + key + ' .js-plotly-plot');
            return plot.data.map(trace => ({
                name: trace.name, mode: trace.mode, type: trace.type,
                x: trace.x && [...trace.x], y: trace.y && [...trace.y],
                z: trace.z && [...trace.z].map(row => [...row]),
                customdata: trace.customdata && [...trace.customdata],
                text: trace.text, hovertext: trace.hovertext,
            }));
        }""",
        key,
    )
    return list(charts)


def click_point(page: Page, key: str, trace: int, point: int) -> None:
    """Click a chart's point where it is drawn."""
    plot = page.locator(f".st-key-{key} .js-plotly-plot")
    plot.scroll_into_view_if_needed()
    x, y = plot.evaluate(
        """(plot, [trace, point]) => {
            const layout = plot._fullLayout, data = plot.data[trace];
            const box = plot.getBoundingClientRect();
            return [box.x + layout.xaxis._offset + layout.xaxis.d2p(data.x[point]),
                    box.y + layout.yaxis._offset + layout.yaxis.d2p(data.y[point])];
        }""",
        [trace, point],
    )
    page.mouse.move(x - 3, y - 3)
    page.mouse.move(x, y)
    page.wait_for_timeout(200)  # plotly settles on the nearest point before a click counts
    page.mouse.click(x, y)
    rerun(page)


def rows_of(page: Page, key: str) -> list[list[str]]:
    """The cells of a table that are in view, first its head."""
    grid = page.locator(f".st-key-{key} canvas[data-testid=data-grid-canvas]")
    grid.scroll_into_view_if_needed()
    grid.locator("td").first.wait_for(state="attached")
    return list(
        grid.evaluate(
            "grid => [...grid.querySelectorAll('tr')]"
            ".map(row => [...row.children].map(cell => cell.textContent))"
        )
    )


def fits(page: Page) -> bool:
    """Nothing scrolls sideways."""
    return bool(
        page.evaluate(
            """() => {
                const main = document.querySelector('[data-testid=stMain]');
                return main.scrollWidth <= main.clientWidth
                    && document.documentElement.scrollWidth <= window.innerWidth;
            }"""
        )
    )


def shot(page: Page, name: str) -> None:
    """A picture of the whole page in $QUANTGRID_SCREENSHOTS, where that is set."""
    folder = os.environ.get("QUANTGRID_SCREENSHOTS")
    if not folder:
        return
    Path(folder).mkdir(parents=True, exist_ok=True)
    size = page.viewport_size or {"width": 1280, "height": 900}
    tall = page.evaluate("document.querySelector('[data-testid=stMain]').scrollHeight")
    page.set_viewport_size({"width": size["width"], "height": min(6000, max(900, tall + 10))})
    page.wait_for_timeout(500)
    page.screenshot(path=Path(folder) / f"{name}.png")
    page.set_viewport_size(size)
