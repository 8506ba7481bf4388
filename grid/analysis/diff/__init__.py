"""Two sets of rows compared cell by cell: stores, sweeps, engine versions, machines or quants."""

from grid.analysis.diff.difference import CellChange, Difference, FigureFamily, compare_sides
from grid.analysis.diff.side import Side, open_sides
from grid.analysis.diff.thresholds import Threshold, ThresholdOutcome, parse_threshold

__all__ = [
    "CellChange",
    "Difference",
    "FigureFamily",
    "Side",
    "Threshold",
    "ThresholdOutcome",
    "compare_sides",
    "open_sides",
    "parse_threshold",
]
