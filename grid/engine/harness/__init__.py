"""Tasks by lm-evaluation-harness: it renders their items and scores what was answered.

The harness runs in an environment of its own, driven by `python -m grid.engine.harness.host`; an
engine's process never imports it.
"""

from grid.engine.harness.messages import TaskName
from grid.engine.harness.names import task_names
from grid.engine.harness.process import HARNESS_VERSION, HarnessProcess
from grid.engine.harness.scorer import AnswerScorer, takes_scoring
from grid.engine.harness.tasks import PreparedTask, prepare, task_facts

__all__ = [
    "HARNESS_VERSION",
    "AnswerScorer",
    "HarnessProcess",
    "PreparedTask",
    "TaskName",
    "prepare",
    "takes_scoring",
    "task_facts",
    "task_names",
]
