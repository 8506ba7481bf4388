"""`grid.model` before the rooms: plugins of that time import it. See `grid.models.model`."""

from grid.models.model import *  # noqa: F403
