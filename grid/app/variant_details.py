"""One variant's measurements: figures, raw samples, environment, and the command that repeats."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from grid.analysis.dataset import repeat_command
from grid.analysis.figures import number
from grid.analysis.token_use import FROM_NAME
from grid.app.charts.samples import samples_figure
from grid.app.page_parts import CHART, current_look, note, plain, show_table
from grid.models.display_names import visible
from grid.models.parameters_text import parameters_text
from grid.units import format_bytes, format_seconds

if TYPE_CHECKING:
    import pandas as pd

    from grid.analysis import Variant
    from grid.analysis.dataset import AttemptDetail, Dataset

MOST_ROWS = 2000
"""Rows of raw samples that a table shows."""


def show_variant(dataset: Dataset, variant: Variant, name: str, key: str) -> None:
    """All that was measured of a variant, one attempt at a time."""
    st.subheader(plain(name), anchor=False)
    bits = f", {variant.bpw_file:.2f} bits per weight" if variant.bpw_file else ""
    bits = f" ({variant.size_text})" if variant.size_text else bits
    st.caption(
        plain(
            f"{variant.format} in {variant.backend} on {variant.hardware_class}: "
            f"{format_bytes(variant.artifact_bytes)}{bits}"
        )
    )
    if text := parameters_text(
        variant.parameters,
        variant.active_parameters,
        variant.experts,
        by_name=variant.parameters_from == FROM_NAME,
    ):
        st.caption(plain(text))
    labels = _labels(dataset, variant)
    if not labels:
        note("No attempt is known behind these figures.")
        return
    picked = st.selectbox("Measurement", list(labels), format_func=labels.__getitem__, key=key)
    _attempt(dataset.attempt(picked), key)


def _labels(dataset: Dataset, variant: Variant) -> dict[str, str]:
    """Names of the variant's attempts by id, as people write workloads."""
    import pyarrow as pa
    import pyarrow.compute as pc

    ids = list(dict.fromkeys(i for of_measure in variant.attempt_ids.values() for i in of_measure))
    attempts = dataset.attempts().select(["attempt_id", "label"])
    mine = attempts.filter(pc.is_in(attempts["attempt_id"], pa.array(ids, pa.string())))
    label_of = dict(zip(*(mine[c].to_pylist() for c in ("attempt_id", "label")), strict=True))
    return {name: visible(label_of[name] or "") for name in ids if name in label_of}


def _attempt(detail: AttemptDetail, key: str) -> None:
    row = detail.row
    when = f"{row['started_at']:%Y-%m-%d %H:%M} UTC" if row["started_at"] else "at an unknown time"
    took = f", took {format_seconds(row['wall_s'])}" if row["wall_s"] else ""
    reason = f": {row['reason']}" if row["reason"] else ""
    st.caption(plain(f"{row['status']}{reason}, measured {when} on {row['node'] or '-'}{took}"))
    samples, figures, around, repeat = st.tabs(
        ["Raw samples", "Figures", "Environment", "Repeat it"]
    )
    with samples:
        _samples(detail, key)
    with figures:
        show_table(_figures(detail), f"{key}_figures")
    with around:
        facts = {
            "engine": f"{row['backend']} {row['engine_version'] or ''}",
            "options": row["options"],
        }
        facts |= dict(sorted(detail.environment.items()))
        frame = {"fact": list(facts), "value": [str(value) for value in facts.values()]}
        show_table(frame, f"{key}_environment")
    with repeat:
        st.caption("Measures the sweep that this cell is from again, on this machine.")
        st.code(visible(repeat_command(row), prose=True), language="bash", wrap_lines=True)
        st.caption(plain(f"attempt {row['attempt_id']}, cell {row['cell_id']}"))


def _figures(detail: AttemptDetail) -> dict[str, list[str]]:
    rows = sorted(detail.metrics.to_pylist(), key=lambda metric: str(metric["name"]))
    return {
        "figure": [str(m["name"]) for m in rows],
        "value": [number(m["value"], 5) for m in rows],
        "95 % from": [number(m["low"], 5) for m in rows],
        "to": [number(m["high"], 5) for m in rows],
        "unit": [str(m["unit"] or "") for m in rows],
        "n": [str(m["n"]) for m in rows],
        "how": [str(m["method"] or "") for m in rows],
    }


def _samples(detail: AttemptDetail, key: str) -> None:
    """The chosen series as a chart and a table; items where the attempt asked some."""
    series = {str(row["name"]): row for row in detail.samples.to_pylist()}
    lists = [name for name, row in series.items() if len(row["values"] or []) > 1]
    if detail.items.num_rows:
        show_table(_items(detail), f"{key}_items")
    if not series:
        if not detail.items.num_rows:
            note("No raw samples were kept of this one.")
        return
    if lists:
        name = lists[0]
        if len(lists) > 1:
            name = st.selectbox("Series", lists, key=f"{key}_series")
        row = series[name]
        chart = samples_figure(name, str(row["unit"] or ""), row["values"], current_look())
        st.plotly_chart(chart, key=f"{key}_chart", config=CHART)
    with st.expander("As a table", expanded=not lists):
        frame: dict[str, list[object]] = {"series": [], "unit": [], "no.": [], "value": []}
        for name, row in series.items():
            for i, value in enumerate((row["values"] or [])[:MOST_ROWS], 1):
                for column, cell in zip(frame, (name, row["unit"], i, value), strict=True):
                    frame[column].append(cell)
        show_table(frame, f"{key}_table")


def _items(detail: AttemptDetail) -> pd.DataFrame:
    columns = ["item", "score", "chance", "chosen", "answer"]
    return detail.items.select(columns).to_pandas()
