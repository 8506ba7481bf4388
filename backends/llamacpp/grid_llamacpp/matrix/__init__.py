"""Importance matrices: computed as llama-imatrix computes them, read, written and checked."""
