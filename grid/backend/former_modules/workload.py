"""`grid.workload` before the rooms: plugins of that time import it. See `grid.cells.workload`."""

from grid.cells.workload import *  # noqa: F403
