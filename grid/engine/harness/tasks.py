"""What the harness offers: its tasks by name, and item sets made of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

HARNESS_VERSION = "0.4.13"


class TaskName(msgspec.Struct, frozen=True, kw_only=True):
    """A name that `prepare` takes: a task, or a group of tasks (`members`).

    `kind` is the harness's output type: multiple_choice, loglikelihood, loglikelihood_rolling or
    generate_until; of a group that of its first task.
    """

    name: str
    kind: str
    members: tuple[str, ...] = ()


class PreparedTask(msgspec.Struct, frozen=True, kw_only=True):
    """An item set in the cache: `folder` holds `<name>.jsonl` of grid.cells.items.Item.

    `requested` is the name that was asked for, another one where a group was expanded; `kind` the
    harness's output type, `metric` the harness's name of the figure that an item's score is of,
    such as `acc_norm` or `exact_match,flexible-extract`; `version` the task's own version, `shots`
    its examples. `data` is `hub` or `file`, `data_sha256` the documents' content; `note` says in
    what the data or prompt differs from the harness's own, and is empty where nothing does.
    """

    name: str
    requested: str
    folder: Path
    items: int
    kind: str
    metric: str
    version: str
    shots: int
    data: str
    data_sha256: str
    note: str = ""
    runs_code: bool = False
    """Scoring runs what the model wrote (HumanEval, MBPP)."""


def task_names(say: Callable[[str], None] = lambda line: None) -> tuple[TaskName, ...]:
    """All names that the harness knows, sorted; kept in the cache, so that only the first call
    makes the harness's environment and imports it. Raises EngineError where it cannot be made."""
    raise NotImplementedError


def prepare(
    names: Sequence[str],
    *,
    data: Path | None = None,
    shots: int | None = None,
    limit: int | None = None,
    seed: int = 1234,
    run_code: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> tuple[PreparedTask, ...]:
    """The item sets of tasks by their harness names, in the order asked for, groups expanded.

    A group with a figure of its own over all items (`mmlu`) stays one task, whose items carry their
    subject as `group`; any other group becomes its tasks. `data` is a folder of local files, which
    come before the hub; `shots` None is each task's own number; `limit` takes the first items of
    each task (of a group: in turn from each subject), as `lm_eval --limit` does; `seed` draws the
    few-shot examples. An item set that was made before costs no more than reading a small file.

    Raises InputError for a name that the harness does not know (with the nearest), a task that runs
    code unless `run_code`, or data that neither `data` nor the hub has; EngineError where the
    harness's environment cannot be made. `say` hears lines of progress.
    """
    raise NotImplementedError
