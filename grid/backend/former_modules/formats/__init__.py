"""`grid.formats` before the rooms; see `grid.models`."""
