"""Bundles of results to share: rows without what tells whose they are, and their manifest."""
