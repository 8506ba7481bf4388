"""What a race takes from the measurements of a variant's cells."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from grid.cells.cell import Cell
from grid.cells.measurement import DISTURBED, ItemResult, Measurement, Series
from grid.cells.workload import Decode, Latency, Memory, Prefill, Quality, ServerLoad, Tasks
from grid.results.derive import kernel_times, runs_before
from grid.results.racing.contender import Answers, Contender, Rates
from grid.results.statistics.classes import gains
from grid.results.statistics.groups import group_codes
from grid.results.statistics.interval import Floats
from grid.results.statistics.runs import log_loss, moved

Evidence = float | Rates | Floats | Answers
"""Peak memory in bytes, rates, KL divergences by chunk, or answers."""


def evidence_of(cell: Cell, measurement: Measurement) -> Evidence | None:
    """Of an attempt that gave a result; None where nothing of it compares variants, as of a rate
    that others disturbed."""
    series = _floats(measurement.series)
    scalars = measurement.scalars
    match cell.workload:
        case Memory():
            return scalars.get("peak_rss_bytes")
        case Prefill(tokens=tokens):
            return _rates("prefill_s", tokens, measurement)
        case Decode(tokens=tokens):
            return _rates("decode_s", tokens, measurement)
        case Latency():
            return _rates("e2e_s", 1, measurement)
        case ServerLoad():  # nothing that a race decides by
            return None
        case Quality():
            chunks = int(scalars.get("chunks", 0))
            kld = series.get("kld")
            if kld is None or not chunks or len(kld) % chunks or not np.isfinite(kld).all():
                return None
            return np.asarray(kld.reshape(chunks, -1).mean(axis=1))
        case Tasks():
            return _answers(measurement.items)


def _rates(name: str, tokens: int, measurement: Measurement) -> Rates | None:
    series = _floats(measurement.series)
    seconds = series.get(name)
    if seconds is None or not len(seconds) or not (seconds > 0).all():
        return None
    if DISTURBED in measurement.environment:
        return None
    return Rates(
        np.asarray(tokens / seconds),
        moved(kernel_times(series)),
        runs_before(measurement.scalars),
        log_loss(series.get("lost_share", ())),
    )


def _floats(series: Iterable[Series]) -> dict[str, Floats]:
    return {part.name: np.array(part.values, dtype=np.float64) for part in series}


def _answers(items: Sequence[ItemResult]) -> Answers | None:
    if not items:
        return None
    chances = [item.chance for item in items]
    try:
        values = gains([item.score for item in items], chances)
    except ValueError:  # a score that is none
        return None
    limit = 1 / (1 - max(chances))
    return Answers(values, float(limit), group_codes([item.group for item in items]))


def contender(
    name: str,
    label: str,
    weight_bytes: int,
    measured: Sequence[tuple[Cell, Evidence]],
    tried: Iterable[Cell] = (),
) -> Contender:
    """The variant that its sweep calls `name`, by the evidence of its cells, at least one; of parts
    of a text or task the longest counts. `tried` are the cells that ended, with evidence or not."""
    rates: dict[str, Rates] = {}
    texts: dict[str, Floats] = {}
    tasks: dict[str, Answers] = {}
    peak: float | None = None
    for cell, evidence in measured:
        key = comparison_key(cell)
        if isinstance(evidence, Answers):
            if key not in tasks or len(tasks[key].gains) < len(evidence.gains):
                tasks[key] = evidence
        elif isinstance(evidence, float):
            peak = evidence
        elif isinstance(evidence, Rates):
            rates[key] = evidence
        elif key not in texts or len(texts[key]) < len(evidence):
            texts[key] = evidence
    first = measured[0][0]
    return Contender(
        id=name,
        label=label,
        model=first.artifact.model.name,
        quality=first.engine,
        weight_bytes=weight_bytes,
        peak_bytes=peak,
        rates=rates,
        texts=texts,
        tasks=tasks,
        missing=frozenset(comparison_key(cell) for cell in tried if _is_compared(cell))
        - {comparison_key(cell) for cell, _ in measured},
    )


def _is_compared(cell: Cell) -> bool:
    """Whether evidence of such a cell could decide."""
    return not isinstance(cell.workload, ServerLoad)


def comparison_key(cell: Cell) -> str:
    """What two cells share whose figures compare: a workload, but for how much of it."""
    parts: tuple[object, ...]
    match cell.workload:
        case Quality() as text:
            parts = (text.text_sha256, text.context, text.chat, text.reference)
        case Tasks() as task:
            parts = (task.name, task.items_sha256, task.chat)
        case Prefill() | Decode() as rate:
            parts = (rate.label, rate.part_of)
        case workload:
            return workload.label
    return " ".join(map(str, parts))


def total_of(cell: Cell) -> int:
    """Chunks or items that were asked for of the cell's text or task; 0 for other cells."""
    match cell.workload:
        case Quality(chunks=chunks, part_of=total):
            return total or chunks
        case Tasks(limit=limit, part_of=total):
            return total or limit
    return 0
