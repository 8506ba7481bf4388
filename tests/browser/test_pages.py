"""Every page at each width and theme: no exception box, and nothing runs off sideways."""

from __future__ import annotations

import pytest

from browser.harness import App, fits, page_of, shot, turn_to
from grid.app.navigation import PAGES


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_every_page_is_drawn_without_errors_or_overflow(app: App, width: int, dark: bool) -> None:
    page = page_of(app, PAGES[0].title, width, dark)
    for entry in PAGES:
        turn_to(page, app, entry.title)
        assert fits(page), f"{entry.title} runs off at {width} px"
        shot(page, f"{entry.path}-{width}-{'dark' if dark else 'light'}")
    page.context.close()
