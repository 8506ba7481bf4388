"""Records as rows of the four tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from grid.models.identity import digest
from grid.models.named_sizes import mixture_size
from grid.results.imports.record import FigureOrigin, ImportedWeights, Record
from grid.results.rows import FROM_NAME, Row, Rows, append_rows

_JSON = msgspec.json.Encoder(order="deterministic")
_SPEED = ("memory", "prefill", "decode", "latency")


@dataclass(frozen=True)
class ImportedReport:
    """Rows of one file or publication. `skipped` has a line for all that was left out and why,
    `refused` one for all that could not be read or cannot be true."""

    rows: Rows
    skipped: tuple[str, ...]
    origin: str
    licence: str
    name: str
    refused: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        """Attempts."""
        return len(self.rows.get("attempts", ()))


def import_report(
    records: Iterable[Record],
    skipped: Sequence[str],
    name: str,
    content: str,
    refused: Sequence[str] = (),
    origin: FigureOrigin | None = None,
) -> ImportedReport:
    """The records, which must have passed the checks, as rows; what stands twice in a file counts
    once. `content` is the file's text: it gives the import its id. The same attempt has the same
    ids whatever file it came in. `origin` is that of a file without a record."""
    by_id = {attempt_id(record): record for record in records}
    origins = dict.fromkeys(record.origin for record in by_id.values())
    if not origins and origin is not None:
        origins = {origin: None}
    names = ", ".join(source.name for source in origins)
    sweep = {"sweep_id": digest("import", names, content), "sweep": f"import of {name}"}
    rows: Rows = {}
    for key, record in by_id.items():
        append_rows(rows, _rows(record, key, sweep))
    licences = ", ".join(dict.fromkeys(source.licence for source in origins))
    lines = (tuple(dict.fromkeys(skipped)), names, licences, name, tuple(dict.fromkeys(refused)))
    return ImportedReport(rows, *lines)


def artifact_id(weights: ImportedWeights, origin: FigureOrigin) -> str:
    """Never that of a measured artifact: the origin is part of it."""
    parts = (weights.model, weights.format, weights.quant, weights.quantizer, weights.bytes)
    return digest("imported artifact", origin.name, *parts)


def attempt_id(record: Record) -> str:
    """32 hex digits of all that the record says and who says it, wherever it stood."""
    content = msgspec.to_builtins(record)
    content["metrics"] = content.pop("figures")
    del content["origin"], content["place"]
    return digest("imported", record.origin.name, content) + digest(content, record.origin.name)


def cell_id(record: Record) -> str:
    """Of what was run, with all options, and where: equal for repetitions of one measurement."""
    workload = {"type": record.measure, **record.workload}
    decisive = {name: value for name, value in workload.items() if name != "repetitions"}
    artifact = artifact_id(record.weights, record.origin)
    content = (artifact, record.backend, dict(record.options), decisive, _scope(record))
    return digest("imported cell", record.origin.name, record.label, *content)


def _scope(record: Record) -> str:
    name = record.hardware if record.measure in _SPEED else record.device_kind
    return f"{name} [{record.origin.name}]"


def _rows(record: Record, attempt: str, sweep: Row) -> Rows:
    key = {"attempt_id": attempt, "cell_id": cell_id(record)}
    return {
        "attempts": [{**sweep, **key, **_attempt(record)}],
        "metrics": [{**key, **msgspec.structs.asdict(figure)} for figure in record.figures],
        "samples": [{**key, **msgspec.structs.asdict(samples)} for samples in record.samples],
        "items": [{**key, **msgspec.structs.asdict(item)} for item in record.items],
    }


def _attempt(record: Record) -> Row:
    """The row of `attempts`, without its ids and the sweep that it came in."""
    origin = record.origin
    place = {"place": str(record.place)} if record.place.file else {}
    return {
        "status": "ok",
        "reason": "",
        "started_at": _time(record.started_at),
        "measure": record.measure,
        "label": record.label,
        "workload": _text({"type": record.measure, **record.workload}),
        "artifact_id": artifact_id(record.weights, origin),
        **_weights(record.weights, origin),
        "backend": record.backend,
        "engine_version": record.engine_version,
        "options": _text(dict(record.options)),
        "scope": _scope(record),
        "hardware_class": f"{record.hardware} [{origin.name}]",
        "device_kind": f"{record.device_kind} [{origin.name}]",
        "node": record.hardware,
        "environment": {**place, **record.environment, "origin": origin.name},
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


def _time(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _text(value: Any) -> str:
    return _JSON.encode(value).decode()
