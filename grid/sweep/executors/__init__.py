"""Run a plan's sessions on nodes: the executors, and the worker that each of them drives."""
