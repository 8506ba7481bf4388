"""Executors, which run a plan's sessions on nodes, and the worker that each of them drives."""
