"""The sweeps of a store, of which a page may show one by itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping

import streamlit as st

from grid.analysis.dataset import Dataset
from grid.models.display_names import visible


def sweep_labels(dataset: Dataset, hardware_class: str) -> Mapping[str, str]:
    """Names of the sweeps with figures on a hardware class by their id, the newest first; with day
    and time where several have the same name."""
    return _sweep_labels(_key(dataset), dataset, hardware_class)


@st.cache_data(max_entries=32, show_spinner=False)
def _sweep_labels(key: Hashable, _dataset: Dataset, hardware_class: str) -> dict[str, str]:
    import pyarrow.compute as pc

    wanted = (pc.field("hardware_class") == hardware_class) & (pc.field("status") == "ok")
    rows = _dataset.overview.attempts.filter(wanted)
    sweeps = rows.group_by(["sweep_id", "sweep"]).aggregate([("started_at", "max")]).to_pylist()
    timed = [row for row in sweeps if row["started_at_max"] is not None and row["sweep_id"]]
    timed.sort(key=lambda row: row["started_at_max"], reverse=True)
    counts = Counter(row["sweep"] for row in timed)
    return {
        row["sweep_id"]: visible(row["sweep"] or row["sweep_id"])
        + (f", {row['started_at_max']:%Y-%m-%d %H:%M}" if counts[row["sweep"]] > 1 else "")
        for row in timed
    }


def part_of_sweep(dataset: Dataset, sweep_id: str) -> Dataset:
    """The store as if it held one sweep only."""
    return _part_of_sweep(_key(dataset), dataset, sweep_id)


@st.cache_resource(max_entries=4, show_spinner=False)
def _part_of_sweep(key: Hashable, _dataset: Dataset, sweep_id: str) -> Dataset:
    import pyarrow.compute as pc

    return _dataset.filter(pc.field("sweep_id") == sweep_id)


def _key(dataset: Dataset) -> tuple[Hashable, ...]:
    return (dataset.display_name, dataset.fingerprint)
