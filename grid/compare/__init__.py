"""The same prompt through several variants, side by side: where does each part from 16 bits?

choices = chosen_of_sweep(sweep, ("F16", "Q4_K_M"), prompt, tokens=64)
comparison = compare(choices, prompt, tokens=64)
comparison.outputs[1].parts.index
"""

from grid.compare.choice import Choice, Unusable, chosen_of_sweep
from grid.compare.nouns import Comparison, Output, Parting, Token
from grid.compare.run import compare
from grid.compare.stored import Stored, chosen_of_store, stored_variants

__all__ = [
    "Choice",
    "Comparison",
    "Output",
    "Parting",
    "Stored",
    "Token",
    "Unusable",
    "chosen_of_store",
    "chosen_of_sweep",
    "compare",
    "stored_variants",
]
