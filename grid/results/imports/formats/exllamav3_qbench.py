"""exllamav3's qbench: perplexity and KL divergence of quants against one reference model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from grid.cells.measurement import Metric
from grid.results.imports import metric
from grid.results.imports.cleaning import clean
from grid.results.imports.record import (
    FigureOrigin,
    ImportedWeights,
    Record,
    RecordPlace,
)
from grid.results.imports.source import Source
from grid.results.imports.values import JsonObject, number, text

ORIGIN = FigureOrigin("exllamav3 qbench")

_METRICS = {
    "ppl": "perplexity", "kld": "kld_mean", "kld_median": "kld_median", "kld_p90": "kld_p90",
}  # fmt: skip
_FIELDS = frozenset({"label", "group", "ppl"})
REFERENCE, FLOOR = "reference", "noise_floor"


class QbenchReader:
    """The list that a project's `output.results` names: the reference, its noise floor, models."""

    name = "exllamav3-qbench"
    description = "exllamav3 eval/qbench.py: perplexity and KLD of quants"
    origin = ORIGIN
    selectable = True

    def recognizes(self, source: Source) -> bool:
        return _entries(source) is not None

    def records(self, source: Source) -> Iterator[Record]:
        entries = _entries(source)
        if entries is None:
            raise source.error("no list of qbench results, with label, group and ppl")
        if source.model is None:
            source.skip("the model is not named; give it with --model")
        for at, entry in enumerate(entries, 1):
            if entry.get("group") == FLOOR:
                source.skip(f"entry {at}: the reference under added noise is left out")
                continue
            if "ppl" not in entry:
                source.skip(f"entry {at}: {clean(text(entry, 'label'))} gave no finite logits")
                continue
            with source.refusing():
                yield _record(source, entry, at)


def _entries(source: Source) -> list[dict[str, Any]] | None:
    value = source.json
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        return None
    full = [entry for entry in value if entry.keys() >= _FIELDS]
    groups = {entry.get("group") for entry in full}
    return value if full and (REFERENCE in groups or any("kld" in e for e in full)) else None


def _record(source: Source, entry: JsonObject, at: int) -> Record:
    where = f"entry {at}"
    group, label = text(entry, "group"), text(entry, "label")
    is_reference = group == REFERENCE
    bits = number(source, entry, "bpw_layer", where)
    return Record(
        origin=ORIGIN,
        weights=ImportedWeights(
            model=source.model or f"unnamed ({source.name})",
            quant=clean(label if is_reference else f"{group} {label}".strip()) or "unknown",
            format=clean(group).lower() or "unknown",
            bpw=bits,
        ),
        measure="quality",
        label="quality ?x?",
        workload={
            "text": "not named in the report",
            "text_sha256": "",
            "context": 0,
            "chunks": 0,
            "reference": None if is_reference else "the report's reference model",
        },
        backend="exllamav3 qbench",
        hardware=source.hardware_named(""),
        device_kind="unknown",
        figures=tuple(_figures(source, entry, where)),
        place=RecordPlace(source.name, at, unit="entry"),
    )


def _figures(source: Source, entry: JsonObject, where: str) -> Iterator[Metric]:
    excluded = number(source, entry, "nonfinite_share", where)
    how = f"{100 * excluded:.3g} % of tokens without finite logits left out" if excluded else ""
    for field, name in _METRICS.items():
        value = number(source, entry, field, where)
        if value is not None:
            yield metric.figure(name, value, ORIGIN.name, how=how)


READERS = (QbenchReader(),)
