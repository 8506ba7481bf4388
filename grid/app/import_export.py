"""Rows in and out: files of other tools, and exports for other programs."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from grid.analysis.dataset import Dataset
from grid.app.page_parts import note
from grid.errors import GridError

if TYPE_CHECKING:
    from streamlit.runtime.uploaded_file_manager import UploadedFile

    from grid.results.imports import ImportedReport

EXPORTS = {
    "csv": "text/csv",
    "json": "application/json",
    "md": "text/markdown",
    "parquet": "application/vnd.apache.parquet",
}
"""Formats of `grid results export`, and what browsers call them."""

DETECTED = "as its content says"


def count_text(count: int, noun: str) -> str:
    """`1 cell`, `2 cells`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def export_buttons(fingerprint: str, place: str) -> None:
    """A button for each format; a file is made when its button is pressed."""
    st.subheader("Export", anchor=False)
    st.caption("One row a cell, a column for each metric and its interval.")
    with st.container(horizontal=True):
        for format, mime in EXPORTS.items():
            st.download_button(
                format,
                exporter(place, format),
                f"quantgrid.{format}",
                mime,
                key=f"export_{format}",
                on_click="ignore",
            )


def exporter(place: str, format: str) -> Callable[[], bytes]:
    """What makes the bytes of an export of the store as it is then."""

    def content() -> bytes:
        from grid.results import open_store
        from grid.results.export import export

        with tempfile.TemporaryDirectory(prefix="quantgrid-") as folder:
            target = Path(folder) / f"rows.{format}"
            export(open_store(place), target, format)
            return target.read_bytes()

    return content


def import_form(place: str, dataset: Dataset | None) -> None:
    """Read reports of other tools, say what is in them, and add them when that is asked for."""
    from grid.results.imports import FORMATS

    st.subheader("Import", anchor=False)
    if told := st.session_state.pop("import_done", ""):
        st.success(told)
    if dataset is not None and _published(place, dataset):
        note("These are the published tables. Open a store of your own to import into.")
        return
    st.caption("Reports of llama-bench, llama-perplexity, lm-evaluation-harness and others.")
    turn = st.session_state.get("import_turn", 0)  # another box once its files are added
    files = st.file_uploader("Files", accept_multiple_files=True, key=f"import_files_{turn}")
    format = st.selectbox(
        "Format",
        [DETECTED, *FORMATS],
        format_func=lambda name: FORMATS[name][0] if name in FORMATS else name,
        key="import_format",
    )
    left, right = st.columns(2)
    hardware = left.text_input("Hardware, where the file does not say", key="import_hardware")
    model = right.text_input("Model, where the file does not say", key="import_model")
    if not files:
        return
    found = read_all(files, None if format == DETECTED else format, hardware, model)
    _offer(found, place)


def read_all(
    files: Sequence[UploadedFile], format: str | None, hardware: str, model: str
) -> list[ImportedReport]:
    """What the files hold; a file that is no report is a sentence on the page. Files of one run
    are read together, since one may need the other."""
    from grid.results.imports import read

    found = []
    with tempfile.TemporaryDirectory(prefix="quantgrid-") as folder:
        paths = [Path(folder) / (Path(file.name).name or "file") for file in files]
        for path, file in zip(paths, files, strict=True):
            path.write_bytes(file.getvalue())
        for path in dict.fromkeys(paths):
            try:
                found.append(read(path, format, hardware or None, model or None))
            except GridError as error:
                st.error(str(error).replace(f"{folder}/", ""))
    return found


def _offer(found: Sequence[ImportedReport], place: str) -> None:
    for one in found:
        st.markdown(
            f"**{one.name}**: {count_text(one.count, 'attempt')} of {one.origin}, "
            f"licence {one.licence or 'not stated'}"
        )
        if one.skipped:
            with st.expander(f"{len(one.skipped)} left out"):
                for line in one.skipped:
                    st.text(line)
    total = sum(one.count for one in found)
    told = f"Add {count_text(total, 'attempt')} to {place}"
    if total and st.button(told, type="primary", key="import_add"):
        _add(found, place)


def _add(found: Sequence[ImportedReport], place: str) -> None:
    from grid.results.imports import add

    try:
        new = sum(add(one, place) for one in found)
    except GridError as error:
        st.error(str(error))
        return
    before = sum(one.count for one in found) - new
    st.session_state["import_done"] = (
        f"{count_text(new, 'attempt')} added" + (f"; {before} there before" if before else "") + "."
    )
    st.session_state["import_turn"] = st.session_state.get("import_turn", 0) + 1
    st.cache_data.clear()  # what the store held is no longer so
    st.rerun()


def _published(place: str, dataset: Dataset) -> bool:
    if not dataset.classes or not all(any(one.origins) for one in dataset.classes):
        return False
    from grid.results.imports import published_store

    return Path(place) == Path(published_store())
