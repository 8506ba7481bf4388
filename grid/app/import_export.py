"""Rows in and out: files of other tools, and exports for other programs."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from grid.analysis.dataset import Dataset
from grid.app.page_parts import note
from grid.errors import GridError
from grid.units import count_of

if TYPE_CHECKING:
    from streamlit.runtime.uploaded_file_manager import UploadedFile

    from grid.results.imports import ImportedReport

EXPORTS = {
    "csv": "text/csv",
    "json": "application/json",
    "md": "text/markdown",
    "parquet": "application/vnd.apache.parquet",
}
"""Formats of `grid export`, and what browsers call them."""

DETECT = "as its content says"


def exporter(place: str, format: str) -> Callable[[], bytes]:
    """A function that exports the store as it is when called."""

    def content() -> bytes:
        from grid.results import open_store
        from grid.results.export import export

        with tempfile.TemporaryDirectory(prefix="quantgrid-") as folder:
            target = Path(folder) / f"rows.{format}"
            export(open_store(place), target, format)
            return target.read_bytes()

    return content


def import_form(place: str, dataset: Dataset | None) -> None:
    """Read reports of other tools, say what is in them, and add them on request."""
    from grid.results.imports import FORMATS

    st.subheader("Import", anchor=False)
    if message := st.session_state.pop("import_done", ""):
        st.success(message)
    if dataset is not None and _is_published_store(place, dataset):
        note("These are the published tables. Open a store of your own to import into.")
        return
    st.caption("Reports of llama-bench, llama-perplexity, lm-evaluation-harness and others.")
    turn = st.session_state.get("import_turn", 0)  # another box once its files are added
    files = st.file_uploader("Files", accept_multiple_files=True, key=f"import_files_{turn}")
    format = st.selectbox(
        "Format",
        [DETECT, *FORMATS],
        format_func=lambda name: FORMATS[name].description if name in FORMATS else name,
        key="import_format",
    )
    left, right = st.columns(2)
    hardware = left.text_input("Hardware, where the file does not say", key="import_hardware")
    model = right.text_input("Model, where the file does not say", key="import_model")
    if not files:
        return
    reports = read_reports(files, None if format == DETECT else format, hardware, model)
    _offer_to_add(reports, place)


def read_reports(
    files: Sequence[UploadedFile], format: str | None, hardware: str, model: str
) -> list[ImportedReport]:
    """The reports in the files; of a file that is no report the page says why. Files of one run are
    read together, since one may need the other."""
    from grid.results.imports import read_report

    reports = []
    with tempfile.TemporaryDirectory(prefix="quantgrid-") as folder:
        paths = [Path(folder) / (Path(file.name).name or "file") for file in files]
        for path, file in zip(paths, files, strict=True):
            path.write_bytes(file.getvalue())
        for path in dict.fromkeys(paths):
            try:
                report = read_report(path, format, hardware or None, model or None)
                refused = tuple(line.replace(f"{folder}/", "") for line in report.refused)
                reports.append(replace(report, refused=refused))
            except GridError as error:
                st.error(str(error).replace(f"{folder}/", ""))
    return reports


def _offer_to_add(reports: Sequence[ImportedReport], place: str) -> None:
    for report in reports:
        st.markdown(
            f"**{report.name}**: {count_of(report.count, 'attempt')} of {report.origin}, "
            f"licence {report.licence or 'not stated'}"
        )
        for line in report.refused:
            st.error(line)
        if report.skipped:
            with st.expander(f"{len(report.skipped)} left out"):
                for line in report.skipped:
                    st.text(line)
    total = sum(report.count for report in reports)
    label = f"Add {count_of(total, 'attempt')} to {place}"
    if total and st.button(label, type="primary", key="import_add"):
        _add(reports, place)


def _add(reports: Sequence[ImportedReport], place: str) -> None:
    from grid.results.imports import add_report

    try:
        new = sum(add_report(report, place) for report in reports)
    except GridError as error:
        st.error(str(error))
        return
    before = sum(report.count for report in reports) - new
    st.session_state["import_done"] = (
        f"{count_of(new, 'attempt')} added" + (f"; {before} there before" if before else "") + "."
    )
    st.session_state["import_turn"] = st.session_state.get("import_turn", 0) + 1
    st.cache_data.clear()  # what the store held is no longer so
    st.rerun()


def _is_published_store(place: str, dataset: Dataset) -> bool:
    classes = dataset.classes
    if not classes or not all(hardware_class.has_imports for hardware_class in classes):
        return False
    from grid.results.imports import published_store

    return Path(place) == Path(published_store())
