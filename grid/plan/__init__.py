"""From a sweep file to the cells to run: `expand(load_sweep(path), backends, node)`."""

from grid.plan.estimate import Estimate, estimate
from grid.plan.expand import expand
from grid.plan.load import load_sweep
from grid.plan.order import Session
from grid.plan.origin import source_folder
from grid.plan.plan import Plan, Skip
from grid.plan.sweep import Sweep

__all__ = [
    "Estimate",
    "Plan",
    "Session",
    "Skip",
    "Sweep",
    "estimate",
    "expand",
    "load_sweep",
    "source_folder",
]
