"""All names of the harness, as its YAML files declare them. Runs in the harness's process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lm_eval.tasks
from lm_eval.tasks._index import Entry, Kind, TaskIndex

from grid.engine.harness.messages import TaskName

TASKS = Path(lm_eval.tasks.__file__).parent

GROUP_KEYS = frozenset(
    {"group", "group_alias", "task", "aggregate_metric_list", "metadata", "tag", "include"}
)


def list_tasks() -> tuple[TaskName, ...]:
    """All tasks, groups and tags, sorted by name."""
    index = TaskIndex.build([TASKS])
    kinds = {name: _kind(name, index) for name in index}
    return tuple(_task_name(index[name], kinds[name], index) for name in sorted(index))


def _kind(name: str, index: dict[str, Entry], depth: int = 0) -> str:
    """Output type of a task, of a group that of its first one."""
    entry = index.get(name)
    if entry is None or depth > 9:
        return ""
    if entry.kind is Kind.TASK:
        return str((entry.cfg or {}).get("output_type", "generate_until"))
    kinds = (_kind(member, index, depth + 1) for member in _members(entry))
    return next(filter(None, kinds), "")


def _members(entry: Entry) -> tuple[str, ...]:
    if entry.kind is Kind.TAG:
        return tuple(sorted(entry.tags))
    members = (entry.cfg or {}).get("task", ()) if entry.kind is Kind.GROUP else ()
    if not isinstance(members, list):
        return ()
    return tuple(member for member in members if isinstance(member, str))


def _task_name(entry: Entry, kind: str, index: dict[str, Entry]) -> TaskName:
    config = entry.cfg or {}
    if entry.kind in (Kind.TAG, Kind.GROUP):
        return TaskName(
            name=entry.name,
            kind=kind,
            members=tuple(member for member in _members(entry) if member in index),
            metric=_group_metric(config),
            obstacle=_group_obstacle(entry),
        )
    return TaskName(
        name=entry.name,
        kind=kind,
        path=str(entry.yaml_path.relative_to(TASKS)) if entry.yaml_path else "",
        dataset=str(config.get("dataset_path") or ""),
        subset=str(config.get("dataset_name") or ""),
        split="test" if config.get("test_split") else "validation",
        runs_code=bool(config.get("unsafe_code")),
        obstacle=_obstacle(entry),
    )


def _group_metric(config: dict[str, Any]) -> str:
    """The figure of a group over all its items; empty where it has none, or one that is a mean of
    its tasks' figures."""
    metrics = config.get("aggregate_metric_list") or ()
    metrics = [metrics] if isinstance(metrics, dict) else metrics
    for metric in metrics:
        if metric.get("weight_by_size", True) and metric.get("aggregation", "mean") == "mean":
            filters = metric.get("filter_list") or ""
            first = filters if isinstance(filters, str) else filters[0]
            return f"{metric['metric']},{first}" if first else str(metric["metric"])
    return ""


def _group_obstacle(entry: Entry) -> str:
    config = entry.cfg or {}
    members = config.get("task", ())
    if entry.kind is Kind.TAG:
        return ""
    if set(config) - GROUP_KEYS or any(not isinstance(member, str) for member in members):
        return "the group changes settings of its tasks, which is not supported; name its tasks"
    return ""


def _obstacle(entry: Entry) -> str:
    config = entry.cfg or {}
    if entry.kind is not Kind.TASK:
        return "it is written in Python, with requests of its own"
    if config.get("doc_to_image") or config.get("doc_to_audio"):
        return "it asks about pictures or sound"
    if config.get("output_type") == "loglikelihood_rolling":
        return "it is the perplexity of a text; name the text under [quality] instead"
    return ""
