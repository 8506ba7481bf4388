"""Measurements that drifted, had stray repetitions, or were disturbed by other programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import streamlit as st

from grid.analysis.dataset import Dataset, HardwareClass
from grid.analysis.dataset.repeat import sweep_command
from grid.analysis.dataset.suspect_figures import (
    DRIFT,
    OTHERS,
    OUTLIERS,
    SuspectFigure,
    suspect_figures_of_classes,
)
from grid.app.page_parts import answer, plain, show_table
from grid.app.stored_result import StoredResult
from grid.models.display_names import visible
from grid.units import count_of

KINDS = {
    DRIFT: ("drift", "drifted from repetition to repetition"),
    OUTLIERS: ("stray repetitions", "had repetitions far from the others"),
    OTHERS: ("other programs", "ran while other programs computed"),
}
"""By kind of suspect figure: its name, and what such cells did."""


def draw_suspects(dataset: Dataset) -> None:
    """By hardware class; nothing where no measurement is suspect."""
    of_classes = _suspects(dataset.fingerprint, dataset)
    suspects = [
        (hardware, of_class)
        for hardware in dataset.classes
        if (of_class := of_classes.get(hardware.name))
    ]
    if not suspects:
        return
    st.subheader("Suspect measurements", anchor=False)
    for hardware, of_class in suspects:
        answer(plain(sentence(of_class, hardware)))
    ids = [suspect.attempt_id for _, of_class in suspects for suspect in of_class]
    st.markdown("Rerun when idle:")
    for command in _commands(dataset.fingerprint, tuple(ids), dataset):
        st.code(command, language="bash", wrap_lines=True)
    rows = [(hardware, suspect) for hardware, of_class in suspects for suspect in of_class]
    frame = {
        "what": [KINDS[suspect.kind][0] for _, suspect in rows],
        "cell": [visible(suspect.label) for _, suspect in rows],
        "how": [visible(suspect.text) for _, suspect in rows],
        "node": [visible(suspect.node) for _, suspect in rows],
        "hardware": [visible(hardware.name) for hardware, _ in rows],
    }
    show_table(frame, "runs_suspects")


@st.cache_data(max_entries=4, show_spinner=False)
def _suspects(fingerprint: str, _dataset: Dataset) -> dict[str, list[SuspectFigure]]:
    """By hardware class, of those that were measured; as they were derived before, for they take
    seconds in a large store."""
    stored = StoredResult(_dataset, f"suspects-{fingerprint}", dict[str, list[SuspectFigure]])
    names = [hardware.name for hardware in _dataset.classes if not hardware.has_imports]
    return stored.get(lambda: suspect_figures_of_classes(_dataset, names))


@st.cache_data(max_entries=4, show_spinner=False)
def _commands(fingerprint: str, ids: Sequence[str], _dataset: Dataset) -> list[str]:
    """The sweeps of the attempts, as commands."""
    import pyarrow as pa
    import pyarrow.compute as pc

    attempts = _dataset.overview.attempts
    mine = attempts.filter(pc.is_in(attempts["attempt_id"], value_set=pa.array(ids, pa.string())))
    sweeps = sorted({str(name or "") for name in mine["sweep"].unique().to_pylist()})
    return [visible(sweep_command(name, _dataset.display_name)) for name in sweeps]


def sentence(suspects: Sequence[SuspectFigure], hardware: HardwareClass) -> str:
    """How many measurements of a class are suspect, by kind."""
    counts = Counter(suspect.kind for suspect in suspects)
    causes = ", ".join(
        f"{count_of(counts[kind], 'cell')} {KINDS[kind][1]}" for kind in KINDS if counts[kind]
    )
    return f"On {hardware.name}, {causes}."
