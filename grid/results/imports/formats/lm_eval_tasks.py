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

CATEGORIES = {"mmlu": ("stem", "humanities", "social_sciences", "other"), "mmlu_pro": ()}
"""Groups inside of a group, whose figures hold those of its parts."""

PARTS: dict[str, tuple[str, ...]] = {
    "mmlu": (
        "abstract_algebra", "anatomy", "astronomy", "business_ethics", "clinical_knowledge",
        "college_biology", "college_chemistry", "college_computer_science", "college_mathematics",
        "college_medicine", "college_physics", "computer_security", "conceptual_physics",
        "econometrics", "electrical_engineering", "elementary_mathematics", "formal_logic",
        "global_facts", "high_school_biology", "high_school_chemistry",
        "high_school_computer_science", "high_school_european_history", "high_school_geography",
        "high_school_government_and_politics", "high_school_macroeconomics",
        "high_school_mathematics", "high_school_microeconomics", "high_school_physics",
        "high_school_psychology", "high_school_statistics", "high_school_us_history",
        "high_school_world_history", "human_aging", "human_sexuality", "international_law",
        "jurisprudence", "logical_fallacies", "machine_learning", "management", "marketing",
        "medical_genetics", "miscellaneous", "moral_disputes", "moral_scenarios", "nutrition",
        "philosophy", "prehistory", "professional_accounting", "professional_law",
        "professional_medicine", "professional_psychology", "public_relations",
        "security_studies", "sociology", "us_foreign_policy", "virology", "world_religions",
    ),
    "mmlu_pro": (
        "biology", "business", "chemistry", "computer_science", "economics", "engineering",
        "health", "history", "law", "math", "other", "philosophy", "physics", "psychology",
    ),
}  # fmt: skip
"""Subjects of the groups; whatever else begins like a group is another flavour of it."""

_GROUPS = re.compile(r"(mmlu_pro|mmlu)_(.+)")
_INSTRUCT = re.compile(r"(humaneval|mbpp)_instruct")


def task_of(name: str) -> Task | None:
    """By the harness's name; subtasks of MMLU count as MMLU. None for one that is not known."""
    chances = {task: entry.chance for task, entry in TASKS.items()} | _CHANCES
    if name not in chances:
        match = _INSTRUCT.fullmatch(name)
        name = match[1] if match else group_of(name) or ""
    if name not in chances or name in _LEFT_OUT:
        return None
    return Task(class_of(name), _METRICS.get(name, _NORM), chances[name])


def group_of(name: str) -> str | None:
    """The group that a subtask or a category is part of: `mmlu` for `mmlu_anatomy`."""
    match = None if name in TASKS or name in _CHANCES else _GROUPS.fullmatch(name)
    if match is None:
        return None
    group, part = match[1], match[2]
    return group if part in PARTS[group] or part in CATEGORIES[group] else None


def is_category(name: str) -> bool:
    """Whether a name is of a group inside of a group."""
    group = group_of(name)
    return group is not None and name.removeprefix(f"{group}_") in CATEGORIES[group]


def flavour_of(name: str) -> str | None:
    """The group whose questions a task asks in another way: `mmlu` for
    `mmlu_flan_cot_zeroshot_anatomy`. Its scores do not compare with the group's."""
    match = _GROUPS.fullmatch(name)
    return match[1] if match and task_of(name) is None else None
