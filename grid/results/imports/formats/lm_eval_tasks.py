"""The tasks of lm-evaluation-harness that count: their class, the figure taken, and chance."""

from __future__ import annotations

import re
from typing import NamedTuple


class Task(NamedTuple):
    """Class of tasks, the metrics to take in order of preference, and the score of guessing."""

    task_class: str
    metrics: tuple[str, ...]
    chance: float


_ACC = ("acc,none", "acc")
_NORM = ("acc_norm,none", "acc_norm", *_ACC)
_EXACT = ("exact_match,strict-match", "exact_match,custom-extract", "exact_match,none")
_PASS = ("pass@1,create_test", "pass@1,none", "pass_at_1,none", "pass_at_1", "pass@1")

TASKS: dict[str, Task] = {
    "mmlu": Task("recall", _ACC, 0.25),
    "mmlu_pro": Task("recall", _EXACT, 0.1),
    "truthfulqa_mc1": Task("recall", _ACC, 0.226),
    "hellaswag": Task("commonsense", _NORM, 0.25),
    "winogrande": Task("commonsense", _ACC, 0.5),
    "piqa": Task("commonsense", _NORM, 0.5),
    "copa": Task("commonsense", _ACC, 0.5),
    "arc_challenge": Task("reasoning", _NORM, 0.25),
    "gsm8k": Task("math", (*_EXACT, "exact_match,flexible-extract", "acc,none", "acc"), 0.0),
    "humaneval": Task("code", _PASS, 0.0),
    "mbpp": Task("code", _PASS, 0.0),
    "lambada_openai": Task("context", _ACC, 0.0),
    "lambada_standard": Task("context", _ACC, 0.0),
    "ifeval": Task("instruction", ("prompt_level_strict_acc,none", "prompt_level_strict_acc"), 0.0),
}
"""By name. Chance of TruthfulQA MC1, whose questions have 2 to 13 choices, is that of its paper."""

_GROUPS = re.compile(r"(mmlu_pro|mmlu)_.+")
_INSTRUCT = re.compile(r"(humaneval|mbpp)_instruct")


def task_of(name: str) -> Task | None:
    """By the harness's name; subtasks of MMLU count as MMLU. None for one that is not known."""
    if name in TASKS:
        return TASKS[name]
    match = _INSTRUCT.fullmatch(name) or _GROUPS.fullmatch(name)
    return TASKS[match[1]] if match else None


def group_of(name: str) -> str | None:
    """The group whose figure holds that of a subtask: `mmlu` for all that begins with `mmlu_`."""
    if name in TASKS:
        return None
    if name.startswith(("mmlu_stem", "mmlu_humanities", "mmlu_social_sciences", "mmlu_other")):
        return "mmlu"
    match = _GROUPS.fullmatch(name)
    return match[1] if match else None
