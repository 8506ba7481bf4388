"""Hardware: machines as probed, corrected by their owner, and known from data sheets."""
