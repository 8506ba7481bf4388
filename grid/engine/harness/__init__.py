"""Tasks by lm-evaluation-harness: it renders their items and scores what was answered.

The harness runs in an environment of its own, driven by `python -m grid.engine.harness.host`; an
engine's process never imports it.
"""

from grid.engine.harness.tasks import HARNESS_VERSION, PreparedTask, TaskName, prepare, task_names

__all__ = ["HARNESS_VERSION", "PreparedTask", "TaskName", "prepare", "task_names"]
