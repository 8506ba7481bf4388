"""A store with KLD and no tasks: the frontier and the advice rank by closeness to 16 bits."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from advice_cases import add_ladder, write_store
from analysis_cases import Rows
from playwright.sync_api import Browser

from browser.harness import App, fits, page_of, serving, shot, traces, words


@pytest.fixture(scope="module")
def app(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    store = tmp_path_factory.mktemp("ladder") / "store"
    rows = Rows()
    add_ladder(rows)
    write_store(rows, store)
    with serving(store) as url:
        yield App(url, browser)


@pytest.mark.parametrize("width", [1280, 390])
def test_the_frontier_has_16_bits_at_its_top(app: App, width: int) -> None:
    page = page_of(app, "Frontier", width)
    assert "nothing beats these 4 of 4 in closeness to 16 bits against size" in words(page)
    assert "No tasks were run on base" in words(page)
    line = next(t for t in traces(page, "frontier_artifact_bytes") if t["name"] == "frontier")
    assert line["y"] == pytest.approx([0.4, 0.055, 0.004, 0.004 / 3])
    assert fits(page)
    shot(page, f"kld-frontier-{width}")


@pytest.mark.parametrize("width", [1280, 390])
def test_advice_says_that_tasks_are_missing(app: App, width: int) -> None:
    page = page_of(app, "Advise", width)
    assert "Run base Q8_0 in llamacpp" in words(page)
    assert "task scores of base were not measured" in words(page)
    assert fits(page)
    shot(page, f"kld-advise-{width}")
