"""Sweep: runs a plan on nodes and records the result of every cell."""
