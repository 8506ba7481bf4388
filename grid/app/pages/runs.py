"""Runs: what was measured where, what runs now, what failed and why, which figures are suspect."""

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
from grid.analysis.figures import ABSENT, count_of
from grid.app.import_export import export_buttons, import_form
from grid.app.page_parts import answer, heading, note
from grid.app.sidebar import choose_class
from grid.app.store import open_dataset, store_address
from grid.errors import GridError
from grid.results.heartbeat import EVERY_S, RunningSweep, SweepStatus, running_sweeps
from grid.units import format_seconds

FINE = ("ok", "skipped")

KINDS = {
    DRIFT: ("drift", "drifted from repetition to repetition"),
    OUTLIERS: ("stray repetitions", "had repetitions far from the others"),
    OTHERS: ("other programs", "ran while other programs computed"),
}
"""By kind of suspect figure: its name, and what such cells did."""

EXAMPLES = 3
"""Cells that a failure names."""


def draw() -> None:
    heading("What was run, and what went wrong?")
    place = store_address()
    _show_running(place)
    dataset = open_dataset()
    if dataset is not None:
        report = _runs_report(dataset.fingerprint, dataset)
        answer(sentence(report))
        _show_sweeps(report.sweeps)
        _show_failures(report.failures)
        _show_nodes(report.nodes)
        _show_suspects(dataset)
        export_buttons(dataset.fingerprint, place)
    import_form(place, dataset)


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


@st.fragment(run_every=EVERY_S)
def _show_running(place: str) -> None:
    """Sweeps that run now. Their rows are read when the last of them has ended."""
    try:
        sweeps = running_sweeps(place)
    except GridError:
        return  # the page itself says what is wrong with the store
    for sweep in sweeps:
        _show_progress(sweep)
    alive = any(sweep.is_alive for sweep in sweeps)
    if st.session_state.get("runs_alive") and not alive:
        st.session_state["runs_alive"] = False
        st.rerun()
    st.session_state["runs_alive"] = alive


def _show_progress(sweep: RunningSweep) -> None:
    status = sweep.status
    if not sweep.is_alive:
        st.warning(
            f"{status.sweep} on {status.host} stopped after {status.done} of {status.cells} cells: "
            f"{sweep.why_dead}. Its rows are kept; the same command goes on."
        )
        return
    done = min(1.0, status.done / status.cells) if status.cells else 0.0
    st.progress(done, text=f"{status.sweep} runs: {progress_text(status)}")
    places = ", ".join(status.nodes) or status.host
    at = f", at {status.now}" if status.now else ""
    st.caption(f"On {places}{at}; started {status.started}, last heard of {status.updated}.")


def progress_text(status: SweepStatus) -> str:
    """How far a sweep is: `120 of 314 cells, 2 failed, about 3 min left`."""
    parts = [f"{status.done} of {count_of(status.cells, 'cell')}"]
    if status.failed:
        parts.append(f"{status.failed} failed")
    if status.measured:
        parts.append(f"{status.measured} measured before")
    if status.eta_s is not None and status.done < status.cells:
        parts.append(f"about {format_seconds(status.eta_s)} left")
    return ", ".join(parts)


@st.cache_data(max_entries=3, show_spinner=False)
def _runs_report(fingerprint: str, _dataset: Dataset) -> RunsReport:
    return runs_report(_dataset)


def _show_sweeps(sweeps: Sequence[SweepSummary]) -> None:
    st.subheader("Sweeps", anchor=False)
    _table(
        [
            {
                "sweep": sweep.name,
                "began (UTC)": _time_text(sweep.first),
                "took": duration_text(sweep),
                "ok": sweep.cells.get("ok", 0),
                "failed": sum(n for status, n in sweep.cells.items() if status not in FINE),
                "skipped": sweep.cells.get("skipped", 0),
                "in the engine": _engine_share_text(sweep),
                "nodes": ", ".join(sweep.nodes),
                "hardware": ", ".join(sweep.hardware_classes),
                "from": sweep.origin or "measured",
                "id": sweep.id,
            }
            for sweep in sweeps
        ],
        "runs_sweeps",
    )
    st.caption(
        "In the engine: the part of the cells' time that was spent loading, quantizing and "
        "computing; the rest is ours."
    )


def _engine_share_text(sweep: SweepSummary) -> str:
    return ABSENT if sweep.engine_share is None else f"{sweep.engine_share:.0%}"


def _show_failures(failures: Sequence[FailureGroup]) -> None:
    st.subheader("Failures", anchor=False)
    if not failures:
        note("Every cell has a figure: nothing failed and nothing was skipped.")
        return
    _table(
        [
            {
                "status": group.status,
                "cells": len(group.labels),
                "reason": group.reason,
                "for example": ", ".join(group.labels[:EXAMPLES]),
                "nodes": ", ".join(group.nodes),
                "last (UTC)": _time_text(group.last),
            }
            for group in failures
        ],
        "runs_failures",
    )


def _show_nodes(nodes: Sequence[NodeSummary]) -> None:
    st.subheader("Nodes", anchor=False)
    if not nodes:
        note("No node of yours has measured anything here.")
        return
    _table(
        [
            {
                "node": node.name,
                "hardware": ", ".join(node.hardware_classes),
                "arithmetic": ", ".join(node.device_kinds),
                "bandwidth": f"{node.bandwidth_bytes_s / 1e9:.3g} GB/s"
                if node.bandwidth_bytes_s
                else ABSENT,
                "attempts": node.attempts,
                "last (UTC)": _time_text(node.last),
                "set by hand": node.overridden or "nothing",
                "versions": "; ".join(
                    f"{name} {' and '.join(values)}" for name, values in node.versions.items()
                ),
                "system": node.system,
            }
            for node in nodes
        ],
        "runs_nodes",
    )


def _show_suspects(dataset: Dataset) -> None:
    st.subheader("Figures to look at twice", anchor=False)
    if not dataset.classes:
        return
    hardware = choose_class(dataset, "runs_hardware")
    suspects = _suspects_on(dataset.fingerprint, hardware.name, dataset)
    answer(suspects_sentence(suspects, hardware))
    if suspects:
        _table(
            [
                {
                    "what": KINDS[suspect.kind][0],
                    "cell": suspect.label,
                    "how": suspect.text,
                    "node": suspect.node,
                }
                for suspect in suspects
            ],
            "runs_doubts",
        )


def suspects_sentence(suspects: Sequence[SuspectFigure], hardware: HardwareClass) -> str:
    """How many figures of a class are suspect, by kind."""
    if not suspects:
        return f"Nothing on {hardware.name} drifted, strayed or was disturbed."
    counts = Counter(suspect.kind for suspect in suspects)
    causes = ", ".join(
        f"{count_of(counts[kind], 'cell')} {KINDS[kind][1]}" for kind in KINDS if counts[kind]
    )
    return f"On {hardware.name}, {causes}. `grid sweep --fresh` on a quiet machine measures again."


@st.cache_data(max_entries=8, show_spinner=False)
def _suspects_on(fingerprint: str, hardware_class: str, _dataset: Dataset) -> list[SuspectFigure]:
    return suspect_figures_on(_dataset, hardware_class)


def _table(rows: Sequence[dict[str, Any]], key: str) -> None:
    with st.container(key=key):
        st.dataframe(list(rows), hide_index=True)


def duration_text(run: SweepSummary) -> str:
    """From the first attempt's beginning to the last one's end."""
    if run.first is None or run.last is None:
        return ABSENT
    return format_seconds((run.last - run.first).total_seconds())


def _time_text(at: datetime | None) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S") if at else ABSENT
