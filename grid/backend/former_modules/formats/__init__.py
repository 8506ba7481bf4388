"""The former `grid.formats`, for plugins that still import it; now `grid.models`."""
