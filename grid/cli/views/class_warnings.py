"""What to know of the figures of a hardware class: suspect ones, and what is missing and why."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from grid.analysis.dataset import Dataset, repeat_command
from grid.analysis.dataset.suspect_figures import DRIFT, OTHERS, SuspectFigure, suspect_figures_on
from grid.errors import name_some
from grid.units import count_of

NAMED = 3
"""Measurements that a line names before it counts the others."""


def class_warnings(dataset: Dataset, hardware_class: str, command: str = "") -> list[str]:
    """A line for each: suspect measurements with the `command` that runs them again (else that of
    their rows), divergences that there are none of, items that were not answered."""
    return [
        *_suspect_lines(dataset, hardware_class, command),
        *_refused_divergences(dataset, hardware_class),
        *_unanswered_items(dataset, hardware_class),
    ]


def _suspect_lines(dataset: Dataset, hardware_class: str, command: str) -> list[str]:
    """A line for each command that measures again what drifted, or ran beside other programs; a
    single repetition far from the others moves no median."""
    by_command: defaultdict[str, list[SuspectFigure]] = defaultdict(list)
    suspects = suspect_figures_on(dataset, hardware_class)
    for suspect in (suspect for suspect in suspects if suspect.kind in (DRIFT, OTHERS)):
        rerun = command or repeat_command(
            dataset.attempt_row(suspect.attempt_id), dataset.display_name
        )
        by_command[rerun].append(suspect)
    lines = []
    for rerun, suspects in by_command.items():
        names = name_some([f"{s.label} ({s.text})" for s in suspects], NAMED)
        count = count_of(len(suspects), "suspect measurement")
        lines.append(f"{count}: {names}.\nRerun when idle: `{rerun}`")
    return lines


def _refused_divergences(dataset: Dataset, hardware_class: str) -> list[str]:
    """A line for each reason for which there is no divergence from the reference."""
    labels: defaultdict[str, list[str]] = defaultdict(list)
    for row in _final_rows(dataset, hardware_class, "quality"):
        reason = row["environment"].get("kld_refused")
        if reason:
            labels[reason].append(f"{row['model']} {row['quant']} in {row['backend']}")
    return [f"no KLD of {', '.join(names)}: {reason}" for reason, names in labels.items()]


def _unanswered_items(dataset: Dataset, hardware_class: str) -> list[str]:
    """A line for each task of which variants were not asked all items, and why."""
    labels: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for row in _final_rows(dataset, hardware_class, "tasks"):
        reason = row["environment"].get("unanswered")
        if reason:
            labels[row["label"], reason].append(f"{row['model']} {row['quant']}")
    return [
        f"{task}, counted as wrong: {reason}; {name_some(names, NAMED)}"
        for (task, reason), names in labels.items()
    ]


def _final_rows(dataset: Dataset, hardware_class: str, measure: str) -> list[dict[str, Any]]:
    """The attempts at a measure that count and have figures, each with its environment."""
    ok = (pc.field("measure") == measure) & (pc.field("status") == "ok")
    rows: pa.Table = dataset.overview.final.filter(
        ok & (pc.field("hardware_class") == hardware_class)
    )
    ids = rows["attempt_id"].combine_chunks()
    columns = dataset.results.read("attempts", ["environment"], ids).to_pylist()
    environments = {row["attempt_id"]: dict(row["environment"] or ()) for row in columns}
    return [row | {"environment": environments[row["attempt_id"]]} for row in rows.to_pylist()]
