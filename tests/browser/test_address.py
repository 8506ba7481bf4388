"""The address keeps what is chosen: over a reload, a change of page, and in a link."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from browser.harness import App, press, rerun, select, settled, words
from browser.pick_page import CARD, card_and_panel, opened


def test_what_is_chosen_outlives_a_reload_and_goes_with_the_link(app: App) -> None:
    page = opened(app, "laptop", "?memory=8+GiB&context=1k")
    press(page, "speed")
    select(page, "Figures of", "large Q2_K")
    select(page, "Models", "large")
    page.keyboard.press("Escape")
    rerun(page)
    chosen = card_and_panel(page)
    assert "Fits 8 GiB at 1k" in words(page)
    address = page.url
    page.reload()
    assert card_and_panel(settled(page)) == chosen
    page.get_by_role("button", name="Share").click()
    link = page.locator("[data-testid=stPopoverBody] code").inner_text()
    assert sorted(link.partition("?")[2].split("&")) == sorted(address.partition("?")[2].split("&"))
    second = app.browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
    second.goto(link)
    assert card_and_panel(settled(second)) == chosen
    second.context.close()
    page.context.close()


def test_a_change_of_page_keeps_what_is_chosen(app: App) -> None:
    page = opened(app, "laptop", "?memory=8+GiB&model=small")
    page.get_by_role("link", name="Trade-offs").click()
    expect(page.get_by_role("heading", level=1, name="Best trade-offs")).to_be_visible()
    rerun(page)
    assert "model=small" in page.url
    page.get_by_role("link", name="Pick", exact=True).click()
    expect(page.locator(f"{CARD} .answer h2")).to_contain_text("small")
    rerun(page)
    assert "Fits 8 GiB" in words(page)
    page.context.close()


@pytest.mark.parametrize(
    ("old", "title"),
    [("frontier", "Best trade-offs"), ("bang", "Best trade-offs"), ("advise", "What to run on")],
)
def test_old_addresses_lead_to_the_new_pages(app: App, old: str, title: str) -> None:
    page = opened(app, "laptop", old)
    expect(page.get_by_role("heading", level=1)).to_contain_text(title)
    page.context.close()


def test_values_that_do_not_fit_are_left_out_in_one_sentence(app: App) -> None:
    page = opened(app, "laptop", "?memory=much&x=up&variant=%3Cimg%20src%3Dx%3E&model=nobody")
    alert = page.get_by_test_id("stAlert")
    expect(alert).to_have_count(1)
    for value in ("memory=much", "x=up", "variant=<img src=x>", "model=nobody"):
        expect(alert).to_contain_text(value)
    assert page.url.partition("?")[2] == ""
    select(page, "Memory", "8 GiB")
    expect(alert).to_have_count(0)
    page.context.close()
