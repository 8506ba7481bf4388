"""The text by which a model's variants are compared where quality was measured on several, and the
tasks by which models are compared where imported figures are of several."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from grid.analysis.tables import Attempt

Text = tuple[str, int, int, bool]
"""sha256 of the text, chunk length in tokens, chunks asked for, whether a chat template renders
it. A run of the first chunks, where a sweep stopped when it was decided, is of the same text as one
of all."""


def on_main_text(attempts: Sequence[Attempt]) -> list[Attempt]:
    """The attempts without the quality runs on another text than their model's main one.

    The main text of a model on a device kind is the one that most of its artifacts were scored on,
    then the one that most of all artifacts were, then one without a category, then the newest; of
    categories the first measured, which is the first of the sweep file. Perplexities of different
    texts never share an axis. Imported runs have a main text of their own.
    """
    quality = [attempt for attempt in attempts if attempt.measure == "quality"]
    overall: defaultdict[Text, set[str]] = defaultdict(set)
    groups: defaultdict[tuple[str, str, str], list[Attempt]] = defaultdict(list)
    for attempt in quality:
        overall[_text(attempt)].add(attempt.row["artifact_id"])
        groups[_group(attempt)].append(attempt)
    main = {group: _main(mine, overall) for group, mine in groups.items()}
    return [
        attempt
        for attempt in attempts
        if attempt.measure != "quality" or _text(attempt) == main[_group(attempt)]
    ]


def _main(mine: Sequence[Attempt], overall: Mapping[Text, set[str]]) -> Text:
    scored: defaultdict[Text, set[str]] = defaultdict(set)
    for attempt in mine:
        scored[_text(attempt)].add(attempt.row["artifact_id"])
    counts = {text: (len(artifacts), len(overall[text])) for text, artifacts in scored.items()}
    most = max(counts.values())
    usual = sorted((a for a in mine if counts[_text(a)] == most), key=lambda a: a.newness)
    category = "" if not all(map(category_of, usual)) else category_of(usual[0])
    return _text([attempt for attempt in usual if category_of(attempt) == category][-1])


def runs_by_category(attempts: Sequence[Attempt]) -> dict[str, list[Attempt]]:
    """Quality runs by the category of their text, each on its model's main text of that category.
    Runs without a category are left out."""
    groups: defaultdict[str, list[Attempt]] = defaultdict(list)
    for attempt in attempts:
        if category := category_of(attempt):
            groups[category].append(attempt)
    return {category: on_main_text(runs) for category, runs in groups.items()}


def category_of(attempt: Attempt) -> str:
    """The use that a quality run's text stands for; empty where it has none."""
    return str(attempt.workload.get("category") or "") if attempt.measure == "quality" else ""


def main_tasks(attempts: Sequence[Attempt]) -> dict[tuple[str, str], str]:
    """The tasks that imported figures are taken of, by (device kind, task class).

    Those that most artifacts were asked, of equal ones the newest: a figure of hellaswag and one of
    winogrande are not one quality. What is measured here always has the tasks of its class.
    """
    groups: defaultdict[tuple[str, str], list[Attempt]] = defaultdict(list)
    artifacts: defaultdict[tuple[tuple[str, str], str], set[str]] = defaultdict(set)
    for attempt in attempts:
        if attempt.measure == "tasks" and attempt.row["origin"] and "capability" in attempt.metrics:
            groups[of_class(attempt)].append(attempt)
            artifacts[of_class(attempt), tasks_of(attempt)].add(attempt.row["artifact_id"])
    return {
        group: tasks_of(max(mine, key=lambda a: (len(artifacts[group, tasks_of(a)]), a.newness)))
        for group, mine in groups.items()
    }


def of_class(attempt: Attempt) -> tuple[str, str]:
    """Device kind and class of tasks of a task run."""
    return attempt.row["device_kind"], str(attempt.workload.get("task_class", ""))


def tasks_of(attempt: Attempt) -> str:
    """The tasks that a task run asked, by name or place."""
    return str(attempt.workload.get("source", ""))


def _text(attempt: Attempt) -> Text:
    workload = attempt.workload
    return (
        str(workload.get("text_sha256", "")),
        workload.get("context", 0),
        workload.get("part_of") or workload.get("chunks", 0),
        bool(workload.get("chat")),
    )


def _group(attempt: Attempt) -> tuple[str, str, str]:
    return attempt.row["model"], attempt.row["device_kind"], attempt.row["origin"] or ""
