"""`grid.texts` before the rooms: plugins of that time import it. See `grid.cells.texts`."""

from grid.cells.texts import *  # noqa: F403
