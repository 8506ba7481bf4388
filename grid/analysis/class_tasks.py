"""The tasks of a class: what of them is compared, and the class's figure from theirs."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np

from grid.analysis.variant import AnswerTokens, ClassItems, TaskResult, Variant
from grid.results import statistics
from grid.results.statistics import Interval


def class_capability(tasks: Mapping[str, TaskResult]) -> Interval:
    """The mean over tasks, each counted once however many items it has."""
    if len(tasks) == 1:
        return next(iter(tasks.values())).capability
    of_task = {name: task.capability for name, task in tasks.items()}
    mean = statistics.composite(of_task, dict.fromkeys(of_task, 1.0))
    return replace(mean, method=f"mean over {', '.join(sorted(tasks))}; MOVER")


def class_items(tasks: Mapping[str, TaskResult]) -> ClassItems | None:
    """The items of all tasks, by id; None where some task has none."""
    sets = [task.items for _, task in sorted(tasks.items()) if task.items is not None]
    if len(sets) < len(tasks) or not sets:
        return None
    if len(sets) == 1:
        return sets[0]
    ids = [item for items in sets for item in items.ids]
    gains = np.concatenate([items.gains for items in sets])
    order = sorted(range(len(ids)), key=ids.__getitem__)
    groups = [group for items in sets for group in items.groups or ("",) * len(items.ids)]
    ordered = tuple(groups[i] for i in order) if any(groups) else ()
    return ClassItems(tuple(ids[i] for i in order), gains[order], ordered, _answers(sets, order))


def _answers(sets: Sequence[ClassItems], order: Sequence[int]) -> AnswerTokens | None:
    """Of all sets in an order; None where one has none."""
    of_sets = [items.answers for items in sets if items.answers is not None]
    if len(of_sets) < len(sets):
        return None
    columns = ("scores", "prompt_tokens", "written_tokens")
    return AnswerTokens(
        *(np.concatenate([getattr(a, name) for a in of_sets])[order] for name in columns)
    )


def share_tasks(variants: Sequence[Variant]) -> list[Variant]:
    """The variants with each class over the tasks that all models were asked, so that a mean over
    two tasks never stands beside one over three.

    A model was asked what most of its variants were. Where models share no task the one with most
    variants decides. A variant that lacks one of the tasks lacks the class. Imported figures are
    left alone: of them those of one set of tasks are chosen before.
    """
    measured = [variant for variant in variants if not variant.origin]
    compared = {
        name: _compared_tasks(name, measured)
        for name in {name for variant in measured for name in variant.tasks}
    }
    return [_over(variant, compared) if not variant.origin else variant for variant in variants]


def _compared_tasks(task_class: str, variants: Sequence[Variant]) -> frozenset[str]:
    by_model: defaultdict[str, list[Collection[str]]] = defaultdict(list)
    for variant in variants:
        if task_class in variant.tasks:
            by_model[variant.model].append(variant.tasks[task_class].keys())
    of_model = {model: _usual(sets) for model, sets in by_model.items()}
    shared = frozenset.intersection(*of_model.values())
    return shared or of_model[max(by_model, key=lambda model: (len(by_model[model]), model))]


def _usual(sets: Sequence[Collection[str]]) -> frozenset[str]:
    """The tasks of at least half the sets; of all, where there are none."""
    counts = Counter(name for names in sets for name in names)
    usual = frozenset(name for name, count in counts.items() if 2 * count >= len(sets))
    return usual or frozenset(counts)


def _over(variant: Variant, compared: Mapping[str, frozenset[str]]) -> Variant:
    """The variant with its classes over these tasks."""
    unlike = {
        name: tasks for name, tasks in variant.tasks.items() if tasks.keys() != compared[name]
    }
    if not unlike:
        return variant
    classes, items = dict(variant.classes), dict(variant.items)
    others = dict(variant.other_tasks)
    for name, tasks in unlike.items():
        classes.pop(name, None)
        items.pop(name, None)
        if not compared[name] <= tasks.keys():
            names = (", ".join(sorted(group)) for group in (compared[name], tasks))
            others[name] = "by {}, only by {}".format(*names)
            continue
        part = {task: tasks[task] for task in compared[name]}
        classes[name] = class_capability(part)
        of_class = class_items(part)
        if of_class is not None:
            items[name] = of_class
    return replace(variant, classes=classes, items=items, other_tasks=others)
