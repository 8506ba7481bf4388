"""Runs: what was measured where, what runs now, what failed and why, what is suspect."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import streamlit as st

from grid.analysis.dataset import Dataset
from grid.analysis.dataset.runs import (
    FailureGroup,
    NodeSummary,
    RunsReport,
    SweepSummary,
    runs_report,
)
from grid.analysis.figures import ABSENT
from grid.app.page_parts import answer, heading, plain, show_table
from grid.app.sections.cells import draw_cells
from grid.app.sections.running import draw_running
from grid.app.sections.suspects import draw_suspects
from grid.app.store import open_dataset, store_address
from grid.models.display_names import visible
from grid.units import count_of, format_seconds

FINE = ("ok", "skipped")

EXAMPLES = 3
"""Cells that a failure names."""


def draw() -> None:
    heading("Runs")
    draw_running(store_address())
    dataset = open_dataset()
    if dataset is None:
        return
    report = _runs_report(dataset.fingerprint, dataset)
    answer(plain(sentence(report)))
    _show_sweeps(report.sweeps)
    _show_failures(report.failures)
    draw_suspects(dataset)
    draw_cells(dataset)
    _show_nodes(report.nodes)


def sentence(report: RunsReport) -> str:
    """`1 sweep measured 314 cells on 1 node; nothing failed.`"""
    measured = [sweep for sweep in report.sweeps if not sweep.origin]
    ok = sum(sweep.cells.get("ok", 0) for sweep in measured)
    failed = sum(len(group.labels) for group in report.failures if group.status != "skipped")
    skipped = sum(len(group.labels) for group in report.failures if group.status == "skipped")
    parts = []
    if measured:
        where = count_of(len(report.nodes), "node")
        parts.append(
            f"{count_of(len(measured), 'sweep')} measured {count_of(ok, 'cell')} on {where}"
        )
    if imported := len(report.sweeps) - len(measured):
        parts.append(f"{count_of(imported, 'import')} brought figures of others")
    parts.append(f"{count_of(failed, 'cell')} failed" if failed else "nothing failed")
    if skipped:
        parts.append(f"{count_of(skipped, 'cell')} could not be tried")
    return "; ".join(parts) + "."


@st.cache_data(max_entries=3, show_spinner=False)
def _runs_report(fingerprint: str, _dataset: Dataset) -> RunsReport:
    return runs_report(_dataset)


def _show_sweeps(sweeps: Sequence[SweepSummary]) -> None:
    st.subheader("Sweeps", anchor=False)
    frame: dict[str, list[object]] = {
        "sweep": [visible(sweep.name) for sweep in sweeps],
        "began (UTC)": [_time_text(sweep.first) for sweep in sweeps],
        "took": [duration_text(sweep) for sweep in sweeps],
        "ok": [sweep.cells.get("ok", 0) for sweep in sweeps],
        "failed": [sum(n for s, n in sweep.cells.items() if s not in FINE) for sweep in sweeps],
        "skipped": [sweep.cells.get("skipped", 0) for sweep in sweeps],
        "in the engine": [_engine_share_text(sweep) for sweep in sweeps],
        "nodes": [_list_text(sweep.nodes) for sweep in sweeps],
        "hardware": [_list_text(sweep.hardware_classes) for sweep in sweeps],
        "from": [visible(sweep.origin or "measured") for sweep in sweeps],
        "id": [visible(sweep.id) for sweep in sweeps],
    }
    show_table(frame, "runs_sweeps")
    st.caption(
        "In the engine: the share of the cells' time that was loading, quantizing and computing; "
        "the remainder is quantgrid's own."
    )


def _engine_share_text(sweep: SweepSummary) -> str:
    return ABSENT if sweep.engine_share is None else f"{sweep.engine_share:.0%}"


def _show_failures(failures: Sequence[FailureGroup]) -> None:
    """Nothing where every cell has a figure."""
    if not failures:
        return
    st.subheader("Failures", anchor=False)
    frame: dict[str, list[object]] = {
        "status": [group.status for group in failures],
        "cells": [len(group.labels) for group in failures],
        "why": [visible(group.reason) for group in failures],
        "for example": [_list_text(group.labels[:EXAMPLES]) for group in failures],
        "nodes": [_list_text(group.nodes) for group in failures],
        "last (UTC)": [_time_text(group.last) for group in failures],
    }
    show_table(frame, "runs_failures")


def _show_nodes(nodes: Sequence[NodeSummary]) -> None:
    """Nothing where all figures are of others."""
    if not nodes:
        return
    st.subheader("Nodes", anchor=False)
    frame: dict[str, list[object]] = {
        "node": [visible(node.name) for node in nodes],
        "hardware": [_list_text(node.hardware_classes) for node in nodes],
        "arithmetic": [_list_text(node.device_kinds) for node in nodes],
        "bandwidth": [
            f"{node.bandwidth_bytes_s / 1e9:.3g} GB/s" if node.bandwidth_bytes_s else ABSENT
            for node in nodes
        ],
        "attempts": [node.attempts for node in nodes],
        "last (UTC)": [_time_text(node.last) for node in nodes],
        "set by hand": [visible(node.overridden or "nothing") for node in nodes],
        "versions": [_versions_text(node) for node in nodes],
        "system": [visible(node.system) for node in nodes],
    }
    show_table(frame, "runs_nodes")


def _versions_text(node: NodeSummary) -> str:
    versions = node.versions.items()
    return visible("; ".join(f"{name} {' and '.join(values)}" for name, values in versions))


def _list_text(names: Sequence[str]) -> str:
    return visible(", ".join(names))


def duration_text(run: SweepSummary) -> str:
    """From the first attempt's beginning to the last one's end."""
    if run.first is None or run.last is None:
        return ABSENT
    return format_seconds((run.last - run.first).total_seconds())


def _time_text(at: datetime | None) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S") if at else ABSENT
