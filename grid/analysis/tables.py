"""The rows that count: of a store's four tables, the newest final attempt of each cell."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from grid.analysis.ladder_names import with_ladder_names
from grid.analysis.scored_text import chunk_means
from grid.analysis.variant import AnswerTokens
from grid.models.display_names import visible
from grid.results import statistics
from grid.results.statistics import Interval
from grid.results.statistics.interval import Floats

if TYPE_CHECKING:
    import pyarrow as pa


SPEED_SERIES = ("prefill_s", "decode_s")
"""Repetitions of speed runs; of quality runs analysis reads `scored_text.TEXT_SERIES`."""

ITEM_COLUMNS = ("item", "score", "chance", "group", "prompt_tokens", "tokens")
"""What `item_rows` reads of items."""


@dataclass(frozen=True)
class Tables:
    """Arrow tables of the schema in grid/results/schema.py; `samples` and `items` may be empty."""

    attempts: pa.Table
    metrics: pa.Table
    samples: pa.Table
    items: pa.Table


@dataclass(frozen=True)
class Attempt:
    """One attempt that counts: its row, its workload's fields, its metrics, raw series of speed,
    and of text quality the means by chunk."""

    row: Mapping[str, Any]
    workload: Mapping[str, Any]
    metrics: Mapping[str, Interval]
    series: Mapping[str, Floats]
    chunk_means: Mapping[str, Floats] = field(default_factory=dict)
    lacks: Mapping[str, str] = field(default_factory=dict)
    """By metric without a value why it has none."""

    @cached_property
    def id(self) -> str:
        return str(self.row["attempt_id"])

    @cached_property
    def measure(self) -> str:
        return str(self.row["measure"])

    @cached_property
    def newness(self) -> tuple[float, str]:
        """Sorts by time; the id decides between equals, so that the order of rows does not."""
        started = self.row["started_at"]
        return (started.timestamp() if started else 0.0, self.id)

    @cached_property
    def environment(self) -> Mapping[str, str]:
        """What the row says of versions, node and load."""
        return dict(self.row["environment"] or ())


def final_attempts(tables: Tables) -> list[Attempt]:
    """Attempts with status `ok` that are the final one of their cell, sorted by id.

    A later `error`, `timeout` or `lost` does not take back a result, nor does a plan that skipped
    the cell.
    """
    import pyarrow.compute as pc

    from grid.results import select

    final = select.final(with_ladder_names(tables.attempts))
    final = final.filter(pc.field("status") == "ok").sort_by("attempt_id")
    ids = final["attempt_id"].combine_chunks()
    metrics, samples = (_of_attempts(table, ids) for table in (tables.metrics, tables.samples))
    return attempts_of(final.to_pylist(), metrics, samples)


def attempts_of(
    rows: Iterable[Mapping[str, Any]],
    metrics: pa.Table,
    samples: pa.Table,
    names: Sequence[str] = SPEED_SERIES,
) -> list[Attempt]:
    """Attempts from their rows, with what the other tables say of them; of times the series of
    `names`."""
    figures, lacks = _metrics(metrics)
    series, means = _series(samples, names), chunk_means(samples)
    return [
        Attempt(
            row,
            workload_of(row["workload"]),
            figures[row["attempt_id"]],
            series[row["attempt_id"]],
            means.get(row["attempt_id"], {}),
            lacks.get(row["attempt_id"], {}),
        )
        for row in rows
    ]


@lru_cache(maxsize=4096)
def workload_of(text: str | None) -> Mapping[str, Any]:
    """A workload's fields; none where the text is not what it should be."""
    try:
        fields = json.loads(text or "{}")
    except ValueError:
        fields = None
    return _with_visible_texts(fields) if isinstance(fields, dict) else {}


def _with_visible_texts(value: Any) -> Any:
    """The value of a JSON text, whose escapes were inert until it was decoded."""
    if isinstance(value, dict):
        return {visible(name): _with_visible_texts(field) for name, field in value.items()}
    if isinstance(value, list):
        return [_with_visible_texts(item) for item in value]
    return visible(value) if isinstance(value, str) else value


def _of_attempts(table: pa.Table, ids: pa.Array[Any]) -> pa.Table:
    import pyarrow.compute as pc

    return table.filter(pc.is_in(table["attempt_id"], value_set=ids))


_INTERVAL = ("value", "low", "high", "sd", "n", "method")


def _metrics(
    table: pa.Table,
) -> tuple[defaultdict[str, dict[str, Interval]], dict[str, dict[str, str]]]:
    """By attempt its figures, and why it has none of others."""
    by_attempt: defaultdict[str, dict[str, Interval]] = defaultdict(dict)
    lacks: dict[str, dict[str, str]] = {}
    columns = (table[name].to_pylist() for name in ("attempt_id", "name", *_INTERVAL))
    for attempt, name, value, low, high, sd, n, method in zip(*columns, strict=True):
        if value is not None and math.isfinite(value):
            count = 1 if n is None else n
            by_attempt[attempt][name] = Interval(value, low, high, sd, count, method or "")
        elif value is None and method:
            lacks.setdefault(attempt, {})[name] = method
    return by_attempt, lacks


