"""Plotly figures of rows: pure functions without widgets or state.

Colours are Okabe and Ito's, which colour-blind readers tell apart, and each comes with a symbol.
"""
