"""An attempt that another tool measured, in our terms, and its rows in the four tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec

from grid.cells.measurement import ItemResult, Metric, Series
from grid.models.identity import digest
from grid.models.model import LayerState
from grid.models.named_sizes import mixture_size
from grid.results.rows import FROM_NAME, Row, Rows, append_rows

_JSON = msgspec.json.Encoder(order="deterministic")


@dataclass(frozen=True, kw_only=True)
class ImportedWeights:
    """The model that was run, as far as the source says: `bytes` of its files, `bpw` in bits per
    weight."""

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
class ImportedAttempt:
    """One attempt of another tool. `workload` has the fields of the workload of its `measure`;
    `started_at` is in seconds since the epoch, None where the source does not say it."""

    weights: ImportedWeights
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
class FigureOrigin:
    """Who measured it: `name` is in every row, `licence` is what is stated of the figures."""

    name: str
    licence: str = "not stated"


@dataclass(frozen=True)
class ImportedReport:
    """Rows of one file or publication. `skipped` has a line for all that was left out and why."""

    rows: Rows
    skipped: tuple[str, ...]
    origin: str
    licence: str
    name: str

    @property
    def count(self) -> int:
        """Attempts."""
        return len(self.rows.get("attempts", ()))


def import_report(
    attempts: Iterable[ImportedAttempt],
    skipped: Sequence[str],
    origin: FigureOrigin,
    name: str,
    content: str,
) -> ImportedReport:
    """The attempts as rows; what stands twice in a file counts once. `content` is the file's text:
    it gives the import its id. The same attempt has the same ids whatever file it came in."""
    sweep = {"sweep_id": digest("import", origin.name, content), "sweep": f"import of {name}"}
    rows: Rows = {}
    for attempt in {attempt_id(attempt, origin): attempt for attempt in attempts}.values():
        append_rows(rows, _rows(attempt, origin, sweep))
    return ImportedReport(rows, tuple(dict.fromkeys(skipped)), origin.name, origin.licence, name)


def speed_run(kind: str, tokens: int, depth: int, repetitions: int | None = None) -> dict[str, Any]:
    """`measure`, `label` and `workload` of a prefill or decode run over tokens at a depth."""
    name = "pp" if kind == "prefill" else "tg"
    return {
        "measure": kind,
        "label": f"{name}{tokens}" + (f" @ d{depth}" if depth else ""),
        "workload": {"tokens": tokens, "depth": depth, "repetitions": repetitions},
    }


def memory_run(context: int) -> dict[str, Any]:
    """The same of a memory run with a context of so many tokens."""
    return {"measure": "memory", "label": f"memory c{context}", "workload": {"context": context}}


def task_run(task_class: str, tasks: str, items_sha256: str = "", limit: int = 0) -> dict[str, Any]:
    """The same of `limit` items of the tasks that stand for a class; 0 where nobody says it."""
    return {
        "measure": "tasks",
        "label": f"task {task_class} ({tasks})",
        "workload": {
            "task_class": task_class,
            "source": tasks,
            "items_sha256": items_sha256,
            "limit": limit,
        },
    }


def unnamed_hardware(device: str) -> str:
    """What a row's hardware is called that nobody named; `--hardware` gives it a name."""
    return f"unnamed {device or 'unknown'} hardware"


_SPEED = ("memory", "prefill", "decode", "latency")


def artifact_id(weights: ImportedWeights, origin: FigureOrigin) -> str:
    """Never that of a measured artifact: the origin is part of it."""
    parts = (weights.model, weights.format, weights.quant, weights.quantizer, weights.bytes)
    return digest("imported artifact", origin.name, *parts)


def _rows(attempt: ImportedAttempt, origin: FigureOrigin, sweep: Row) -> Rows:
    row = {**sweep, **_attempt(attempt, origin)}
    key = {name: row[name] for name in ("attempt_id", "cell_id")}
    return {
        "attempts": [row],
        "metrics": [{**key, **msgspec.structs.asdict(metric)} for metric in attempt.metrics],
        "samples": [{**key, **msgspec.structs.asdict(samples)} for samples in attempt.samples],
        "items": [{**key, **msgspec.structs.asdict(item)} for item in attempt.items],
    }


def _attempt(attempt: ImportedAttempt, origin: FigureOrigin) -> Row:
    """The row of `attempts`, without the sweep that it came in."""
    place, kind = (f"{of} [{origin.name}]" for of in (attempt.hardware, attempt.device_kind))
    artifact = artifact_id(attempt.weights, origin)
    scope = place if attempt.measure in _SPEED else kind
    workload = {"type": attempt.measure, **attempt.workload}
    decisive = {name: value for name, value in workload.items() if name != "repetitions"}
    content = (artifact, attempt.backend, dict(attempt.options), decisive, scope)
    return {
        "attempt_id": attempt_id(attempt, origin),
        "cell_id": digest("imported cell", origin.name, attempt.label, *content),
        "status": "ok",
        "reason": "",
        "started_at": _time(attempt.started_at),
        "measure": attempt.measure,
        "label": attempt.label,
        "workload": _text(workload),
        "artifact_id": artifact,
        **_weights(attempt.weights, origin),
        "backend": attempt.backend,
        "engine_version": attempt.engine_version,
        "options": _text(dict(attempt.options)),
        "scope": scope,
        "hardware_class": place,
        "device_kind": kind,
        "node": attempt.hardware,
        "environment": {**attempt.environment, "origin": origin.name},
        "origin": origin.name,
        "licence": origin.licence,
    }


def _weights(weights: ImportedWeights, origin: FigureOrigin) -> Row:
    named = mixture_size(weights.model, weights.family)
    return {
        "model": weights.model,
        "family": weights.family or weights.model,
        "model_source": f"as named by {origin.name}",
        "model_revision": "",
        "parameters": weights.parameters or (named.total if named else None),
        "active_parameters": named.active if named else None,
        "parameters_from": FROM_NAME if named else "",
        "layers": len(weights.layers) or None,
        "format": weights.format,
        "quant": weights.quant,
        "quantizer": weights.quantizer,
        "artifact_bytes": weights.bytes,
        "bpw_file": weights.bpw,
        "context_length": weights.context_length,
        "kv_cache": _text(weights.layers) if weights.layers else None,
    }


def attempt_id(attempt: ImportedAttempt, origin: FigureOrigin) -> str:
    """32 hex digits of all that the attempt says and who says it."""
    content = msgspec.to_builtins(attempt)
    return digest("imported", origin.name, content) + digest(content, origin.name)


def _time(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _text(value: Any) -> str:
    return _JSON.encode(value).decode()
