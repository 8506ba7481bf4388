"""Small steps on tables of attempts, whose content may be a stranger's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

Column = Any
"""A chunked array, whose element types Arrow's stubs do not follow through its functions."""

_FIRST, _LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)
_LONGEST_S = 1e9
"""Times beyond are none that Python could tell, or that anybody measured."""


def groups(rows: pa.Table, column: str) -> Sequence[pa.Table]:
    """The rows by the value of a column, in the order of first appearance."""
    if rows.num_rows == 0:
        return []
    encoded = text_of(rows, column).combine_chunks().dictionary_encode()
    codes = encoded.indices.to_numpy()
    order = np.argsort(codes, kind="stable")
    starts = np.searchsorted(codes[order], np.arange(len(encoded.dictionary) + 1)).tolist()
    ordered = rows.take(order)
    return [ordered.slice(start, end - start) for start, end in pairwise(starts)]


def by_time(rows: pa.Table) -> pa.Table:
    return rows.sort_by([("started_at", "ascending")])


def span_of(rows: pa.Table) -> tuple[datetime | None, datetime | None]:
    """When the first attempt began and the last one ended; None where no row has a time."""
    at = pc.field("started_at")
    timed = rows.select(["started_at", "wall_s"]).filter((at >= _FIRST) & (at < _LAST))
    if timed.num_rows == 0:
        return None, None
    ordered = by_time(timed)
    first, last = ordered.slice(0, 1).to_pylist()[0], ordered[-1:].to_pylist()[0]
    wall_s = last["wall_s"] or 0.0
    took = timedelta(seconds=wall_s if 0 <= wall_s < _LONGEST_S else 0.0)
    return first["started_at"], last["started_at"] + took


def distinct(rows: pa.Table, column: str) -> tuple[str, ...]:
    values: Column = rows[column]
    return tuple(sorted(filter(None, pc.unique(values).to_pylist())))


def text_of(rows: pa.Table, column: str) -> Column:
    values: Column = rows[column]
    return pc.fill_null(values, pa.scalar(""))


def environment_of(rows: pa.Table, key: str) -> Column:
    """What the rows' environments say under a key, as text; null where they do not."""
    environment: Column = rows["environment"]
    return pc.map_lookup(environment, pa.scalar(key), "first")


def label_of(row: Mapping[str, Any]) -> str:
    return " ".join(filter(None, (row["model"], row["quant"], row["label"])))
