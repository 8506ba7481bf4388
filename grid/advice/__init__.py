"""What to run on a machine under stated limits, with the evidence and how sure it is."""

from grid.advice.advice import (
    Advice,
    Candidate,
    ClassChange,
    Cost,
    Evidence,
    Figure,
    FrontierStep,
)
from grid.advice.ask import BUDGETS_GB, INTERACTIVE, RATES, Ask, uses
from grid.advice.recommend import TOLERANCE, recommend

__all__ = [
    "BUDGETS_GB",
    "INTERACTIVE",
    "RATES",
    "TOLERANCE",
    "Advice",
    "Ask",
    "Candidate",
    "ClassChange",
    "Cost",
    "Evidence",
    "Figure",
    "FrontierStep",
    "recommend",
    "uses",
]
