"""The checks behind every reader: units, ranges that physics allows, a mean and its own samples.

`figure_checks` has those of single figures, which a merge of stores makes too; `conflicts` finds
rows that give one cell different figures.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

from grid.cells.measurement import Metric, Series
from grid.results.imports.bandwidth import why_too_fast
from grid.results.imports.figure_checks import FigureColumns, faults
from grid.results.imports.record import Record
from grid.results.imports.units import in_our_unit
from grid.results.metrics import METRICS

_ROUNDED = 0.005
"""How far a printed mean may be outside its repetitions by rounding, relative."""


class CheckedRecords(NamedTuple):
    """Records that passed, with figures in our units, and a line for each that did not."""

    records: list[Record]
    refused: list[str]


def check(records: Iterable[Record]) -> CheckedRecords:
    """Check what readers say. The same checks hold whatever tool measured."""
    refused: list[str] = []
    converted = [ours for record in records if (ours := _in_our_units(record, refused))]
    figures = [(record, figure) for record in converted for figure in record.figures]
    columns = FigureColumns.of([figure for _, figure in figures])
    wrong: dict[int, str | None] = {}
    for at, fault in faults(columns).items():
        wrong.setdefault(id(figures[at][0]), fault)
    passed = []
    for record in converted:
        reason = _outside_samples(record) or wrong.get(id(record)) or why_too_fast(record)
        if reason:
            refused.append(_line(record, reason))
        else:
            passed.append(record)
    return CheckedRecords(passed, refused)


def _in_our_units(record: Record, refused: list[str]) -> Record | None:
    figures: list[Metric] = []
    for figure in record.figures:
        ours = in_our_unit(figure)
        if ours is None:
            unit = METRICS[figure.name].unit
            refused.append(_line(record, f"{figure.name} in {figure.unit!r}, which is no {unit}"))
            return None
        figures.append(ours)
    return replace(record, figures=tuple(figures))


def _outside_samples(record: Record) -> str | None:
    """Why a mean cannot be that of the record's own repetitions; None where it can."""
    for figure in record.figures:
        values = _repetitions(record, figure)
        if not values or figure.value is None:
            continue
        low, high = min(values), max(values)
        if not low * (1 - _ROUNDED) <= figure.value <= high * (1 + _ROUNDED):
            return (
                f"{figure.name} is {figure.value:.6g} {figure.unit}, but its repetitions are "
                f"from {low:.6g} to {high:.6g}"
            )
    return None


def _repetitions(record: Record, figure: Metric) -> list[float]:
    """The repetitions that a figure is the mean of, in its unit; none where they are not there."""
    series = {samples.name: samples for samples in record.samples}
    direct = series.get(figure.name)
    if direct is not None:
        return list(direct.values)
    kind = figure.name.removesuffix("_tps")
    tokens = record.workload.get("tokens")
    durations: Series | None = series.get(f"{kind}_s") if kind != figure.name else None
    return [tokens / value for value in durations.values] if durations and tokens else []


def _line(record: Record, reason: str) -> str:
    """The reason after the place in its file, which the reader of the file puts before it."""
    where = str(record.place._replace(file=""))
    return f"{where}: {reason} ({record.title})" if where else f"{reason} ({record.title})"
