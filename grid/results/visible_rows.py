"""The text of rows as people may see it: where a store's bytes become names and reasons."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import numpy as np
import pyarrow as pa

from grid.models.display_names import visible, visible_json

EXACT = frozenset({"attempt_id", "cell_id", "sweep_id", "artifact_id", "response"})
"""Columns by which rows are joined, and what models wrote: never changed."""

_JSON = frozenset({"workload", "options", "kv_cache", "weight_parts"})
"""Columns of JSON, in which an escape is JSON's own and stands for the same value."""


def with_visible_text(rows: pa.Table, exact: Collection[str] = EXACT) -> pa.Table:
    """The table with names, reasons and facts in which everything shows (`display_names.visible`).

    A store may be of somebody else, with terminal sequences or marks of direction in its names. Its
    files are not changed; names are compared and chosen as they are shown. Columns in `exact` stay
    as they are. Costs two passes over the bytes of clean text.
    """
    for at, field in enumerate(rows.schema):
        if field.name in exact:
            continue
        show = visible_json if field.name in _JSON else visible
        column: Any = rows.column(at)
        if pa.types.is_string(field.type):
            if _has_hidden(column.chunks, show):
                rows = rows.set_column(at, field, _shown(column, show))
        elif pa.types.is_map(field.type):
            texts = [text for chunk in column.chunks for text in (chunk.keys, chunk.items)]
            if _has_hidden(texts, show):
                rows = rows.set_column(at, field, _shown_maps(column))
    return rows


def _has_hidden(chunks: list[Any], show: Callable[[str], str]) -> bool:
    """Whether some text would be shown otherwise than it is. Plain ASCII is seen by its bytes."""
    return any(
        any(text is not None and show(text) != text for text in chunk.unique().to_pylist())
        for chunk in chunks
        if not _is_plain(chunk)
    )


def _is_plain(chunk: Any) -> bool:
    """Whether all bytes of an array of strings are printable ASCII."""
    _, offsets, data = chunk.buffers()
    if data is None or not len(chunk):
        return True
    ends = np.frombuffer(offsets, np.int32)[[chunk.offset, chunk.offset + len(chunk)]]
    codes = np.frombuffer(data, np.uint8)[ends[0] : ends[1]]
    return not len(codes) or bool(codes.min() >= 0x20 and codes.max() < 0x7F)


def _shown(column: pa.ChunkedArray[Any], show: Callable[[str], str]) -> pa.ChunkedArray[Any]:
    encoded = column.combine_chunks().dictionary_encode()
    texts = [None if text is None else show(text) for text in encoded.dictionary.to_pylist()]
    return pa.chunked_array([pa.array(texts, pa.string()).take(encoded.indices)])


def _shown_maps(column: pa.ChunkedArray[Any]) -> pa.ChunkedArray[Any]:
    rows = [
        row if row is None else [(visible(key), visible(value or "")) for key, value in row]
        for row in column.to_pylist()
    ]
    return pa.chunked_array([pa.array(rows, column.type)])
