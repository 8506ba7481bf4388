"""Trade-offs: quality against each cost, quality per GiB, and variants of equal size."""

from __future__ import annotations

from grid.app.page_parts import heading
from grid.app.sections.equal_sizes import draw_equal_sizes
from grid.app.sections.frontier import draw_frontier
from grid.app.sections.quality_per_gib import draw_quality_per_gib
from grid.app.top_bar import select_variants


def draw() -> None:
    heading("Best trade-offs")
    selection = select_variants()
    if selection is None:
        return
    draw_frontier(selection)
    if selection.measured:
        draw_quality_per_gib(selection)
        draw_equal_sizes(selection)
