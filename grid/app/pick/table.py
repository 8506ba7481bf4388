"""All that could run there, as numbers that can be sorted, searched and downloaded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import streamlit as st

from grid.advice import Advice, Candidate
from grid.advice.advice import CAPABILITY, DECODE, KLD, MEMORY, PERPLEXITY, TTFT
from grid.analysis import Variant
from grid.app import address
from grid.models.display_names import visible
from grid.results.export import FORMULA
from grid.units import GIB, MIB

if TYPE_CHECKING:
    import pandas as pd

PICK = "the pick"
TABLE_HEIGHT = 420


def draw_table(advice: Advice, key: str = "pick_candidates") -> None:
    """Search, table and download."""
    frame = candidates_table(advice)
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    with left:
        words = address.enter_text(
            "Search", "find" if key == "pick_candidates" else f"find_{key}",
            placeholder="Q4, an engine, a reason",
        )  # fmt: skip
    shown = search(frame, words)
    right.download_button(
        "Download table", _csv(shown), "quantgrid-pick.csv", "text/csv",
        key=f"{key}_csv", on_click="ignore", width="stretch",
    )  # fmt: skip
    with st.container(key=key):
        st.dataframe(
            shown, hide_index=True, column_config=_columns(shown),
            height=TABLE_HEIGHT if len(shown) > 10 else "auto",
        )  # fmt: skip
    st.caption(f"{len(shown)} of {len(frame)} variants. A click on a column's name sorts by it.")


def _csv(frame: pd.DataFrame) -> str:
    """With an apostrophe before text that a spreadsheet would compute."""
    texts = frame.select_dtypes(["object", "string"]).columns
    return frame.assign(
        **{
            name: frame[name].astype("string").str.replace(FORMULA, r"'\1", regex=True)
            for name in texts
        }
    ).to_csv(index=False)


def search(frame: pd.DataFrame, words: str) -> pd.DataFrame:
    """The rows that hold all the words in any of their texts, whatever the case."""
    texts = frame.select_dtypes(exclude="number").astype(str).agg(" ".join, axis=1).str.casefold()
    for word in words.casefold().split():
        frame, texts = frame[(has := texts.str.contains(word, regex=False))], texts[has]
    return frame


def candidates_table(advice: Advice) -> pd.DataFrame:
    """One row a candidate, the pick first, then the best; columns without a figure are left out."""
    import pandas as pd

    reasons = {lost.variant.id: lost.reason for lost in advice.rejected}
    candidates = {candidate.variant.id: candidate for candidate in advice.candidates}
    order = [advice.pick.variant.id] if advice.pick else []
    order += [lost.variant.id for lost in advice.rivals]
    rows = [candidates[name] for name in order if name in candidates]
    scale, unit = size_unit([row.variant for row in rows])
    columns: dict[str, Sequence[Any]] = {
        "model": [visible(row.variant.model) for row in rows],
        "quant": [visible(row.variant.quant) for row in rows],
        f"size, {unit}": [_scaled(row.variant.artifact_bytes or None, scale) for row in rows],
        "bits per weight": [row.variant.bpw_file for row in rows],
        "token/s": _figures(rows, DECODE),
        f"memory, {unit}": [_scaled(value, scale) for value in _figures(rows, MEMORY)],
        "capability": _figures(rows, CAPABILITY),
        "KLD, nat": _figures(rows, KLD),
        "same next token, %": [
            100 * row.variant.same_top1.value if row.variant.same_top1 else None for row in rows
        ],
        "perplexity": _figures(rows, PERPLEXITY),
        "first token, s": _figures(rows, TTFT),
        "engine": [visible(row.variant.backend) for row in rows],
        "why not": [visible(reasons.get(row.variant.id, PICK)) for row in rows],
        "speed from": [_source(row) for row in rows],
    }
    return _without_empty(pd.DataFrame(columns))


def measured_table(variants: Sequence[Variant]) -> pd.DataFrame:
    """One row a variant with what was measured of it, where nothing ranks them."""
    import pandas as pd

    scale, unit = size_unit(variants)
    columns: dict[str, Sequence[Any]] = {
        "variant": [variant.label for variant in variants],
        f"size, {unit}": [_scaled(variant.artifact_bytes or None, scale) for variant in variants],
        "token/s": [v.decode_tps.value if v.decode_tps else None for v in variants],
        f"memory, {unit}": [
            _scaled(v.peak_rss_bytes.value if v.peak_rss_bytes else None, scale) for v in variants
        ],
        "engine": [variant.backend for variant in variants],
    }
    return _without_empty(pd.DataFrame(columns))


def _without_empty(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.loc[:, [not (frame[name].isna() | (frame[name] == "")).all() for name in frame]]


def size_unit(variants: Sequence[Variant]) -> tuple[int, str]:
    """The unit of sizes in which the largest is above 1."""
    most = max((variant.artifact_bytes for variant in variants), default=0)
    return (GIB, "GiB") if most >= GIB else (MIB, "MiB")


def _figures(candidates: Sequence[Candidate], quantity: str) -> list[float | None]:
    figures = (candidate.figures.get(quantity) for candidate in candidates)
    return [None if figure is None else figure.value for figure in figures]


def _scaled(value: float | None, scale: int) -> float | None:
    return None if value is None else value / scale


def _source(candidate: Candidate) -> str:
    figure = candidate.figures.get(DECODE)
    return visible(figure.evidence.text) if figure else ""


def _columns(frame: pd.DataFrame) -> dict[str, Any]:
    """Numbers with as many digits as say something."""
    formats = {"capability": "%.3f", "KLD, nat": "%.4g", "same next token, %": "%.1f"}
    numeric = frame.select_dtypes("number").columns
    return {
        name: st.column_config.NumberColumn(format=formats.get(name, "%.4g")) for name in numeric
    }
