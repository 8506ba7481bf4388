"""A store with KLD and no tasks: trade-offs and the pick rank by closeness to 16 bits."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from advice_cases import add_ladder, write_store
from analysis_cases import Rows
from playwright.sync_api import Browser, expect

from browser.harness import App, fits, page_of, serving, shot, traces, unfold, words


@pytest.fixture(scope="module")
def app(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    store = tmp_path_factory.mktemp("ladder") / "store"
    rows = Rows()
    add_ladder(rows)
    write_store(rows, store)
    with serving(store) as url:
        yield App(url, browser)


@pytest.mark.parametrize("width", [1280, 390])
def test_the_trade_offs_have_16_bits_at_their_top(app: App, width: int) -> None:
    page = page_of(app, "Trade-offs", width)
    assert "4 of 4 variants are not beaten in closeness to 16 bits against size" in words(page)
    assert "No tasks were run on base" in words(page)
    line = next(t for t in traces(page, "frontier_artifact_bytes") if t["name"] == "frontier")
    assert len(line["y"]) == 4
    assert line["y"] == sorted(line["y"], reverse=True)
    assert fits(page)
    shot(page, f"kld-trade-offs-{width}")
    page.context.close()


@pytest.mark.parametrize("width", [1280, 390])
def test_the_pick_says_that_tasks_are_missing(app: App, width: int) -> None:
    page = page_of(app, "Pick", width)
    expect(page.locator(".st-key-pick_card .answer h2")).to_have_text("base Q8_0")
    unfold(page, "Why this one")
    assert "task scores of base were not measured" in words(page)
    assert fits(page)
    shot(page, f"kld-pick-{width}")
    page.context.close()
