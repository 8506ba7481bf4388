"""Clusters: reads cluster.yaml, starts and stops its machines over ssh, and checks their state."""
