"""The pages, their order, and what is drawn around each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

import streamlit as st

from grid.app import release_memory as heap
from grid.app import sidebar as shell
from grid.errors import GridError


@dataclass(frozen=True, slots=True)
class Entry:
    """A page: its module in grid.app, which has `page()`, and its name in the navigation.

    The module's name is the page's path in the address: `/frontier`.
    """

    module: str
    title: str


PAGES = (
    Entry("frontier", "Frontier"),
    Entry("bang", "Bang per bit"),
    Entry("sensitivity", "Sensitivity"),
    Entry("speed", "Speed"),
    Entry("memory", "Memory"),
    Entry("advise", "Advise"),
    Entry("folklore", "Folklore"),
    Entry("compare", "Compare outputs"),
    Entry("runs", "Runs"),
)


def main() -> None:
    """Draw the app: navigation, the store's box, and the page that is asked for."""
    heap.share()
    st.set_page_config(page_title="quantgrid", layout="wide")
    pages = [
        st.Page(_runner(one.module), title=one.title, url_path=one.module, default=i == 0)
        for i, one in enumerate(PAGES)
    ]
    chosen = st.navigation(pages)
    chosen.run()


def draw(module: str) -> None:
    """One page. What a user can cause is a sentence in its place; a defect keeps its traceback."""
    shell.style()
    try:
        import_module(f"grid.app.{module}").page()
    except GridError as error:
        st.error(str(error))
    shell.store_box()


def _runner(module: str) -> Callable[[], None]:
    return lambda: draw(module)


if __name__ == "__main__":  # `streamlit run` of this file, as `grid app` does
    main()
