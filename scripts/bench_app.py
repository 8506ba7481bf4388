"""How long the explorer keeps a reader waiting, over a store of a million metric rows.

    uv run python scripts/bench_app.py [STORE] [--classes 40] [--artifacts 500]

Without a STORE it makes one (see bench_store.py) in a temporary folder. It starts `grid app`, opens
headless Chromium on it, and times what a reader sees, from the click until the page stands still:
the first page in a fresh server that has derived nothing of the store yet, in a fresh server that
has, in another browser (which has none of the app's code yet) and in the same one, another hardware
class, and on every page opening it, a filter set and taken off; then the peak of resident memory of
the server and all its children. Limits: 4 s for the first page of a store that was not read before,
2 s for a first page, 0.5 s for a filter, another class or another page, 1 GB. Beside the seconds by
the clock stand those of processors in server and browser: on a machine with other work they are to
be compared.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from browser.harness import (
    CHROMIUM,
    FLAGS,
    App,
    free_port,
    launched,
    page_of,
    settled,
    turn_to,
)  # fmt: skip
from playwright.sync_api import Page, sync_playwright

from grid.results.derived_folder import FOLDER

COLD_S, PAGE_S, FILTER_S, MEMORY = 4.0, 2.0, 0.5, 1e9
FIRST = "Pick"
PAGES = ("Trade-offs", "Speed and memory", "Quality loss", "Compare", "Runs")
UNFILTERED = ("Runs",)
UNDEBUGGED = "--js-flags=--no-enable-lazy-source-positions"
"""Playwright drives the browser as its debugger does, for which V8 parses Plotly's code once more
for each exception that is thrown while it loads, 0.7 s in all; without a debugger it does not."""

WATCH = """() => {
    const app = document.querySelector('[data-testid=stApp]');
    const note = () => {
        window.bench.state = app.getAttribute('data-test-script-state');
        window.bench.ran = true;  // a short run's two changes come as one
    };
    window.bench = {begin: performance.now(), ran: false, state: ''};
    addEventListener('click', () => { window.bench.begin = performance.now(); }, true);
    new MutationObserver(note).observe(app, {attributes: true});
}"""


@dataclass
class Server:
    """A served app's process and those it started."""

    pid: int
    late: list[str] = field(default_factory=list)

    def peak_bytes(self) -> int:
        """Peaks of resident memory, summed over the processes that are there."""
        lines = (
            line for process in tree(self.pid) for line in read(process / "status").splitlines()
        )
        return sum(1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM"))

    def processor_s(self) -> float:
        return processor_s(self.pid)

    def timed(self, name: str, limit: float | None, act: Callable[[], float | None]) -> None:
        """Print what a step took: by the clock (or as the step itself says), of processors in the
        server, and in the browser."""
        start, busy, own_s = time.perf_counter(), self.processor_s(), processor_s(os.getpid())
        result = act()
        spent = time.perf_counter() - start if result is None else result
        served, drawn = self.processor_s() - busy, processor_s(os.getpid()) - own_s
        late = limit is not None and spent > limit
        self.late += [name] * late
        mark = "  TOO MUCH" if late else ""
        print(f"{spent:7.2f} {served:7.2f} {drawn - served:7.2f}  {name}{mark}", flush=True)


def tree(pid: int) -> Iterator[Path]:
    """A process and those it started, in /proc."""
    waiting = [pid]
    while waiting:
        pid = waiting.pop()
        yield Path(f"/proc/{pid}")
        for tasks in Path(f"/proc/{pid}/task").glob("*/children"):
            waiting += [int(child) for child in read(tasks).split()]


def read(file: Path) -> str:
    """Nothing of a process that has just ended."""
    try:
        return file.read_text()
    except OSError:
        return ""


def processor_s(pid: int) -> float:
    """Seconds of processors of a process and those it started, as far as they run still."""
    stats = [read(process / "stat").rpartition(")")[2].split() for process in tree(pid)]
    return sum(int(f[11]) + int(f[12]) for f in stats if f) / os.sysconf("SC_CLK_TCK")


def changed(page: Page, act: Callable[[], None]) -> float:
    """Seconds from the last click of an act until the page that it changed stands still."""
    page.evaluate(WATCH)
    act()
    page.set_default_timeout(120_000)
    page.wait_for_function("() => window.bench.ran && window.bench.state === 'notRunning'")
    settled(page)
    return float(page.evaluate("(performance.now() - window.bench.begin) / 1000"))


def opened(page: Page, title: str) -> float:
    link = page.locator('[data-testid="stTopNavLink"]', has_text=title)
    return changed(page, lambda: link.click())


def chosen(page: Page, label: str, at: int) -> float:
    """The option `at` in a box of the bar."""
    page.locator(".st-key-bar").get_by_role("combobox", name=label, exact=True).click()
    option = page.get_by_role("option").nth(at)
    option.wait_for()
    spent = changed(page, lambda: option.click())
    page.keyboard.press("Escape")
    return spent


def cleared(page: Page, label: str) -> float:
    box = page.locator('[data-testid="stMultiSelect"]', has_text=label)
    return changed(page, lambda: box.get_by_role("button", name="Clear all").click())


def walk(server: Server, app: App, first: str) -> None:
    """The steps of a reader, in order; `first` names the first of them."""
    windows: list[Page] = []

    def window() -> None:
        windows.append(page_of(app, FIRST))

    server.timed(first, COLD_S, window)
    server.timed("warm: another browser", PAGE_S, window)
    page = windows[0]
    second = page.context.new_page()

    def anew() -> None:
        turn_to(second, app, FIRST)

    server.timed("warm: the same browser", PAGE_S, anew)
    second.close()
    server.timed("another class", FILTER_S, lambda: chosen(page, "Hardware", 1))
    server.timed("back to the first", FILTER_S, lambda: chosen(page, "Hardware", 0))
    _filters(server, page, FIRST, 0)
    for i, title in enumerate(PAGES, start=1):
        server.timed(f"{title}: open", FILTER_S, partial(opened, page, title))
        if title not in UNFILTERED:
            _filters(server, page, title, i)
    for page in windows:
        page.context.close()


def _filters(server: Server, page: Page, title: str, at: int) -> None:
    """Each page with another choice, so that none is there from the page before."""
    name = f"{title}: a model"
    server.timed(name, FILTER_S, partial(chosen, page, "Models", 1 + at))  # 0 chooses all
    server.timed(f"{name}, off", FILTER_S, partial(cleared, page, "Models"))


@contextmanager
def open_store(address: str | None, classes: int, artifacts: int) -> Iterator[Path]:
    if address:
        yield Path(address)
        return
    from bench_store import make

    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder, "rows"), classes, artifacts)
        yield Path(folder, "rows")


