"""The explorer in a browser: pages of widgets over what `grid.analysis` and `grid.advice` compute.

Each page is a module with `page()`; `entry` lists them, `shell` has what they share.
"""
