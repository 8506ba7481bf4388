"""GGUF files: reads headers, lists the tensor types of a preset, predicts its size."""
