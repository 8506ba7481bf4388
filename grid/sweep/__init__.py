"""Sweep: runs a plan over nodes, and records what every cell gave."""
