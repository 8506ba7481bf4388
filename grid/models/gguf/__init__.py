"""GGUF files: what a header says, the types of a preset, the size before it is made."""
