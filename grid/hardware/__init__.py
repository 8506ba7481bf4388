"""Hardware: what a machine is, probed, corrected by its owner's file, and known from data sheets."""
