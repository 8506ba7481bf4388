"""`grid.formats.gguf` before the rooms; see `grid.models.gguf.inspection`."""

from grid.models.gguf.inspection import *  # noqa: F403
