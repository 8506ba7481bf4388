"""From rows to Plotly figures: pure functions, no widgets, no state.

Colours are Okabe and Ito's, which colour-blind readers tell apart, and each comes with a symbol.
"""
