"""Rows of a load against an endpoint that somebody else runs: `grid load URL --store`.

Which weights such a server has loaded, and on what machine, only its user can say. So these rows
are like imported ones: they have an origin, and never join with rows of weights that were checked.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from grid.cells.load import ServerLoad
from grid.cells.measurement import Measurement, Metric
from grid.results.imports.checks import check
from grid.results.imports.gguf_names import quant_in
from grid.results.imports.hidden_quant import quant_in_path
from grid.results.imports.record import FigureOrigin, ImportedWeights, Record, unnamed_hardware
from grid.results.imports.rows import ImportedReport, import_report

ORIGIN = FigureOrigin("grid load", "own measurement")


class EndpointLoad(NamedTuple):
    """A load that was measured, with its metrics."""

    workload: ServerLoad
    measurement: Measurement
    metrics: Sequence[Metric]


class ServedModel(msgspec.Struct, frozen=True, kw_only=True):
    """What the user says of the server: the name of its model there, quant and machine (empty: not
    said), and the engine."""

    name: str
    quant: str = ""
    hardware: str = ""
    engine: str = "unnamed server"


def endpoint_report(model: ServedModel, loads: Iterable[EndpointLoad]) -> ImportedReport:
    """The loads as rows; a figure that cannot be true is refused as in any import."""
    checked = check(_record(model, load) for load in loads)
    content = " ".join(str(record.started_at) for record in checked.records)
    return import_report(checked.records, (), "grid load", content, checked.refused, ORIGIN)


def _record(model: ServedModel, load: EndpointLoad) -> Record:
    bare = model.name.rstrip("/").rsplit("/", 1)[-1]
    quant = model.quant or quant_in(bare) or quant_in_path(model.name) or "as served"
    workload = msgspec.to_builtins(load.workload)
    del workload["type"], workload["prompts"]
    return Record(
        origin=ORIGIN,
        weights=ImportedWeights(model=bare or model.name, quant=quant, format="as served"),
        measure="load",
        label=load.workload.label,
        workload=workload,
        backend=model.engine,
        hardware=model.hardware or unnamed_hardware(""),
        device_kind="unknown",
        figures=tuple(load.metrics),
        samples=load.measurement.series,
        started_at=load.measurement.started_at,
        environment=load.measurement.environment,
    )
