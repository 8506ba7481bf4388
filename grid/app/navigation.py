"""The pages, their order, and what is drawn around each."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from importlib import import_module

import streamlit as st

from grid.app.page_parts import apply_style
from grid.app.release_memory import limit_arenas
from grid.app.store import store_box
from grid.errors import GridError


@dataclass(frozen=True, slots=True)
class Page:
    """A page: its module in grid.app.pages, its title, and its path in the address (`/frontier`).

    The module is imported when it is first drawn.
    """

    module: str
    title: str
    path: str


PAGES = (
    Page("frontier", "Frontier", "frontier"),
    Page("bang_per_bit", "Bang per bit", "bang"),
    Page("sensitivity", "Sensitivity", "sensitivity"),
    Page("speed", "Speed", "speed"),
    Page("memory", "Memory", "memory"),
    Page("advise", "Advise", "advise"),
    Page("folklore", "Folklore", "folklore"),
    Page("compare", "Compare outputs", "compare"),
    Page("runs", "Runs", "runs"),
)


def main() -> None:
    """Draw the app: navigation, the store's box, and the page that is asked for."""
    limit_arenas()
    st.set_page_config(page_title="quantgrid", layout="wide")
    pages = [
        st.Page(partial(draw_page, page.path), title=page.title, url_path=page.path, default=i == 0)
        for i, page in enumerate(PAGES)
    ]
    st.navigation(pages).run()


def draw_page(path: str) -> None:
    """One page. What a user can cause is a sentence in its place; a defect keeps its traceback."""
    module = next(page.module for page in PAGES if page.path == path)
    apply_style()
    try:
        import_module(f"grid.app.pages.{module}").draw()
    except GridError as error:
        st.error(str(error))
    store_box()
