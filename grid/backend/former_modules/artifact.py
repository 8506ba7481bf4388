"""`grid.artifact` before the rooms: plugins of that time import it. See `grid.models.artifact`."""

from grid.models.artifact import *  # noqa: F403
