"""The tasks of lm-evaluation-harness that count: those of the catalogue, and the figure taken."""

from __future__ import annotations

import re
from typing import NamedTuple

from grid.cells.task_catalog import MT_BENCH, TASKS, class_of


class Task(NamedTuple):
    """Class of tasks, the metrics to take in order of preference, and the score of guessing."""

    task_class: str
    metrics: tuple[str, ...]
    chance: float


_ACC = ("acc,none", "acc")
_NORM = ("acc_norm,none", "acc_norm", *_ACC)
_EXACT = ("exact_match,strict-match", "exact_match,custom-extract", "exact_match,none")
_PASS = ("pass@1,create_test", "pass@1,none", "pass_at_1,none", "pass_at_1", "pass@1")

_METRICS: dict[str, tuple[str, ...]] = {
    "mmlu": _ACC,
    "mmlu_pro": _EXACT,
    "gsm8k": (*_EXACT, "exact_match,flexible-extract", "acc,none", "acc"),
    "humaneval": _PASS,
    "mbpp": _PASS,
    "ifeval": ("prompt_level_strict_acc,none", "prompt_level_strict_acc"),
}
"""Of tasks whose figure is not `acc_norm`, or `acc` where there is none."""

_CHANCES = {"mmlu_pro": 0.1}
"""Of tasks that reports have and sweeps do not ask."""

_LEFT_OUT = ("truthfulqa_mc2", MT_BENCH)
"""The questions of MC1 again, and one that the harness does not have."""

_GROUPS = re.compile(r"(mmlu_pro|mmlu)_.+")
_INSTRUCT = re.compile(r"(humaneval|mbpp)_instruct")


def task_of(name: str) -> Task | None:
    """By the harness's name; subtasks of MMLU count as MMLU. None for one that is not known."""
    chances = {task: entry.chance for task, entry in TASKS.items()} | _CHANCES
    if name not in chances:
        match = _INSTRUCT.fullmatch(name) or _GROUPS.fullmatch(name)
        name = match[1] if match else ""
    if name not in chances or name in _LEFT_OUT:
        return None
    return Task(class_of(name), _METRICS.get(name, _NORM), chances[name])


def group_of(name: str) -> str | None:
    """The group whose figure holds that of a subtask: `mmlu` for all that begins with `mmlu_`."""
    if name in TASKS or name in _CHANCES:
        return None
    if name.startswith(("mmlu_stem", "mmlu_humanities", "mmlu_social_sciences", "mmlu_other")):
        return "mmlu"
    match = _GROUPS.fullmatch(name)
    return match[1] if match else None
