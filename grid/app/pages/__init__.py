"""The explorer's pages: each module draws one with `draw()`; grid/app/navigation.py lists them."""
