"""The explorer in a browser: pages of widgets over what `grid.analysis.dataset` and `grid.analysis` compute.

Each page is a module with `page()`; `entry` lists them, `shell` has what they share.
"""
