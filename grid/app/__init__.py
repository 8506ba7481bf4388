"""The explorer in a browser: pages of widgets over what `grid.analysis` and `grid.advice` compute.

`navigation` draws what is around a page, `pages` holds one module for each, `charts` their figures.
"""
