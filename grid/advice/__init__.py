"""Advice: says what to run on a machine under given limits, how sure that is, and why."""

from grid.advice.advice import (
    Advice,
    Candidate,
    ClassChange,
    Compromise,
    Cost,
    Evidence,
    Figure,
    FrontierStep,
)
from grid.advice.answer import answer_ask
from grid.advice.ask import BUDGETS_GB, INTERACTIVE, RATES, Ask, uses
from grid.advice.class_pick import picks_of_class
from grid.advice.pick_card import PickCard, pick_card
from grid.advice.recommend import recommend
from grid.analysis.quality_order import TOLERANCE

__all__ = [
    "BUDGETS_GB",
    "INTERACTIVE",
    "RATES",
    "TOLERANCE",
    "Advice",
    "Ask",
    "Candidate",
    "ClassChange",
    "Compromise",
    "Cost",
    "Evidence",
    "Figure",
    "FrontierStep",
    "PickCard",
    "answer_ask",
    "pick_card",
    "picks_of_class",
    "recommend",
    "uses",
]
