"""The scores of a results file of lm-evaluation-harness: which rows count, and groups by parts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from grid.errors import InputError
from grid.results.imports.cleaning import clean, quote
from grid.results.imports.formats.lm_eval_samples import Items, items_beside
from grid.results.imports.formats.lm_eval_tasks import (
    PARTS,
    Task,
    flavour_of,
    group_of,
    is_category,
    task_of,
)
from grid.results.imports.source import Source
from grid.results.imports.values import finite, mapping

_NAMED = 20
"""Unknown tasks that are named one by one."""


@dataclass(frozen=True)
class TaskScore:
    """One task's figure as the harness gives it, with its items where the samples are there;
    `parts` are those that it was made of where the file has no figure of the whole."""

    task: str
    about: Task
    metric: str
    value: float
    error: float | None
    n: int | None
    items: Items | None
    parts: tuple[TaskScore, ...] = ()

    @property
    def text(self) -> str:
        if self.parts:
            return "; ".join(part.text for part in self.parts)
        return f"{self.task} {self.metric} {self.value:.4f}"


def scores_by_class(source: Source, whole: Mapping[str, Any]) -> dict[str, list[TaskScore]]:
    """Scores by class of tasks. A group counts by its own figure, else by its parts. What is no
    task of a known class is noted."""
    results = {clean(str(name)): mapping(row) for name, row in whole["results"].items()}
    classes: defaultdict[str, list[TaskScore]] = defaultdict(list)
    for score in _scores(source, whole, results):
        classes[score.about.task_class].append(score)
    _skip_unknown(source, list(results))
    return dict(sorted(classes.items()))


def _scores(
    source: Source, whole: Mapping[str, Any], results: Mapping[str, Mapping[str, Any]]
) -> Iterator[TaskScore]:
    parts: defaultdict[str, list[TaskScore]] = defaultdict(list)
    for name, row in results.items():
        about, group = task_of(name), group_of(name)
        if about is None or (group is not None and _has_figure(results.get(group), about)):
            continue  # the group's figure holds it
        if name in PARTS and not _has_figure(row, about) and _parts_of(name, results):
            continue  # its parts count
        try:
            score = _score(source, whole, name, row, about)
        except InputError as error:
            source.refused.append(str(error))
            continue
        if score is None:
            continue
        if group is None:
            yield score
        else:
            parts[group].append(score)
    for group, group_parts in parts.items():
        yield _combined(source, group, group_parts)


def _has_figure(row: Mapping[str, Any] | None, about: Task) -> bool:
    return row is not None and _metric_of(row, about) is not None


def _metric_of(row: Mapping[str, Any], about: Task) -> str | None:
    return next((title for title in about.metrics if finite(row.get(title)) is not None), None)


def _parts_of(group: str, results: Mapping[str, Mapping[str, Any]]) -> list[str]:
    return [name for name in results if group_of(name) == group]


def _combined(source: Source, group: str, parts: Sequence[TaskScore]) -> TaskScore:
    """A group by its parts: by subjects where they are there, else by categories. Weighted by items
    as the harness does, where their counts are given."""
    subjects = [part for part in parts if not is_category(part.task)]
    chosen = sorted(subjects or parts, key=lambda part: part.task)
    counts = [part.n for part in chosen]
    sizes = [float(count) for count in counts if count]
    weights = sizes if len(sizes) == len(chosen) else [1.0] * len(chosen)
    total = sum(weights)
    value = sum(w * part.value for w, part in zip(weights, chosen, strict=True)) / total
    errors = [part.error for part in chosen]
    variance = [(w / total * (e or 0)) ** 2 for w, e in zip(weights, errors, strict=True)]
    is_whole = len(subjects) == len(PARTS[group])
    how = (
        f"{len(chosen)} parts"
        if is_whole or not subjects
        else (f"{len(chosen)} of {len(PARTS[group])} parts")
    )
    source.skip(f"{group} is the mean over {how}: its own row has no figure")
    metric = chosen[0].metric
    return TaskScore(
        task=group if is_whole else ", ".join(part.task for part in chosen),
        about=chosen[0].about,
        metric=metric,
        value=value,
        error=sum(variance) ** 0.5 if None not in errors else None,
        n=sum(count for count in counts if count) if all(counts) else None,
        items=_items(source, group, metric, chosen[0].about),
        parts=tuple(replace(part, items=None) for part in chosen),
    )


def _score(
    source: Source, whole: Mapping[str, Any], name: str, row: Mapping[str, Any], about: Task
) -> TaskScore | None:
    metric = next((title for title in about.metrics if row.get(title) is not None), None)
    if metric is None:
        source.skip(f"the task {name} is left out: none of {', '.join(about.metrics)} is given")
        return None
    value, error = finite(row[metric]), _error(row, metric)
    if value is None or not 0 <= value <= 1:
        raise source.error(f"{name}: {metric} is {quote(row[metric])}, not from 0 to 1")
    items = None if group_of(name) else _items(source, name, metric, about)
    return TaskScore(name, about, metric, value, error, _item_count(whole, name, row), items)


def _items(source: Source, name: str, metric: str, about: Task) -> Items | None:
    """The items beside the results; none of samples that are damaged, so that a figure is never
    that of a part of them."""
    try:
        return items_beside(source, name, metric, about)
    except InputError as error:
        source.refused.append(str(error))
        return None


def _error(row: Mapping[str, Any], metric: str) -> float | None:
    """Standard error of a metric, `acc_stderr,none` of `acc,none`; `N/A` is none."""
    name, _, filtered = metric.partition(",")
    error = finite(row.get(f"{name}_stderr,{filtered}" if filtered else f"{name}_stderr"))
    return error if error is not None and 0 <= error <= 1 else None


def _item_count(whole: Mapping[str, Any], name: str, row: Mapping[str, Any]) -> int | None:
    counts = mapping(mapping(whole.get("n-samples")).get(name))
    n = finite(counts.get("effective", row.get("sample_len", row.get("sample_count"))))
    return int(n) if n is not None and 0 < n < 2**31 else None


def _skip_unknown(source: Source, names: Sequence[str]) -> None:
    flavours: defaultdict[str, list[str]] = defaultdict(list)
    unknown = []
    for name in names:
        flavour = flavour_of(name)
        if flavour is not None:
            flavours[flavour].append(quote(name))
        elif task_of(name) is None:
            unknown.append(quote(name))
    for group, tasks in flavours.items():
        source.skip(
            f"left out: {_list(tasks)}: another flavour of {group}, whose scores do not compare"
        )
    if unknown:
        source.skip(f"left out: {_list(unknown)}: class of tasks and chance not known")


def _list(names: Sequence[str]) -> str:
    beyond = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + beyond