def main() -> None:
    parser = argparse.ArgumentParser(description="time the explorer in a browser")
    parser.add_argument("store", nargs="?")
    parser.add_argument("--classes", type=int, default=40)
    parser.add_argument("--artifacts", type=int, default=500)
    args = parser.parse_args()
    with open_store(args.store, args.classes, args.artifacts) as rows:
        shutil.rmtree(rows / FOLDER, ignore_errors=True)
        late = measure(rows, "cold: nothing is derived yet")
        late += measure(rows, "cold: a fresh server")
    sys.exit(1 if late else 0)


def measure(rows: Path, first: str) -> list[str]:
    """Names of the steps beyond their limit."""
    port = free_port()
    command = [
        sys.executable, "-m", "grid", "app", "--store", str(rows.resolve()), "--port", str(port),
        "--no-browser",
    ]  # fmt: skip
    start = time.perf_counter()
    environment = dict(os.environ)
    with launched(command, port, environment) as (url, process), sync_playwright() as playwright:
        print("  clock  server browser, s")
        print(f"{time.perf_counter() - start:7.2f}                  the server answers")
        browser = playwright.chromium.launch(
            executable_path=str(CHROMIUM), args=[*FLAGS, UNDEBUGGED]
        )
        server = Server(process.pid)
        walk(server, App(url, browser), first)
        browser.close()
        peak = server.peak_bytes()
    print(
        f"{peak / 1e6:7.0f} MB               peak resident{'  TOO MUCH' if peak > MEMORY else ''}"
    )
    return server.late + ["memory"] * (peak > MEMORY)


if __name__ == "__main__":
    main()
