"""A foreign figure in our terms, and its rows in the four tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec

from grid.cells.measurement import ItemResult, Metric, Series
from grid.models.identity import digest
from grid.models.model import LayerState
from grid.results.rows import Row, Rows, merge

_JSON = msgspec.json.Encoder(order="deterministic")


@dataclass(frozen=True, kw_only=True)
class Weights:
    """What was run, as far as the source says. Sizes in bytes, `bpw` in bits per weight."""

    model: str
    quant: str
    format: str
    family: str = ""
    quantizer: str = ""
    parameters: int | None = None
    bytes: int | None = None
    bpw: float | None = None
    context_length: int | None = None
    layers: tuple[LayerState, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Record:
    """One attempt that somebody else made. `workload` has the fields of the noun of its `measure`;
    `started_at` is in seconds since the epoch, None where it is not said."""

    weights: Weights
    measure: str
    label: str
    workload: Mapping[str, Any]
    backend: str
    hardware: str
    device_kind: str
    metrics: tuple[Metric, ...]
    engine_version: str = ""
    options: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    samples: tuple[Series, ...] = ()
    items: tuple[ItemResult, ...] = ()
    started_at: float | None = None
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Origin:
    """Who measured it: `name` is in every row, `licence` is what is stated of the figures."""

    name: str
    licence: str = "not stated"


SPEED = ("memory", "prefill", "decode", "latency")


def rows(records: Sequence[Record], origin: Origin, sweep: str, sweep_id: str) -> Rows:
    """Rows of the four tables. The same record has the same ids whatever file it came in."""
    found: Rows = {}
    for record in records:
        merge(found, _rows(record, origin, sweep, sweep_id))
    return found


def artifact_id(weights: Weights, origin: Origin) -> str:
    """Never that of a measured artifact: the origin is part of it."""
    parts = (weights.model, weights.format, weights.quant, weights.quantizer, weights.bytes)
    return digest("imported artifact", origin.name, *parts)


def _rows(record: Record, origin: Origin, sweep: str, sweep_id: str) -> Rows:
    attempt = {"sweep_id": sweep_id, "sweep": sweep, **_attempt(record, origin)}
    key = {name: attempt[name] for name in ("attempt_id", "cell_id")}
    return {
        "attempts": [attempt],
        "metrics": [{**key, **msgspec.structs.asdict(one)} for one in record.metrics],
        "samples": [{**key, **msgspec.structs.asdict(one)} for one in record.samples],
        "items": [{**key, **msgspec.structs.asdict(one)} for one in record.items],
    }


def _attempt(record: Record, origin: Origin) -> Row:
    """The row of `attempts`, without the sweep that it came in."""
    place, kind = (f"{of} [{origin.name}]" for of in (record.hardware, record.device_kind))
    artifact = artifact_id(record.weights, origin)
    scope = place if record.measure in SPEED else kind
    asked = {"type": record.measure, **record.workload}
    same = {name: value for name, value in asked.items() if name != "repetitions"}
    content = (artifact, record.backend, dict(record.options), same, scope)
    return {
        "attempt_id": attempt_id(record, origin),
        "cell_id": digest("imported cell", origin.name, record.label, *content),
        "status": "ok",
        "reason": "",
        "started_at": _time(record.started_at),
        "measure": record.measure,
        "label": record.label,
        "workload": _text(asked),
        "artifact_id": artifact,
        **_weights(record.weights, origin),
        "backend": record.backend,
        "engine_version": record.engine_version,
        "options": _text(dict(record.options)),
        "scope": scope,
        "hardware_class": place,
        "device_kind": kind,
        "node": record.hardware,
        "environment": {**record.environment, "origin": origin.name},
        "origin": origin.name,
        "licence": origin.licence,
    }


def _weights(weights: Weights, origin: Origin) -> Row:
    return {
        "model": weights.model,
        "family": weights.family or weights.model,
        "model_source": f"as named by {origin.name}",
        "model_revision": "",
        "parameters": weights.parameters,
        "format": weights.format,
        "quant": weights.quant,
        "quantizer": weights.quantizer,
        "artifact_bytes": weights.bytes,
        "bpw_file": weights.bpw,
        "context_length": weights.context_length,
        "kv_cache": _text(weights.layers) if weights.layers else None,
    }


def attempt_id(record: Record, origin: Origin) -> str:
    """32 hex digits of all that the record says and who says it."""
    content = msgspec.to_builtins(record)
    return digest("imported", origin.name, content) + digest(content, origin.name)


def _time(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _text(value: Any) -> str:
    return _JSON.encode(value).decode()
