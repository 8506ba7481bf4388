"""Models: what weights are, in files, in a hub, and in the family that is bundled."""
