"""Hardware: probes a machine, applies its owner's corrections, and knows chips' data sheets."""
