"""Runs one prompt through several variants and finds where each output leaves that at 16 bits.

choices = choose_from_sweep(sweep, ("F16", "Q4_K_M"), prompt, tokens=64)
comparison = compare(choices, prompt, 64, settings)
comparison.outputs[1].parts.index
"""

from grid.sweep.compare.choice import Choice, Unusable, choose_from_sweep
from grid.sweep.compare.comparison import Comparison, FirstDifference, Output, Token
from grid.sweep.compare.run import RequestRunner, compare

__all__ = [
    "Choice",
    "Comparison",
    "FirstDifference",
    "Output",
    "RequestRunner",
    "Token",
    "Unusable",
    "choose_from_sweep",
    "compare",
]
