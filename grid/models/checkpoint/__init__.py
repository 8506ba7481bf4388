"""Checkpoint folders in Hugging Face's layout: what they are, and how their weights are packed."""
