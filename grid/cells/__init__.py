"""Cells: what is asked of an engine, and what came back."""
