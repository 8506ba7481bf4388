"""Which node runs which cells next: one pure policy, and a simulation that drives it."""
