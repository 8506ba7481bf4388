"""Which of a task's figures an item's score is of. Runs in the harness's process."""

from __future__ import annotations

from typing import NamedTuple

from lm_eval.api.registry import get_aggregation
from lm_eval.api.task import ConfigurableTask

from grid.errors import InputError

PREFERRED_METRICS = ("acc_norm", "acc")
PREFERRED_FILTERS = ("flexible-extract",)
"""GSM8K's `strict-match` asks for the form `#### 18` of its few-shot examples too; what is compared
here is the answer."""


class ScoreFigure(NamedTuple):
    """A metric, and the filter that an answer goes through before it."""

    metric: str
    filter: str

    @property
    def label(self) -> str:
        return self.metric if self.filter == "none" else f"{self.metric},{self.filter}"


def primary_figure(task: ConfigurableTask, wanted: str) -> ScoreFigure:
    """The figure that a group wants, else the preferred one of those that are means over items.

    Raises InputError where the task has no such figure.
    """
    metric, _, chosen = wanted.partition(",")
    filters = [ensemble.name for ensemble in task._filters]
    preferred = next((name for name in PREFERRED_FILTERS if name in filters), filters[0])
    mean = get_aggregation("mean")
    means = [name for name, function in task.aggregation().items() if function is mean]
    if metric in means:
        return ScoreFigure(metric, chosen or preferred)
    if not means:
        names = ", ".join(task.aggregation())
        raise InputError(
            f"task {task.task_name}: its figures ({names}) are no means over its items, which is "
            "what intervals and paired tests take"
        )
    first = next((name for name in PREFERRED_METRICS if name in means), means[0])
    return ScoreFigure(first, preferred)
