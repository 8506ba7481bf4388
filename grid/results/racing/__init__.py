"""What need not be measured any more: variants told apart from samples, as they come in. Pure."""

from grid.results.racing.contender import Answers, Contender, Rates
from grid.results.racing.decision import Decision, decide

__all__ = ["Answers", "Contender", "Decision", "Rates", "decide"]
