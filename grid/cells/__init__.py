"""Cells: what an engine is asked to measure, and the measurement that came back."""
