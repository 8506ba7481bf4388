"""The pages, their order, and what is drawn around each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
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
    """Draw the app: navigation, and the page that is chosen.

    Pages are drawn by this script and not by `Page.run`, so that a box that several of them have is
    the same box: what it holds stays when the page changes.
    """
    limit_arenas()
    st.set_page_config(page_title="quantgrid", layout="wide")
    entries = {
        page.path: st.Page(
            _draw_nothing(page.path), title=page.title, url_path=page.path, default=i == 0
        )
        for i, page in enumerate(PAGES)
    }
    former_entries = [
        st.Page(_draw_nothing(path), title=path, url_path=path, visibility="hidden")
        for path in FORMER_PATHS
    ]
    listed = list(entries.values())
    menu = {"": listed[:MAIN], "More": [*listed[MAIN:], *former_entries]}
    path = st.navigation(menu, position="top").url_path or PAGES[0].path
    if path in FORMER_PATHS:
        st.switch_page(entries[FORMER_PATHS[path]])
    draw_page(path)


def _draw_nothing(path: str) -> Callable[[], None]:
    """What an entry of the navigation is made of; each needs one of its own."""

    def draw() -> None:
        return None

    draw.__name__ = f"draw_{path}".replace("-", "_")
    return draw


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
