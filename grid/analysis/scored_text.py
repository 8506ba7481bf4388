"""The text that a quality run scored, and what was lost in each of its chunks."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from grid.results.statistics.interval import Floats

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

CHUNK_SERIES = ("kld", "nll")
"""Per-token samples that are read as means by chunk."""

TEXT_SERIES = (*CHUNK_SERIES, "chunks")
"""Samples of quality runs that analysis reads."""


@dataclass(frozen=True)
class ScoredText:
    """A text as scored: `tokens` in all, in `chunks` of `context` tokens.

    `text` is the hash of its content, or its name where that is all that a row says; `category` is
    the use that it stands for, empty where it is named by nothing else. `reference`
    is artifact@backend of the 16 bits that it was compared with, empty for none. `kld` and `nll`
    are means by chunk in nats, [chunks], NaN for a chunk with a value that is none; None where only
    a figure is known. `part_of`: these are the first of so many chunks; 0 where they are all.
    """

    text: str
    context: int
    chunks: int
    tokens: int
    reference: str
    kld: Floats | None = None
    nll: Floats | None = None
    category: str = ""
    part_of: int = 0


def scored_text(
    workload: Mapping[str, Any], reference: str, tokens: int, means: Mapping[str, Floats]
) -> ScoredText:
    """From a quality run's workload and its `chunk_means`."""
    return ScoredText(
        text=str(workload.get("text_sha256") or workload.get("text") or ""),
        context=int(workload.get("context") or 0),
        chunks=int(workload.get("chunks") or 0),
        tokens=tokens,
        reference=reference,
        category=str(workload.get("category") or ""),
        part_of=int(workload.get("part_of") or 0),
        **{name: means.get(name) for name in CHUNK_SERIES},
    )


def chunk_means(samples: pa.Table) -> dict[str, dict[str, Floats]]:
    """By attempt id and series the means by chunk, [chunks], of samples with columns attempt_id,
    name and values. Attempts without a number of chunks that divides their values have none."""
    import pyarrow as pa
    import pyarrow.compute as pc

    rows = samples.filter(pc.is_in(samples["name"], value_set=pa.array(TEXT_SERIES, pa.string())))
    series: defaultdict[str, dict[str, Floats]] = defaultdict(dict)
    names = (rows[column].to_pylist() for column in ("attempt_id", "name"))
    for attempt_id, name, values in zip(*names, rows["values"], strict=True):
        series[attempt_id][name] = _floats(values)
    return {
        attempt_id: {
            name: values.reshape(count, -1).mean(axis=1)
            for name, values in of_attempt.items()
            if name != "chunks" and len(values) and len(values) % count == 0
        }
        for attempt_id, of_attempt in series.items()
        if (count := _count(of_attempt.get("chunks"))) > 0
    }


def _floats(values: Any) -> Floats:
    """Of a scalar of a list column; nulls are NaN."""
    if values.values is None:
        return np.empty(0)
    return np.asarray(values.values.to_numpy(zero_copy_only=False), dtype=np.float64)


def _count(values: Floats | None) -> int:
    if values is None or len(values) != 1 or not np.isfinite(values[0]):
        return 0
    return int(values[0])