def _series(table: pa.Table, names: Sequence[str]) -> defaultdict[str, dict[str, Floats]]:
    import pyarrow as pa
    import pyarrow.compute as pc

    by_attempt: defaultdict[str, dict[str, Floats]] = defaultdict(dict)
    short = pa.array(names, type=pa.string())
    speed = table.filter(pc.is_in(table["name"], value_set=short))
    columns = (speed[name].to_pylist() for name in ("attempt_id", "name", "values"))
    for attempt, name, values in zip(*columns, strict=True):
        seconds = np.array(values or (), dtype=np.float64)
        if seconds.size and (np.isfinite(seconds) & (seconds > 0)).all():
            by_attempt[attempt][name] = seconds
    return by_attempt


@dataclass(frozen=True)
class ItemRows:
    """Items of one attempt, columns of length n."""

    ids: tuple[str, ...]
    scores: Floats
    chances: Floats
    groups: tuple[str, ...] = ()
    """What each item shares with others, as `ClassItems` has it."""
    answers: AnswerTokens | None = None

    @cached_property
    def gains(self) -> Floats:
        return statistics.gains(self.scores, self.chances)

    @cached_property
    def capability(self) -> Interval:
        codes = statistics.group_codes(self.groups)
        if codes is not None:
            return statistics.capability(self.scores, self.chances, codes)
        right = np.count_nonzero(self.scores == 1)
        plain = right + np.count_nonzero(self.scores == 0) == len(self.scores) > 0
        if plain and (self.chances == self.chances[0]).all():
            return _capability_of_count(right, len(self.scores), float(self.chances[0]))
        return statistics.capability(self.scores, self.chances)


@lru_cache(maxsize=4096)
def _capability_of_count(right: int, items: int, chance: float) -> Interval:
    """Capability of so many right answers: hundreds of runs have the same."""
    return statistics.capability(np.arange(items) < right, np.full(items, chance))


def item_rows(table: pa.Table, attempts: Iterable[Attempt]) -> dict[str, ItemRows]:
    """By attempt id, sorted by item. Ids are qualified with the hash of the item set, so that items
    of the same name but other content are never paired. Attempts with an item that can have no gain
    have none."""
    import pyarrow as pa

    sources = {attempt.id: _item_set(attempt) for attempt in attempts}
    table = _of_attempts(table, pa.array(list(sources), pa.string()))
    names, of_row = _rank_values(table["attempt_id"])
    items, item = _rank_values(table["item"])
    order = np.lexsort((item, of_row))
    item, scores, chances = item[order], *(_floats(table, c)[order] for c in ("score", "chance"))
    tokens = [_floats(table, c)[order] for c in ("prompt_tokens", "tokens")]
    group_names, group = _rank_values(table["group"])
    group = group[order]
    ends = np.cumsum(np.bincount(of_row, minlength=len(names))).tolist()
    of_items, of_groups = _QualifiedNames(items), _QualifiedNames(group_names)
    rows = {}
    for name, start, end in zip(names, [0, *ends], ends, strict=False):
        mine, score, chance = item[start:end], scores[start:end], chances[start:end]
        if (np.isfinite(score) & (chance < 1)).all():
            ids = of_items.qualify(sources[name], mine)
            groups = of_groups.qualify(sources[name], group[start:end])
            counts = AnswerTokens(score, *(part[start:end] for part in tokens))
            counted = np.isfinite(counts.prompt_tokens) & np.isfinite(counts.written_tokens)
            rows[name] = ItemRows(
                ids, score, chance, groups if any(groups) else (), counts if counted.all() else None
            )
    return rows


class _QualifiedNames:
    """Names with the item set that they are of; attempts that were asked the same share a tuple."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self._shared: dict[tuple[str, bytes], tuple[str, ...]] = {}

    def qualify(self, source: str, codes: npt.NDArray[np.int64]) -> tuple[str, ...]:
        """Empty names stay empty."""
        key = (source, codes.tobytes())
        if key not in self._shared:
            names = (self._names[code] for code in codes.tolist())
            self._shared[key] = tuple(f"{source}/{name}" if name else "" for name in names)
        return self._shared[key]


def _item_set(attempt: Attempt) -> str:
    """`task@hash`, or the hash alone where the class is the task."""
    task, sha256 = (attempt.workload.get(name) or "" for name in ("task", "items_sha256"))
    return f"{task}@{sha256}" if task else str(sha256)


def _rank_values(column: pa.ChunkedArray[Any]) -> tuple[list[str], npt.NDArray[np.int64]]:
    """(values sorted, place of each row's value among them)."""
    import pyarrow as pa
    import pyarrow.compute as pc

    filled: Any = pc.fill_null(column, pa.scalar(""))
    encoded = filled.combine_chunks().dictionary_encode()
    values = [str(value) for value in encoded.dictionary.to_pylist()]
    order = np.argsort(np.array(values, dtype=object))
    rank = np.empty(len(values), dtype=np.int64)
    rank[order] = np.arange(len(values))
    return [values[i] for i in order.tolist()], rank[encoded.indices.to_numpy()]


def _floats(table: pa.Table, name: str) -> Floats:
    """A column as floats, NaN for null."""
    return np.asarray(table[name].to_numpy(), dtype=np.float64)
