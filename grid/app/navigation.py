"""The pages, their order, and what is drawn around each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from importlib import import_module

import streamlit as st

from grid.app import address
from grid.app.page_parts import apply_style, plain
from grid.app.release_memory import limit_arenas
from grid.app.tools import draw_tools
from grid.errors import GridError


@dataclass(frozen=True, slots=True)
class Page:
    """A page: its module in grid.app.pages, its title, and its path in the address (`/runs`).

    The module is imported when it is first drawn.
    """

    module: str
    title: str
    path: str


PAGES = (
    Page("pick", "Pick", "pick"),
    Page("trade_offs", "Trade-offs", "trade-offs"),
    Page("speed_memory", "Speed and memory", "speed"),
    Page("quality_loss", "Quality loss", "quality"),
    Page("compare", "Compare", "compare"),
    Page("runs", "Runs", "runs"),
    Page("folklore", "Folklore", "folklore"),
    Page("import_rows", "Import", "import"),
)

MAIN = 6
"""Pages with an entry of their own; the others are in the menu at the foot."""

FORMER_PATHS: Mapping[str, str] = {
    "frontier": "trade-offs", "bang": "trade-offs", "memory": "speed", "advise": "pick",
    "sensitivity": "quality",
}  # fmt: skip
"""Paths of pages that went into others, by which old links reach them."""


def main() -> None:
    """Draw the app: navigation, the tools, and the page that is chosen."""
    limit_arenas()
    st.set_page_config(page_title="quantgrid", layout="wide")
    pages = {
        page.path: st.Page(
            partial(draw_page, page.path), title=page.title, url_path=page.path, default=i == 0
        )
        for i, page in enumerate(PAGES)
    }
    former_pages = [
        st.Page(partial(_lead_on, pages[new]), title=old, url_path=old, visibility="hidden")
        for old, new in FORMER_PATHS.items()
    ]
    entries = list(pages.values())
    menu = {"": entries[:MAIN], "More": [*entries[MAIN:], *former_pages]}
    st.navigation(menu, position="top").run()


def _lead_on(page: st.Page) -> None:
    st.switch_page(page)


def draw_page(path: str) -> None:
    """One page. What a user can cause is a sentence in its place; a defect keeps its traceback."""
    module = next(page.module for page in PAGES if page.path == path)
    address.begin()
    apply_style()
    ignored_place = st.container()
    try:
        import_module(f"grid.app.pages.{module}").draw()
    except GridError as error:
        st.error(plain(str(error)))
    if text := address.ignored_text():
        ignored_place.warning(text)
    draw_tools()
