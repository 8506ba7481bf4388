"""The navigation, and what is drawn around each page."""

from __future__ import annotations

from functools import partial

import streamlit as st

from grid.app.page_parts import apply_style
from grid.app.pages import find_pages
from grid.app.release_memory import limit_arenas
from grid.app.store import store_box
from grid.errors import GridError


def main() -> None:
    """Draw the app: navigation, the store's box, and the page that is asked for."""
    limit_arenas()
    st.set_page_config(page_title="quantgrid", layout="wide")
    pages = [
        st.Page(partial(draw_page, page.path), title=page.title, url_path=page.path, default=i == 0)
        for i, page in enumerate(find_pages())
    ]
    st.navigation(pages).run()


def draw_page(path: str) -> None:
    """One page. What a user can cause is a sentence in its place; a defect keeps its traceback."""
    draw = next(draw for page, draw in find_pages().items() if page.path == path)
    apply_style()
    try:
        draw()
    except GridError as error:
        st.error(str(error))
    store_box()


if __name__ == "__main__":  # `streamlit run` of this file, as `grid app` does
    main()
