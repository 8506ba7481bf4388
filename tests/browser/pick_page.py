"""The page Pick as a reader finds it: where its answers stand."""

from __future__ import annotations

from playwright.sync_api import Locator, Page

from browser.harness import App, settled, traces

SIZES = {"laptop": (1280, 800, 800), "phone": (390, 844, 2 * 844)}
"""Width and height of the window, and down to where an answer may stand: the first screen, on a
phone one scroll further."""

CARD = ".st-key-pick_card"
CHART = "pick_trade_off"


def figure(page: Page, title: str) -> Locator:
    """A figure of the pick's card, by its title."""
    return page.locator(f"{CARD} .answer dl > div").filter(
        has=page.locator(f"dt:text-is('{title}')")
    )


def answers_of(page: Page) -> dict[str, Locator]:
    """Where each of the five questions is answered."""
    return {
        "what to run": page.locator(f"{CARD} .answer h2"),
        "how to run it": page.locator(f"{CARD} [data-testid=stCode]").first,
        "how good": figure(page, "Against 16 bits"),
        "how fast": figure(page, "Speed"),
        "whether it fits": figure(page, "Memory"),
    }


def opened(app: App, size: str, path: str = "") -> Page:
    width, height, _ = SIZES[size]
    context = app.browser.new_context(
        viewport={"width": width, "height": height}, reduced_motion="reduce"
    )
    page = context.new_page()
    page.goto(f"{app.url}/{path}")
    return settled(page)


def card_and_panel(page: Page) -> tuple[str, str, str]:
    return (
        page.locator(f"{CARD} .answer").inner_text(),
        page.locator(".details").inner_text(),
        str([trace["x"] for trace in traces(page, CHART)]),
    )
