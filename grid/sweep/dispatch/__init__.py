"""Decides which node runs which cells next: a pure policy, also driven by a simulation."""
