"""Record: what a reader says of one attempt of another tool, in the source's own units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from grid.cells.measurement import ItemResult, Metric, Series
from grid.models.model import LayerState


@dataclass(frozen=True)
class FigureOrigin:
    """Who measured it: `name` is in every row, `licence` is what is stated of the figures."""

    name: str
    licence: str = "not stated"


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


class RecordPlace(NamedTuple):
    """Where a record stood: file, line (or entry) and run of the file, each from 1 on."""

    file: str = ""
    line: int | None = None
    run: int | None = None
    unit: str = "line"

    def __str__(self) -> str:
        parts = [self.file] if self.file else []
        parts += [f"{self.unit} {self.line}"] if self.line is not None else []
        parts += [f"run {self.run}"] if self.run is not None else []
        return ", ".join(parts)


NOWHERE = RecordPlace()
"""The place of a record of no file."""


@dataclass(frozen=True, kw_only=True)
class Record:
    """One attempt of another tool. `workload` has the fields of the workload of its `measure`.

    `figures` name metrics of `grid.results.metrics`, each with the unit that the source states and
    an interval where it has one; `samples` are their raw repetitions. `options` are all that the
    cell was run with: whatever is no figure and no fact of model, build or machine. `started_at`
    is in seconds since the epoch, None where the source does not say it.
    """

    origin: FigureOrigin
    weights: ImportedWeights
    measure: str
    label: str
    workload: Mapping[str, Any]
    backend: str
    hardware: str
    device_kind: str
    figures: tuple[Metric, ...]
    engine_version: str = ""
    options: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    samples: tuple[Series, ...] = ()
    items: tuple[ItemResult, ...] = ()
    started_at: float | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    place: RecordPlace = NOWHERE

    @property
    def title(self) -> str:
        """What was measured of what: `tg128 of Llama-3.1-8B Q4_K_M`."""
        return f"{self.label} of {self.weights.model} {self.weights.quant}"


def speed_run(kind: str, tokens: int, depth: int, repetitions: int | None = None) -> dict[str, Any]:
    """`measure`, `label` and `workload` of a prefill or decode run over tokens at a depth."""
    name = "pp" if kind == "prefill" else "tg"
    return {
        "measure": kind,
        "label": f"{name}{tokens}" + (f" @ d{depth}" if depth else ""),
        "workload": {"tokens": tokens, "depth": depth, "repetitions": repetitions},
    }


def latency_run(prompt: int, generated: int, requests: int) -> dict[str, Any]:
    """The same of requests one at a time, of so many tokens in (0: nobody says it) and out."""
    return {
        "measure": "latency",
        "label": f"latency {prompt or '?'}+{generated}",
        "workload": {"prompt": prompt, "generate": generated, "repetitions": requests},
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
