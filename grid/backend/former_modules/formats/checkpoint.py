"""`grid.formats.checkpoint` before the rooms; see `grid.models.checkpoint.inspection`."""

from grid.models.checkpoint.inspection import *  # noqa: F403
