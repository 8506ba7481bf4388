"""The explorer in a browser; `grid.analysis` and `grid.advice` compute what its pages show.

`navigation` lists the pages, `pages` has one module each, `charts` draws their figures.
"""
