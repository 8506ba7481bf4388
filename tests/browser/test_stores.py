"""The app over other stores, and as it is started."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from browser.harness import (
    ROOT,
    App,
    fits,
    free_port,
    launched,
    page_of,
    press,
    served,
    serving,
    settled,
    shot,
    turn_to,
    words,
)  # fmt: skip


def test_an_empty_store_offers_a_demonstration_that_is_marked_throughout(
    browser: Browser, tmp_path: Path
) -> None:
    with serving(tmp_path / "none", tmp_path / "cache") as url:
        page = page_of(App(url, browser), "Pick", width=390)
        assert "No results yet" in words(page)
        assert f"grid sweep --store {tmp_path / 'none'}" in words(page)
        press(page, "Open the published tables")
        expect(page.get_by_text("Third-party figures:")).to_be_visible()
        assert fits(page)
        shot(page, "demonstration-390-light")
        page.context.close()


@pytest.mark.parametrize("title", ["Pick", "Trade-offs", "Quality loss"])
def test_a_store_of_one_row(browser: Browser, tmp_path: Path, title: str) -> None:
    with serving(ROOT / "tests" / "data" / "results-v1", tmp_path / "cache") as url:
        page = page_of(App(url, browser), title)
        assert "tiny" in words(page) or "No quality" in words(page)
        page.context.close()


def test_streamlit_runs_the_checkout_without_options(
    browser: Browser, swept: Path, tmp_path: Path
) -> None:
    port = free_port()
    command = [
        sys.executable, "-m", "streamlit", "run", "app.py", f"--server.port={port}",
        "--server.address=127.0.0.1", "--server.headless=true",
        "--browser.gatherUsageStats=false", "--server.fileWatcherType=none",
    ]  # fmt: skip
    environment = {**os.environ, "QUANTGRID_STORE": str(swept)}
    with served(command, port, environment) as url:
        app = App(url, browser)
        page = page_of(app, "Pick")
        assert "Run this" in words(page)
        settled(turn_to(page, app, "Speed and memory"))
        page.context.close()


def test_a_taken_port_is_one_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = subprocess.run(
            [sys.executable, "-m", "grid", "app", "--port", port, "--no-browser"],
            cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert f"port {port}" in done.stderr
    assert "--port" in done.stderr


def test_on_a_new_machine_nothing_is_asked_before_the_page_is_served(tmp_path: Path) -> None:
    """Streamlit's first start would wait in the terminal for an e-mail address."""
    port = free_port()
    command = [sys.executable, "-m", "grid", "app", "--store", str(tmp_path), "--port", str(port)]
    environment = {**os.environ, "HOME": str(tmp_path), "BROWSER": "true"}
    with launched(command, port, environment) as (_, server):
        assert server.poll() is None
