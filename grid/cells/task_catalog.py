"""Tasks of lm-evaluation-harness as sweeps ask them: class, size, cost, and the ready sets.

`read` and `written` are tokens that an item takes, and those of a typical answer: its question with
the task's own number of examples (of GSM8K they differ from item to item) and all its choices,
counted in SmolLM2's vocabulary over 100 items or more.
"""

from __future__ import annotations

import re
from typing import NamedTuple

MT_BENCH = "mt_bench"
"""The task whose answers a judge rates; only asked where the sweep names it, and a judge."""

UNCLASSIFIED = "unclassified"
"""Class of tasks of which nobody says it."""

READ_PER_S = 100.0
"""Tokens a second that a desktop CPU of 8 cores reads with a model of 1B parameters: 2 operations
a parameter and token, at 25e9 a core. The cheaper 4-bit kernels do better."""

WRITTEN_PER_S = 20.0
"""Tokens a second that it writes: 2 GB of 16-bit weights at 40 GB/s of memory bandwidth."""


class CatalogTask(NamedTuple):
    """Class of tasks, whether the answer is a `choice` or `written`, the items of the whole set,
    tokens read and written an item, the tokens of the examples that its items share, and the score
    of guessing."""

    task_class: str
    kind: str
    items: int
    chance: float
    read: int
    written: int = 0
    shared: int = 0
    runs_code: bool = False

    def seconds(self, items: int) -> float:
        """Estimated time of so many items with a model of 1B parameters on a desktop CPU."""
        return (self.shared + items * self.read) / READ_PER_S + items * self.written / WRITTEN_PER_S


TASKS: dict[str, CatalogTask] = {
    "mmlu": CatalogTask("recall", "choice", 14042, 0.25, 123),
    "truthfulqa_mc1": CatalogTask("recall", "choice", 817, 0.226, 63, shared=160),
    "truthfulqa_mc2": CatalogTask("recall", "choice", 817, 0.5, 90, shared=160),
    "hellaswag": CatalogTask("commonsense", "choice", 10042, 0.25, 130),
    "winogrande": CatalogTask("commonsense", "choice", 1267, 0.5, 45),
    "piqa": CatalogTask("commonsense", "choice", 1838, 0.5, 61),
    "copa": CatalogTask("commonsense", "choice", 100, 0.5, 22),
    "openbookqa": CatalogTask("commonsense", "choice", 500, 0.25, 26),
    "commonsense_qa": CatalogTask("commonsense", "choice", 1221, 0.2, 50),
    "arc_challenge": CatalogTask("reasoning", "choice", 1172, 0.25, 58),
    "arc_easy": CatalogTask("reasoning", "choice", 2376, 0.25, 47),
    "gsm8k": CatalogTask("math", "written", 1319, 0.0, 1030, written=130),
    "humaneval": CatalogTask("code", "written", 164, 0.0, 139, written=150, runs_code=True),
    "mbpp": CatalogTask("code", "written", 500, 0.0, 107, written=80, shared=500, runs_code=True),
    "lambada_openai": CatalogTask("context", "choice", 5153, 0.0, 83),
    "lambada_standard": CatalogTask("context", "choice", 5153, 0.0, 88),
    "ifeval": CatalogTask("instruction", "written", 541, 0.0, 60, written=350),
    MT_BENCH: CatalogTask("instruction", "written", 80, 0.0, 500, written=600),
}
"""By the harness's names; MT-Bench, which it does not have, is ours: its figures are estimates, of
two answers to a question. Chance of TruthfulQA MC1, whose questions have 2 to 13 choices, is that
of its paper (Lin et al. 2022)."""

_FAMILIES = {
    r"mmlu.*": "recall",
    r"truthfulqa.*": "recall",
    r"arc_.*": "reasoning",
    r"(gsm8k|gsm_plus|arithmetic|minerva_math|hendrycks_math).*": "math",
    r"(humaneval|mbpp).*": "code",
    r"lambada.*": "context",
    r"blimp.*": "language",
    r"(ifeval|mt_bench).*": "instruction",
}
"""Classes of tasks that are not in the catalog, by how their names begin."""

QUICK = {
    "mmlu": 114,
    "hellaswag": 100,
    "piqa": 100,
    "arc_challenge": 100,
    "arc_easy": 100,
    "lambada_openai": 150,
}
"""About ten minutes with a model of 1B parameters on a desktop CPU (`seconds`), by number of items.
No written answers: one of GSM8K costs as much as 25 choices, and the few that there is time for
would make a class of chance."""

STANDARD = {
    name: min(task.items, 200 if task.kind == "written" else 1000) for name, task in TASKS.items()
    if name not in ("truthfulqa_mc2", "lambada_standard", MT_BENCH)
}  # fmt: skip
"""Every task of the catalog once, 1,000 choices or 200 written answers each, if it has as many."""


def task_sets() -> dict[str, dict[str, int]]:
    """The ready sets, number of items by task: `quick`, `standard`, and each class's part of
    `standard`."""
    sets = {"quick": QUICK, "standard": STANDARD}
    for name, count in STANDARD.items():
        sets.setdefault(TASKS[name].task_class, {})[name] = count
    return sets


def class_of(name: str) -> str:
    """The class of a task of the harness; `unclassified` where its name says none."""
    if name in TASKS:
        return TASKS[name].task_class
    fitting = (cls for pattern, cls in _FAMILIES.items() if re.fullmatch(pattern, name))
    return next(fitting, UNCLASSIFIED)
