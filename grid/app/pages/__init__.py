"""Pages of the explorer: widgets over what `grid.analysis` and `grid.advice` compute."""
