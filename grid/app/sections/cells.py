"""The cells of a hardware class by their status, with why they gave no figure."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING

import streamlit as st

from grid.analysis.dataset import Dataset
from grid.app import address
from grid.app.page_parts import plain, show_table
from grid.app.top_bar import choose_class
from grid.models.display_names import visible
from grid.units import count_of

if TYPE_CHECKING:
    import pandas as pd

TEXTS = {
    "model": "model", "quant": "quant", "format": "format", "backend": "engine",
    "label": "measurement", "status": "status", "reason": "why",
}  # fmt: skip


def draw_cells(dataset: Dataset) -> None:
    """Boxes for hardware and status, and the cells. The statuses are those of the whole store, so
    that another hardware class keeps the choice."""
    if not dataset.classes:
        return
    st.subheader("Cells", anchor=False)
    left, right = st.columns(2, vertical_alignment="bottom")
    with left:
        hardware = choose_class(dataset)
    key = (dataset.display_name, dataset.fingerprint)
    with right:
        statuses = address.select_several("Status", _statuses(key, dataset), "status")
    rows = _cells(key, hardware.name, tuple(statuses), dataset)
    count = count_of(len(rows), "cell")
    st.markdown(plain(f"{count} on {hardware.name}: {_counts(rows)}." if len(rows) else count))
    if len(rows):
        show_table(rows, "runs_cells")


@st.cache_data(max_entries=4, show_spinner=False)
def _statuses(key: Hashable, _dataset: Dataset) -> list[str]:
    return sorted(
        {str(status) for status in _dataset.overview.final["status"].unique().to_pylist()}
    )


@st.cache_data(max_entries=16, show_spinner=False)
def _cells(
    key: Hashable, hardware_class: str, statuses: Sequence[str], _dataset: Dataset
) -> pd.DataFrame:
    import pyarrow.compute as pc

    wanted = pc.field("hardware_class") == hardware_class
    if statuses:
        wanted &= pc.field("status").isin(list(statuses))
    rows = _dataset.overview.final.filter(wanted).select(list(TEXTS)).to_pandas()
    ordered = rows.sort_values(["model", "quant", "label"], kind="stable")
    texts = ordered.fillna("").map(lambda text: visible(str(text)))
    return texts.rename(columns=TEXTS).reset_index(drop=True)


def _counts(rows: pd.DataFrame) -> str:
    counts = rows["status"].value_counts()
    return ", ".join(f"{count:,} {status}" for status, count in counts.items())
