"""Tables of rows, and what merging and compacting a store did."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from grid.analysis.figures import interval, number
from grid.cli.views.console import (
    console,
    differing_options,
    table,
    third_party_lines,
)
from grid.models.display_names import visible
from grid.results.compact import Compaction
from grid.results.merge import MergedSource
from grid.results.statistics import Interval
from grid.units import count_of, format_bytes

HEADLINES = {
    "memory": ("load_s", "peak_rss_bytes"),
    "prefill": ("prefill_tps",),
    "decode": ("decode_tps",),
    "latency": ("ttft_s", "tpot_s"),
    "quality": ("perplexity", "kld_mean"),
    "tasks": ("accuracy", "ndcg_at_10", "capability"),
}
"""Metrics shown for each measure where no columns are chosen."""

SOURCE_COLUMNS = ("origin", "licence")
"""Columns that say who measured a row."""


def headline_columns() -> list[str]:
    """The columns that `print_rows` needs where none are named, if the store has them."""
    columns = ["model", "quant", "backend", "measure", "label", "status", "reason", "options"]
    for name in (name for names in HEADLINES.values() for name in names):
        columns += [name, f"{name}_low", f"{name}_high"]
    return columns


def print_rows(rows: Sequence[dict[str, Any]], names: Sequence[str] | None, total: int) -> None:
    """The columns `names` of rows, or their main figures; `total` counts the store's cells."""
    out = console()
    sources = third_party_lines((row.get("origin"), row.get("licence")) for row in rows)
    if names:
        _print_columns(rows, names)
    else:
        _print_headlines(rows, with_source=bool(sources))
    for line in sources:
        out.print(line)
    out.print(f"{len(rows)} of {total} cells; --where, --columns, --sort, --limit choose")


def _print_columns(rows: Sequence[dict[str, Any]], names: Sequence[str]) -> None:
    """Columns as they were asked for: numbers to the right, all of each text."""
    cells = [[_cell(row[name]) for name in names] for row in rows]
    right = [
        place
        for place, name in enumerate(names)
        if any(isinstance(row[name], int | float) for row in rows)
    ]
    wrap = [place for place in range(len(names)) if place not in right]
    console().print(table(names, cells, right=right, wrap=wrap, keep_empty=True))


def _print_headlines(rows: Sequence[dict[str, Any]], with_source: bool) -> None:
    """The main figures of each row; who measured it where any is imported, options that differ."""
    engines = [row["backend"] for row in rows]
    options = differing_options(engines, [msgspec.json.decode(row["options"]) for row in rows])
    shown = {"model": "model", "quant": "quant", "backend": "backend", "label": "cell"}
    columns = {head: [row[name] or "" for row in rows] for name, head in shown.items()}
    columns["status"] = [row["status"] or "" for row in rows]
    columns["figures"] = [_figures(row) for row in rows]
    if with_source:
        columns["source"] = [row["origin"] or "measured" for row in rows]
    if any(options):
        columns["options"] = options
    heads = list(columns)
    wrap = [heads.index(name) for name in ("figures", "source", "options") if name in columns]
    cells = list(zip(*columns.values(), strict=True))
    console().print(table(heads, cells, wrap=wrap, names=(0, 1), optional=(2,)))


def _figures(row: dict[str, Any]) -> str:
    """The main figures of a row, or why there are none."""
    figures = [_figure(row, name) for name in HEADLINES.get(row["measure"], ())]
    return ", ".join(figure for figure in figures if figure) or str(row["reason"])


def _figure(row: dict[str, Any], name: str) -> str:
    """`decode_tps 812 [801, 823]`; empty where it was not measured."""
    value, low, high = (row.get(name + end) for end in ("", "_low", "_high"))
    if value is None:
        return ""
    write = format_bytes if name.endswith("_bytes") else number
    return f"{name} {interval(Interval(value, low, high), write)}"


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, list):  # a map: facts by name
        return ", ".join(f"{name}={fact}" for name, fact in value)
    return number(value, 4) if isinstance(value, float) else str(value)


def print_compaction(compaction: Compaction) -> None:
    """How many files were merged into how many, and which were left alone."""
    out = console()
    if compaction.merged:
        out.print(f"{count_of(compaction.merged, 'file')} merged into {compaction.written}")
    else:
        out.print("nothing to merge: each table is one file already")
    for problem in compaction.problems:
        out.print(f"not read, and left as it is: {visible(problem.file)}: {problem.reason}")


def print_merge(merged: MergedSource) -> None:
    """How many attempts came from a store, and which of its files were left alone."""
    out = console()
    before = f"; {merged.already_present} were there already" if merged.already_present else ""
    line = f"{count_of(merged.added, 'new attempt')} from {merged.source}{before}"
    out.print(line)
    for problem in merged.problems:
        out.print(f"not read: {merged.source}/{problem.file}: {problem.reason}")
