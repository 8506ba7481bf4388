"""MT-Bench: open questions of two turns, whose answers a judge rates from 1 to 10.

The judge is a model behind an endpoint that the user names under `[tasks.judge]`. Its name and the
version of the prompt stand in each item, so that scores by another judge are another number.
"""

from grid.sweep.judge.questions import judged_tasks
from grid.sweep.judge.scorer import JudgeScorer, is_judged

__all__ = ["JudgeScorer", "is_judged", "judged_tasks"]
