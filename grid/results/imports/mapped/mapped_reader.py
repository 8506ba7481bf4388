"""The reader of tables by a map of their columns."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatch
from typing import Any

from grid.cells.measurement import Metric
from grid.results.imports import metric
from grid.results.imports.formats.lm_eval_tasks import task_of
from grid.results.imports.gguf_names import bits_per_weight, quant_in
from grid.results.imports.hidden_quant import quant_in_path
from grid.results.imports.mapped.column_map import ColumnMap, MappedColumn
from grid.results.imports.mapped.mapped_row import CellFigure, MappedRow
from grid.results.imports.mapped.mapped_tables import head_key, mapped_tables
from grid.results.imports.mapped.targets import READABLE, measure_of
from grid.results.imports.record import (
    FigureOrigin,
    ImportedWeights,
    Record,
    RecordPlace,
    latency_run,
    memory_run,
    speed_run,
    task_run,
)
from grid.results.imports.source import Source

_PAIRED = ("kld_", "dp_", "same_top1", "ln_ppl_ratio")
"""Metrics that compare with a reference."""

_GGUF = re.compile(r"(?:^|[-_ ])(?:I?Q\d_|TQ\d_)", re.IGNORECASE)

_BITS = (0.3, 64.0)
"""What bytes * 8 / parameters of weights can be."""


class MappedTableReader:
    """Rows of tables; each run of a row (rates, quality, memory) is a record."""

    name = "table"
    description = "any markdown or CSV table, by --map"
    selectable = False

    def __init__(self, columns: ColumnMap, file: str) -> None:
        self._columns = columns
        self.origin = FigureOrigin(columns.origin or f"table {file}")

    def recognizes(self, source: Source) -> bool:
        return True

    def records(self, source: Source) -> Iterator[Record]:
        if any(fnmatch(source.name.lower(), pattern) for pattern in self._columns.other_files):
            raise source.error("columns of a file of this name mean something else than the map")
        for table in mapped_tables(source, self._columns):
            self._say_left_out(source, table.columns)
            for uneven in table.uneven():
                count = len(uneven.cells)
                source.refuse(f"line {uneven.line} has {count} cells, not {len(table.columns)}")
            for line, cells in table.records():
                with source.refusing():
                    yield from self._row(source, MappedRow(source, line, cells, self._columns))

    def _say_left_out(self, source: Source, columns: tuple[str, ...]) -> None:
        mapped = {head_key(head) for head in self._columns.heads}
        names = [head_key(name) for name in columns if head_key(name) not in mapped]
        if names:
            source.skip(f"columns that are not in the map: {', '.join(filter(None, names))}")

    def _row(self, source: Source, row: MappedRow) -> list[Record]:
        runs: dict[tuple[Any, ...], list[tuple[MappedColumn, CellFigure]]] = {}
        counts = row.counts()
        for entry in self._columns.columns:
            if entry.target in READABLE and (figure := row.figure(entry)):
                run = (measure_of(entry.target), _run_counts(entry, counts), entry.task)
                runs.setdefault(run, []).append((entry, figure))
        if not runs:
            source.skip(f"line {row.line} has no figure")
            return []
        weights = self._weights(source, row)
        return [
            Record(
                origin=self.origin,
                weights=weights,
                **_workload(source, row, measure, dict(numbers), task, figures),
                backend=row.text("backend") or "not named",
                options=row.options(),
                hardware=source.hardware_named(row.text("hardware")),
                device_kind="unknown",
                figures=tuple(self._figures(figures, task)),
                place=RecordPlace(source.name, row.line),
            )
            for (measure, numbers, task), figures in runs.items()
        ]

    def _weights(self, source: Source, row: MappedRow) -> ImportedWeights:
        quant = row.text("quant")
        if not quant:
            named = row.text("model")
            quant = quant_in(named) or quant_in_path(named)
        if not quant:
            raise source.error(
                f"line {row.line}: no quant; map a column to quant, or a model's name that ends "
                "with one"
            )
        name = source.model_named(row.text("model"))
        if not name:
            source.skip("the model is not named; give it with --model, or map a column to model")
            name = f"unnamed ({source.name})"
        sizes = row.sizes()
        size, parameters = sizes.get("artifact_bytes"), sizes.get("parameters")
        derived = bits_per_weight(size, parameters)
        if derived is not None and not _BITS[0] <= derived <= _BITS[1]:
            raise source.error(
                f"line {row.line}: {size:.6g} bytes of {parameters:.6g} parameters are "
                f"{derived:.3g} bits per weight; is a unit wrong?"
            )
        return ImportedWeights(
            model=name,
            quant=quant,
            format=row.text("format") or ("gguf" if _GGUF.search(quant) else "unknown"),
            quantizer=row.text("quantizer"),
            parameters=None if parameters is None else round(parameters),
            bytes=None if size is None else round(size),
            bpw=sizes.get("bpw", derived),
        )

    def _figures(
        self, figures: list[tuple[MappedColumn, CellFigure]], task: str
    ) -> Iterator[Metric]:
        for entry, (value, error, unit) in figures:
            how = f"column {entry.column}" + ("; sd as it stands behind ±" if error else "")
            yield metric.figure(entry.target, value, self.origin.name, sd=error, unit=unit, how=how)
            if entry.target == "accuracy" and (about := task_of(task)):
                yield metric.figure("chance", about.chance, self.origin.name)


def _run_counts(entry: MappedColumn, counts: Mapping[str, int]) -> tuple[tuple[str, int], ...]:
    """What a figure was measured over: the map and the head before a column of the row."""
    measure = measure_of(entry.target)
    names = {
        "prefill": ("tokens", "depth"),
        "decode": ("tokens", "depth"),
        "memory": ("context",),
        "latency": ("prompt", "generated"),
        "quality": ("context",),
    }.get(measure, ())
    own = dict(entry.run)
    numbers = {name: own.get(name, counts.get(name)) for name in names}
    return tuple((name, value) for name, value in numbers.items() if value is not None)


def _workload(
    source: Source,
    row: MappedRow,
    measure: str,
    numbers: Mapping[str, int],
    task: str,
    figures: list[tuple[MappedColumn, CellFigure]],
) -> dict[str, Any]:
    """`measure`, `label` and `workload` of a record."""
    if measure in ("prefill", "decode"):
        if not numbers.get("tokens"):
            raise source.error(f"line {row.line}: the tokens of the rate are not said")
        return speed_run(measure, numbers["tokens"], numbers.get("depth", 0))
    if measure == "memory":
        if "context" not in numbers and any(entry.target != "load_s" for entry, _ in figures):
            raise source.error(f"line {row.line}: the context of the memory is not said")
        return memory_run(numbers.get("context", 0))
    if measure == "latency":
        if not numbers.get("generated") or "prompt" not in numbers:
            raise source.error(f"line {row.line}: the tokens in and out are not said")
        return latency_run(numbers["prompt"], numbers["generated"], 1)
    if measure == "tasks":
        about = task_of(task)
        if about is None:
            raise source.error(
                f"line {row.line}: accuracy of {task!r}, which is no known task; write "
                "accuracy:%@mmlu with its name"
            )
        return task_run(about.task_class, task)
    paired = any(entry.target.startswith(_PAIRED) for entry, _ in figures)
    return {
        "measure": "quality",
        "label": "quality ?x" + (str(numbers["context"]) if "context" in numbers else "?"),
        "workload": {
            "text": "not named in the table",
            "text_sha256": "",
            "context": numbers.get("context", 0),
            "chunks": 0,
            "reference": "the table's reference model" if paired else None,
        },
    }
