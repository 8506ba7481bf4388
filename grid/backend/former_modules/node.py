"""`grid.node` before the rooms: plugins of that time import it. See `grid.hardware.node`."""

from grid.hardware.node import *  # noqa: F403
