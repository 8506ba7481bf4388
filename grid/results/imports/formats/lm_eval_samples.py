"""The items of lm-evaluation-harness: samples_<task>_<time>.jsonl beside its results."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from grid.cells.measurement import ItemResult
from grid.models.identity import digest
from grid.results.imports.cleaning import quote
from grid.results.imports.content import read_text
from grid.results.imports.formats.lm_eval_tasks import Task, group_of
from grid.results.imports.source import Source
from grid.results.imports.values import finite, parse_json, text

_RESULTS = re.compile(r"results_(.+)\.json")
_SAMPLES = re.compile(r"samples_(.+?)_(\d{4}-\d\d-\d\dT.+)\.jsonl")


@dataclass(frozen=True)
class Items:
    """Items of one task, and `content`, a digest of their questions."""

    items: tuple[ItemResult, ...]
    content: str


def is_item(value: Any) -> bool:
    """Whether a parsed JSON value is one item."""
    return isinstance(value, dict) and "doc_id" in value and "resps" in value


def results_of(samples: Path) -> Path | None:
    """The results file that samples belong to, where it lies beside them."""
    match = _SAMPLES.fullmatch(samples.name)
    beside = samples.with_name(f"results_{match[2]}.json") if match else samples
    return beside if match and beside.is_file() else None


def items_beside(source: Source, task: str, metric_name: str, about: Task) -> Items | None:
    """Items of a task, from the samples of the same run; None where there are none.

    Raises InputError for a samples file that is damaged.
    """
    match = _RESULTS.fullmatch(source.name)
    if match is None:
        return None
    items: list[ItemResult] = []
    hashes: list[tuple[str, str]] = []
    for name, path in _files(source.path.parent, match[1]):
        if name == task or group_of(name) == task:
            samples = Source(path, read_text(path))
            subject = name.removeprefix(f"{task}_") if name != task else ""
            for item, question in _read_items(samples, name, metric_name, about):
                items.append(msgspec.structs.replace(item, group=subject))
                hashes.append((item.item, question))
    if not items:
        return None
    return Items(tuple(items), digest("asked", sorted(hashes)))


def _files(folder: Path, time: str) -> Iterator[tuple[str, Path]]:
    for path in sorted(folder.glob("samples_*.jsonl")):
        match = _SAMPLES.fullmatch(path.name)
        if match and match[2] == time:
            yield match[1], path


def _read_items(
    samples: Source, task: str, metric_name: str, about: Task
) -> Iterator[tuple[ItemResult, str]]:
    """Items, each with the hash of its question. Another filter's answers to the same questions are
    passed over."""
    name, _, filtered = metric_name.partition(",")
    for at, line in enumerate(samples.text.splitlines(), 1):
        if not line.strip():
            continue
        row = parse_json(samples, line, at)
        if not is_item(row):
            raise samples.error(f"line {at} is no item of lm-evaluation-harness (doc_id, resps)")
        if filtered and text(row, "filter") not in ("", filtered):
            continue
        score = finite(_plain(row.get(name)))
        if score is None or not 0 <= score <= 1:
            raise samples.error(f"line {at}: {name} is {quote(row.get(name))}, not from 0 to 1")
        item = f"{task}:{text(row, 'doc_id')}"
        yield _item(row, item, score, name, about), text(row, "doc_hash")


def _plain(value: Any) -> Any:
    """A truth value as 0 or 1, which some tasks give."""
    return int(value) if isinstance(value, bool) else value


def _item(row: Mapping[str, Any], item: str, score: float, name: str, about: Task) -> ItemResult:
    likelihoods = _likelihoods(row)
    chance = 1 / len(likelihoods) if len(likelihoods) > 1 and about.chance else about.chance
    target = finite(row.get("target"))
    right = target is not None and target == int(target) and 0 <= target < len(likelihoods)
    best = likelihoods.index(max(likelihoods)) if likelihoods and name == "acc" else -1
    return ItemResult(
        task_class=about.task_class,
        item=item,
        score=score,
        chance=chance,
        chosen=best,
        answer=int(target) if right and target is not None else -1,
        log_likelihoods=likelihoods,
    )


def _likelihoods(row: Mapping[str, Any]) -> tuple[float, ...]:
    """Log-likelihoods of the choices, in nats; none where the answer was generated."""
    responses = row.get("filtered_resps")
    pairs = responses if isinstance(responses, list) else []
    first = [pair[0] if isinstance(pair, list) and len(pair) == 2 else None for pair in pairs]
    values = [finite(likelihood) for likelihood in first]
    return () if None in values else tuple(value for value in values if value is not None)
