"""`grid results`: tables of rows, exports, and merging a store's files."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from grid.cli.views.console import console, differing_in, number, table
from grid.cli.views.sources import third_party
from grid.errors import InputError
from grid.results import open_store
from grid.results.reader import Results, require_rows
from grid.units import format_bytes

_ENDINGS = {".csv": "csv", ".json": "json", ".md": "md", ".parquet": "parquet"}


HEADLINES = {
    "memory": ("load_s", "peak_rss_bytes"),
    "prefill": ("prefill_tps",),
    "decode": ("decode_tps",),
    "latency": ("ttft_s", "tpot_s"),
    "quality": ("perplexity", "kld_mean"),
    "tasks": ("accuracy", "capability"),
}
"""Metrics shown for each measure where no columns are chosen."""


def show_results(
    store: str, where: str | None, columns: str | None, sort: str | None, limit: int
) -> None:
    """One row a cell: what it was and its main figures, or the columns asked for."""
    from grid.results.export import table as select

    results = opened(store)
    out = console()
    names = _names(columns)
    wanted = dict.fromkeys([*(names or _known(results)), *_said(results)])
    found = select(results, where, list(wanted), sort, limit)
    lines = found.to_pylist()
    if names:
        out.print(table(names, [[_cell(line[name]) for name in names] for line in lines]))
    else:
        _print_headlines(lines)
    for text in _sources(lines):
        out.print(text, markup=False, soft_wrap=True)
    total = results.final().num_rows
    out.print(f"{found.num_rows} of {total} cells; --where, --columns, --sort, --limit choose")


def _print_headlines(lines: Sequence[dict[str, Any]]) -> None:
    """The main figures of each row; who measured it where any is imported, options that differ."""
    engines = [line["backend"] for line in lines]
    told = differing_in(engines, [msgspec.json.decode(line["options"]) for line in lines])
    columns = {
        name: [row[place] for row in map(_headline, lines)]
        for place, name in enumerate(("model", "quant", "backend", "cell", "status", "figures"))
    }
    if _sources(lines):
        columns["source"] = [line["origin"] or "measured" for line in lines]
    if any(told):
        columns["options"] = told
    wrap = [place for place, name in enumerate(columns) if name in ("figures", "source", "options")]
    rows = list(zip(*columns.values(), strict=True))
    console().print(table(list(columns), rows, wrap=wrap))


def _said(results: Results) -> list[str]:
    """Columns that say who measured a row."""
    return [name for name in ("origin", "licence") if name in results.wide().column_names]


def _sources(lines: Sequence[dict[str, Any]]) -> list[str]:
    return third_party((line.get("origin"), line.get("licence")) for line in lines)


def _known(results: Results) -> list[str]:
    """The columns that a headline is made from, of those that this store has."""
    wanted = ["model", "quant", "backend", "measure", "label", "status", "reason", "options"]
    for name in (name for names in HEADLINES.values() for name in names):
        wanted += [name, f"{name}_low", f"{name}_high"]
    return [name for name in wanted if name in results.wide().column_names]


def _headline(row: dict[str, Any]) -> tuple[str, ...]:
    figures = [_figure(row, name) for name in HEADLINES.get(row["measure"], ())]
    told = ", ".join(figure for figure in figures if figure) or row["reason"]
    return (row["model"], row["quant"], row["backend"], row["label"], row["status"], told)


def _figure(row: dict[str, Any], name: str) -> str:
    """`decode_tps 812 [801, 823]`; empty where it was not measured."""
    value, low, high = (row.get(name + end) for end in ("", "_low", "_high"))
    if value is None:
        return ""
    write = format_bytes if name.endswith("_bytes") else number
    interval = f" [{write(low)}, {write(high)}]" if low is not None and high is not None else ""
    return f"{name} {write(value)}{interval}"


def export_results(
    store: str, target: Path | None, kind: str | None, where: str | None, columns: str | None
) -> None:
    """Write the wide table; says on standard error how many rows went where."""
    from grid.results.export import export

    kind = kind or (_ENDINGS.get(target.suffix) if target else "csv")
    if kind is None:
        raise InputError(
            f"{target}: no format for this ending; add --format csv, json, md or parquet"
        )
    rows = export(opened(store), target, kind, where, _names(columns))
    sys.stderr.write(f"{rows} rows written to {target or 'standard output'}\n")


def compact_store(store: str) -> None:
    """Merge and say what was merged and what was left alone."""
    from grid.results.compact import compact

    opened(store)
    done = compact(store)
    out = console()
    out.print(f"{done.merged} files merged into {done.written}")
    for problem in done.problems:
        out.print(f"left alone: {problem.file}: {problem.reason}", markup=False)


def opened(store: str) -> Results:
    """A store that has rows; files in it that cannot be read are named on standard error."""
    results = require_rows(open_store(store))
    for problem in results.problems:
        sys.stderr.write(f"skipped {problem.file}: {problem.reason}\n")
    return results


def _names(columns: str | None) -> list[str] | None:
    return [name.strip() for name in columns.split(",") if name.strip()] if columns else None


def _cell(value: object) -> str:
    if value is None:
        return ""
    return number(value, 4) if isinstance(value, float) else str(value)
