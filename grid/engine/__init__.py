"""Engine: the process that an engine lives in, its environment, and what is measured there."""
