"""Analysis: turns result tables into variants, frontiers and picks, without an engine or Ray."""

from grid.analysis.axes import AXES, Axis
from grid.analysis.export import variants_table
from grid.analysis.limits import Limits, typical_limits
from grid.analysis.pareto import Frontier, FrontierPoint, frontier
from grid.analysis.picks import Pick, picks
from grid.analysis.posterior import METHOD, Posterior, draw_posterior, subset
from grid.analysis.rejections import Rejection
from grid.analysis.relaxations import Relaxation
from grid.analysis.retained import RetainedQuality, retained_quality
from grid.analysis.tables import Tables
from grid.analysis.variant import ClassItems, Speed, Variant
from grid.analysis.variants import by_hardware_class, variants

__all__ = [
    "AXES",
    "METHOD",
    "Axis",
    "ClassItems",
    "Frontier",
    "FrontierPoint",
    "Limits",
    "Pick",
    "Posterior",
    "Rejection",
    "Relaxation",
    "RetainedQuality",
    "Speed",
    "Tables",
    "Variant",
    "by_hardware_class",
    "draw_posterior",
    "frontier",
    "picks",
    "retained_quality",
    "subset",
    "typical_limits",
    "variants",
    "variants_table",
]
