"""Tables of rows, and what merging and compacting a store did."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from grid.analysis.figures import interval, number
from grid.cli.views.console import (
    console,
    differing_options,
    print_json,
    table,
    third_party_lines,
)
from grid.models.display_names import visible
from grid.results.compact import Compaction
from grid.results.merge import MergedSource
from grid.results.metrics import METRICS
from grid.results.statistics import Interval
from grid.units import count_of, format_bytes

HEADLINES = {
    "memory": {"load_s": "load", "peak_rss_bytes": "peak"},
    "prefill": {"prefill_tps": "prefill"},
    "decode": {"decode_tps": "decode"},
    "latency": {"ttft_s": "first token", "tpot_s": "each further"},
    "load": {"ttft_s": "first token", "tpot_s": "each further", "output_throughput": "output"},
    "quality": {"perplexity": "perplexity", "kld_mean": "KLD"},
    "tasks": {"accuracy": "accuracy", "ndcg_at_10": "nDCG@10", "capability": "capability"},
}
"""Metrics shown for each measure where no columns are chosen, with what people call them."""

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
        columns["settings" if with_source else "options"] = options
    heads = list(columns)
    wrap = [
        heads.index(name)
        for name in ("figures", "source", "options", "settings")
        if name in columns
    ]
    cells = list(zip(*columns.values(), strict=True))
    console().print(table(heads, cells, wrap=wrap, names=(0, 1), optional=(2,)))


def _figures(row: dict[str, Any]) -> str:
    """The main figures of a row, or why there are none."""
    headlines = HEADLINES.get(row["measure"], {})
    figures = [_figure(row, metric, name) for metric, name in headlines.items()]
    return ", ".join(figure for figure in figures if figure) or str(row["reason"])


def _figure(row: dict[str, Any], metric: str, name: str) -> str:
    """`decode 812 [801, 823] token/s`; empty where it was not measured."""
    value, low, high = (row.get(metric + end) for end in ("", "_low", "_high"))
    if value is None:
        return ""
    unit = METRICS[metric].unit
    if unit == "B":
        return f"{name} {interval(Interval(value, low, high), format_bytes)}"
    scale = 1.0
    if unit == "s" and value < 1:
        scale, unit = 1000.0, "ms"
    figure = interval(Interval(value, low, high), lambda end: number(scale * end))
    return f"{name} {figure}" if unit == "1" else f"{name} {figure} {unit}"


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, list):  # a map: facts by name
        return ", ".join(f"{name}={fact}" for name, fact in value)
    return number(value, 4) if isinstance(value, float) else str(value)


def print_compaction(compaction: Compaction, as_json: bool = False) -> None:
    """How many files were merged into how many, and which were left alone."""
    if as_json:
        print_json(_with_problems(compaction._asdict()))
        return
    out = console()
    if compaction.merged:
        out.print(f"{count_of(compaction.merged, 'file')} merged into {compaction.written}")
    else:
        out.print("nothing to merge: each table is one file already")
    for problem in compaction.problems:
        out.print(f"not read, and left as it is: {visible(problem.file)}: {problem.reason}")


def print_merges(sources: Sequence[MergedSource], as_json: bool = False) -> None:
    """What came from each store."""
    if as_json:
        print_json([_with_problems(merged._asdict()) for merged in sources])
        return
    for merged in sources:
        print_merge(merged)


def _with_problems(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields with the files that could not be read as plain data."""
    problems = [{"file": p.file, "reason": p.reason} for p in fields["problems"]]
    return {**fields, "problems": problems}


def print_merge(merged: MergedSource) -> None:
    """How many attempts came from a store, and which of its files were left alone."""
    out = console()
    before = f"; {merged.already_present} were there already" if merged.already_present else ""
    line = f"{count_of(merged.added, 'new attempt')} from {merged.source}{before}"
    out.print(line)
    for problem in merged.problems:
        out.print(f"not read: {merged.source}/{problem.file}: {problem.reason}")
    for line in merged.refused:
        out.print(f"left out: {line}")
    for line in merged.conflicts:
        out.print(f"note: {line}")
