"""Clusters of other machines: their file, ssh to them, bringing them up, and how they are."""
