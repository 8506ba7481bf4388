"""`grid.cell` before the rooms: plugins of that time import it. See `grid.cells.cell`."""

from grid.cells.cell import *  # noqa: F403
