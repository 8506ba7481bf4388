"""Two sets of rows compared cell by cell: stores, sweeps, engine versions, machines or quants."""

from grid.analysis.diff.difference import Difference, FigureFamily, CellChange, compare_sides
from grid.analysis.diff.side import Side, open_sides
from grid.analysis.diff.thresholds import ThresholdOutcome, Threshold, parse_threshold

__all__ = [
    "Difference",
    "FigureFamily",
    "CellChange",
    "ThresholdOutcome",
    "Side",
    "Threshold",
    "compare_sides",
    "open_sides",
    "parse_threshold",
]
