"""Engine: the process that runs an engine, its environment, and the measuring in it."""
