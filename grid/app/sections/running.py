"""Sweeps that run now."""

from __future__ import annotations

import streamlit as st

from grid.app.page_parts import plain
from grid.errors import GridError
from grid.models.display_names import visible
from grid.results.heartbeat import EVERY_S, RunningSweep, SweepStatus, running_sweeps
from grid.units import count_of, format_seconds


@st.fragment(run_every=EVERY_S)
def draw_running(place: str) -> None:
    """How far each sweep is that writes to the store. Its rows are read when the last has ended."""
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
            plain(
                f"{status.sweep} on {status.host} stopped after {status.done} of {status.cells} "
                f"cells: {sweep.why_dead}. Its rows are safe; the same command goes on."
            )
        )
        return
    done = min(1.0, status.done / status.cells) if status.cells else 0.0
    st.progress(done, text=plain(f"{status.sweep} runs: {progress_text(status)}"))
    places = ", ".join(status.nodes) or status.host
    at = f", at {status.now}" if status.now else ""
    st.caption(
        plain(f"On {places}{at}; started {status.started}, last sign of life {status.updated}.")
    )


def progress_text(status: SweepStatus) -> str:
    """How far a sweep is: `120 of 314 cells, 2 failed, about 3 min left`."""
    parts = [f"{status.done} of {count_of(status.cells, 'cell')}"]
    if status.failed:
        parts.append(f"{status.failed} failed")
    if status.measured:
        parts.append(f"{status.measured} measured before")
    if status.eta_s is not None and status.done < status.cells:
        parts.append(f"about {format_seconds(status.eta_s)} left")
    return visible(", ".join(parts))
