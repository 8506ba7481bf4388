"""Cells, measurements and metrics as rows of the four tables."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import msgspec

from grid.cells.cell import Cell
from grid.cells.measurement import Measurement, Metric
from grid.cells.workload import kind
from grid.hardware.node import Node
from grid.models.artifact import Artifact, ArtifactFacts
from grid.models.model import Model
from grid.models.weight_parts import Experts

Row = dict[str, Any]
Rows = dict[str, list[Row]]
"""Rows by table name."""

FROM_HEADER, FROM_NAME = "header", "name"
"""What a row's active parameters are from."""

_UNITS = {"_bytes": "bytes", "_s": "s", "_tps": "token/s"}
"""Unit of a scalar, from the ending of its name."""

_JSON = msgspec.json.Encoder(order="deterministic")


def new_attempt_id() -> str:
    """32 hex digits, random: two attempts never share one, wherever they were made."""
    return uuid4().hex


def attempt_rows(
    cell: Cell,
    measurement: Measurement,
    metrics: Iterable[Metric],
    node: Node | None,
    *,
    attempt_id: str,
    sweep_id: str,
    sweep: str,
    facts: ArtifactFacts | None = None,
) -> Rows:
    """One attempt as rows of `attempts`, `metrics`, `samples` and `items`.

    `facts` are those of the file as made, where the cell was planned before it existed. Scalars of
    the measurement are kept among the samples, one value each, so that nothing raw is lost.
    """
    key = {"attempt_id": attempt_id, "cell_id": cell.id}
    attempt = {
        **key,
        "sweep_id": sweep_id,
        "sweep": sweep,
        **_attempt(measurement),
        "measure": kind(cell.workload),
        "label": cell.workload.label,
        "workload": _json(cell.workload),
        **_artifact(cell.artifact, facts or cell.artifact.facts),
        "backend": cell.backend,
        "options": _json(cell.options),
        "scope": cell.scope,
        **_node(node, cell),
        "origin": "",
        "licence": "",
    }
    return {
        "attempts": [_clean(attempt)],
        "metrics": [_clean({**key, **msgspec.structs.asdict(metric)}) for metric in metrics],
        "samples": [_clean({**key, **sample}) for sample in _samples(measurement)],
        "items": [_clean({**key, **msgspec.structs.asdict(item)}) for item in measurement.items],
    }


def _attempt(measurement: Measurement) -> Row:
    return {
        "status": measurement.status,
        "reason": " ".join(measurement.reason.split()),
        "started_at": _time(measurement.started_at),
        "wall_s": measurement.wall_s,
        "engine_s": measurement.engine_s,
        "engine_version": measurement.engine_version,
        "environment": {_text(k): _text(v) for k, v in measurement.environment.items()},
    }


def _time(seconds: float) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if seconds else None


def _artifact(artifact: Artifact, facts: ArtifactFacts | None) -> Row:
    model = artifact.model
    return {
        "artifact_id": artifact.id,
        "model": model.name,
        "family": model.family,
        "model_source": model.source,
        "model_revision": model.revision,
        "parameters": model.parameters,
        "format": artifact.format,
        "quant": artifact.quant,
        "quantizer": artifact.quantizer,
        "artifact_bytes": facts.bytes if facts else None,
        "artifact_sha256": (facts.sha256 or None) if facts else None,
        "bpw_file": facts.bpw_file if facts else None,
        "bpw_layer": facts.bpw_layer if facts else None,
        "context_length": model.context_length or None,
        "kv_cache": _json(model.layers) if model.layers else None,
        **_token_use(model, facts),
    }


def _token_use(model: Model, facts: ArtifactFacts | None) -> Row:
    """What a token uses of the model, and where its bytes are."""
    parts, experts = facts.parts if facts else None, model.experts
    return {
        "active_parameters": model.active_parameters,
        "parameters_from": FROM_HEADER if model.active_parameters or experts else "",
        "layers": (len(parts.layers) if parts else len(model.layers)) or None,
        **expert_columns(experts),
        "weight_parts": _json(parts) if parts else None,
    }


def expert_columns(experts: Experts | None) -> Row:
    """The columns of a row about experts; all null for a dense model."""
    return {
        "experts": experts and experts.count,
        "experts_used": experts and experts.used,
        "shared_experts": experts and experts.shared,
        "expert_layers": experts and experts.layers,
        "leading_dense_layers": experts and experts.leading_dense,
        "expert_parameters": experts and experts.parameters,
    }


def _node(node: Node | None, cell: Cell) -> Row:
    if node is None:
        return {"hardware_class": None, "device_kind": None, "node": None}
    return {
        "hardware_class": node.hardware_class,
        "device_kind": cell.device_kind or node.device_kind,
        "node": node.name,
    }


def _samples(measurement: Measurement) -> list[Row]:
    series = [
        {"name": samples.name, "unit": samples.unit, "values": list(samples.values)}
        for samples in measurement.series
    ]
    scalars = [
        {"name": name, "unit": _unit(name), "values": [float(value)]}
        for name, value in measurement.scalars.items()
    ]
    return series + scalars


def _unit(name: str) -> str:
    return next((unit for ending, unit in _UNITS.items() if name.endswith(ending)), "")


def _json(value: Any) -> str:
    return _text(_JSON.encode(value).decode())


def _clean(row: Row) -> Row:
    return {name: _text(value) if isinstance(value, str) else value for name, value in row.items()}


def _text(value: str) -> str:
    # Paths and engine messages may hold bytes that are not UTF-8 (surrogates), which Arrow refuses;
    # an attempt must not be lost over its error text.
    return value.encode("utf-8", "backslashreplace").decode("utf-8")


def append_rows(target: Rows, rows: Rows) -> None:
    """Append rows, attempts last: an interrupt in between leaves no attempt without its metrics."""
    for table in sorted(rows, key=lambda name: name == "attempts"):
        target.setdefault(table, []).extend(rows[table])
