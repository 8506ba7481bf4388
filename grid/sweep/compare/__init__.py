"""The same prompt through several variants, side by side: where does each part from 16 bits?

choices = chosen_of_sweep(sweep, ("F16", "Q4_K_M"), prompt, tokens=64)
comparison = compare(choices, prompt, tokens=64)
comparison.outputs[1].parts.index
"""

from grid.sweep.compare.choice import Choice, Unusable, choose_from_sweep
from grid.sweep.compare.comparison import Comparison, FirstDifference, Output, Token
from grid.sweep.compare.run import compare

__all__ = [
    "Choice",
    "Comparison",
    "FirstDifference",
    "Output",
    "Token",
    "Unusable",
    "choose_from_sweep",
    "compare",
]
