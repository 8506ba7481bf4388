"""Runs: what was measured where, what runs now, what failed and why, which figures to doubt."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import streamlit as st

from grid.analysis.dataset import Dataset, HardwareClass
from grid.analysis.dataset.runs import (
    FailureGroup,
    NodeSummary,
    RunsReport,
    SweepSummary,
    runs_report,
)
from grid.analysis.dataset.suspect_figures import (
    DRIFT,
    OTHERS,
    OUTLIERS,
    SuspectFigure,
    suspect_figures_on,
)
from grid.app.import_export import count_text, export_buttons, import_form
from grid.app.page_parts import answer, heading, note
from grid.app.pages import Page
from grid.app.sidebar import choose_class
from grid.app.store import open_dataset, store_address
from grid.errors import GridError
from grid.results.heartbeat import EVERY_S, RunningSweep, SweepStatus, running_sweeps
from grid.units import format_seconds

PAGE = Page("Runs", path="runs", rank=90)

FINE = ("ok", "skipped")

KINDS = {
    DRIFT: ("drift", "drifted from repetition to repetition"),
    OUTLIERS: ("stray repetitions", "had repetitions far from the others"),
    OTHERS: ("other programs", "ran while other programs computed"),
}
"""By kind of doubt: its name, and what such cells did."""

EXAMPLES = 3
"""Cells that a failure names."""


def draw() -> None:
    heading("What was run, and what went wrong?")
    place = store_address()
    _live(place)
    dataset = open_dataset()
    if dataset is not None:
        told = _account(dataset.fingerprint, dataset)
        answer(sentence(told))
        _sweeps(told.sweeps)
        _failures(told.failures)
        _nodes(told.nodes)
        _doubts(dataset)
        export_buttons(dataset.fingerprint, place)
    import_form(place, dataset)


def sentence(told: RunsReport) -> str:
    """`1 sweep measured 314 cells on 1 node; nothing failed.`"""
    measured = [run for run in told.sweeps if not run.origin]
    ok = sum(run.cells.get("ok", 0) for run in measured)
    failed = sum(len(one.labels) for one in told.failures if one.status != "skipped")
    skipped = sum(len(one.labels) for one in told.failures if one.status == "skipped")
    parts = []
    if measured:
        where = count_text(len(told.nodes), "node")
        parts.append(
            f"{count_text(len(measured), 'sweep')} measured {count_text(ok, 'cell')} on {where}"
        )
    if imported := len(told.sweeps) - len(measured):
        parts.append(f"{count_text(imported, 'import')} brought figures of others")
    parts.append(f"{count_text(failed, 'cell')} failed" if failed else "nothing failed")
    if skipped:
        parts.append(f"{count_text(skipped, 'cell')} could not be tried")
    return "; ".join(parts) + "."


@st.fragment(run_every=EVERY_S)
def _live(place: str) -> None:
    """Sweeps that run now. Their rows are read when the last of them has ended."""
    try:
        seen = running_sweeps(place)
    except GridError:
        return  # the page itself says what is wrong with the store
    for one in seen:
        _progress(one)
    alive = any(one.alive for one in seen)
    if st.session_state.get("runs_alive") and not alive:
        st.session_state["runs_alive"] = False
        st.rerun()
    st.session_state["runs_alive"] = alive


def _progress(seen: RunningSweep) -> None:
    told = seen.status
    if not seen.alive:
        st.warning(
            f"{told.sweep} on {told.host} stopped after {told.done} of {told.cells} cells: "
            f"{seen.dead}. Its rows are kept; the same command goes on."
        )
        return
    done = min(1.0, told.done / told.cells) if told.cells else 0.0
    st.progress(done, text=f"{told.sweep} runs: {far(told)}")
    places = ", ".join(told.nodes) or told.host
    at = f", at {told.now}" if told.now else ""
    st.caption(f"On {places}{at}; started {told.started}, last heard of {told.updated}.")


def far(told: SweepStatus) -> str:
    """How far a sweep is: `120 of 314 cells, 2 failed, about 3 min left`."""
    parts = [f"{told.done} of {count_text(told.cells, 'cell')}"]
    if told.failed:
        parts.append(f"{told.failed} failed")
    if told.measured:
        parts.append(f"{told.measured} measured before")
    if told.eta_s is not None and told.done < told.cells:
        parts.append(f"about {format_seconds(told.eta_s)} left")
    return ", ".join(parts)


@st.cache_data(max_entries=3, show_spinner=False)
def _account(fingerprint: str, _dataset: Dataset) -> RunsReport:
    return runs_report(_dataset)


def _sweeps(found: Sequence[SweepSummary]) -> None:
    st.subheader("Sweeps", anchor=False)
    _table(
        [
            {
                "sweep": one.name,
                "began (UTC)": _time(one.first),
                "took": took(one),
                "ok": one.cells.get("ok", 0),
                "failed": sum(n for status, n in one.cells.items() if status not in FINE),
                "skipped": one.cells.get("skipped", 0),
                "in the engine": "-" if one.engine_share is None else f"{one.engine_share:.0%}",
                "nodes": ", ".join(one.nodes),
                "hardware": ", ".join(one.hardware_classes),
                "from": one.origin or "measured",
                "id": one.id,
            }
            for one in found
        ],
        "runs_sweeps",
    )
    st.caption(
        "In the engine: the part of the cells' time that was spent loading, quantizing and "
        "computing; the rest is ours."
    )


def _failures(found: Sequence[FailureGroup]) -> None:
    st.subheader("Failures", anchor=False)
    if not found:
        note("Every cell has a figure: nothing failed and nothing was skipped.")
        return
    _table(
        [
            {
                "status": one.status,
                "cells": len(one.labels),
                "reason": one.reason,
                "for example": ", ".join(one.labels[:EXAMPLES]),
                "nodes": ", ".join(one.nodes),
                "last (UTC)": _time(one.last),
            }
            for one in found
        ],
        "runs_failures",
    )


def _nodes(found: Sequence[NodeSummary]) -> None:
    st.subheader("Nodes", anchor=False)
    if not found:
        note("No node of yours has measured anything here.")
        return
    _table(
        [
            {
                "node": one.name,
                "hardware": ", ".join(one.hardware_classes),
                "arithmetic": ", ".join(one.device_kinds),
                "bandwidth": f"{one.bandwidth_bytes_s / 1e9:.3g} GB/s"
                if one.bandwidth_bytes_s
                else "-",
                "attempts": one.attempts,
                "last (UTC)": _time(one.last),
                "set by hand": one.overridden or "nothing",
                "versions": "; ".join(
                    f"{name} {' and '.join(known)}" for name, known in one.versions.items()
                ),
                "system": one.system,
            }
            for one in found
        ],
        "runs_nodes",
    )


def _doubts(dataset: Dataset) -> None:
    st.subheader("Figures to look at twice", anchor=False)
    if not dataset.classes:
        return
    hardware = choose_class(dataset, "runs_hardware")
    found = _doubts_of(dataset.fingerprint, hardware.name, dataset)
    answer(doubt_sentence(found, hardware))
    if found:
        _table(
            [
                {"what": KINDS[one.kind][0], "cell": one.label, "how": one.text, "node": one.node}
                for one in found
            ],
            "runs_doubts",
        )


def doubt_sentence(found: Sequence[SuspectFigure], hardware: HardwareClass) -> str:
    """How many figures of a class are to be doubted, by kind."""
    if not found:
        return f"Nothing on {hardware.name} drifted, strayed or was disturbed."
    counts = Counter(one.kind for one in found)
    told = ", ".join(
        f"{count_text(counts[kind], 'cell')} {KINDS[kind][1]}" for kind in KINDS if counts[kind]
    )
    return f"On {hardware.name}, {told}. `grid sweep --fresh` on a quiet machine measures again."


@st.cache_data(max_entries=8, show_spinner=False)
def _doubts_of(fingerprint: str, hardware_class: str, _dataset: Dataset) -> list[SuspectFigure]:
    return suspect_figures_on(_dataset, hardware_class)


def _table(rows: Sequence[dict[str, Any]], key: str) -> None:
    with st.container(key=key):
        st.dataframe(list(rows), hide_index=True)


def took(run: SweepSummary) -> str:
    """From the first attempt's beginning to the last one's end."""
    if run.first is None or run.last is None:
        return "-"
    return format_seconds((run.last - run.first).total_seconds())


def _time(at: datetime | None) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S") if at else "-"
