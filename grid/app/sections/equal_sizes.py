"""Variants of about equal size made in different ways: which is more capable."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import streamlit as st

from grid.analysis.duels import Duel, StoredDuel, as_duel, as_stored, duels, narrowed
from grid.analysis.figures import interval_in_words, p_value, share, signed
from grid.app import address
from grid.app.charts.labels import Labels
from grid.app.page_parts import answer, show_table
from grid.app.stored_result import StoredResult
from grid.app.top_bar import Selection
from grid.models.display_names import visible
from grid.models.identity import digest
from grid.units import format_bytes

TOLERANCES = {"10 %": 0.1, "2 %": 0.02, "5 %": 0.05, "15 %": 0.15, "20 %": 0.2}
WIDEST = max(TOLERANCES.values())


def draw_equal_sizes(selection: Selection) -> None:
    """Nothing where no two variants are that alike in size."""
    if not _passing(selection, WIDEST):
        address.without_widget("within", list(TOLERANCES))
        return
    st.subheader("Same size, different ways", anchor=False)
    tolerance = TOLERANCES[address.segments("Sizes may differ by", list(TOLERANCES), "within")]
    contests = _passing(selection, tolerance)
    answer(sentence(contests, tolerance))
    if contests:
        st.caption(
            "Difference of quality with its 95 % interval over joint draws; p of the paired test "
            "on the items both were asked, corrected for all pairs of the hardware class (Holm)."
        )
        show_table(table(contests, selection.labels), "bang_duels")


def _passing(selection: Selection, tolerance: float) -> list[Duel]:
    shown = {variant.id for variant in selection.variants}
    contests = _narrowed(selection.whole_key, tolerance, selection)
    return [duel for duel in contests if {duel.left.id, duel.right.id} <= shown]


@st.cache_resource(max_entries=8, show_spinner=False)
def _narrowed(key: Hashable, tolerance: float, _selection: Selection) -> list[Duel]:
    contests = _all_duels(key, _selection)
    return contests if tolerance == WIDEST else narrowed(contests, tolerance)


@st.cache_resource(max_entries=4, show_spinner="Comparing pairs")
def _all_duels(key: Hashable, _selection: Selection) -> list[Duel]:
    """Of the widest tolerance, as they were derived before."""
    stored = StoredResult(_selection.dataset, f"duels-{digest(repr(key))}", list[StoredDuel])
    records = stored.get(
        lambda: [as_stored(duel) for duel in duels(_selection.whole_posterior, WIDEST)]
    )
    by_id = {variant.id: variant for variant in _selection.whole}
    return [as_duel(record, by_id) for record in records]


def sentence(contests: Sequence[Duel], tolerance: float) -> str:
    """How many pairs have a winner, and whether more weights or more bits win."""
    if not contests:
        return f"No two variants of different models or methods are within {share(tolerance)}."
    decided = [duel for duel in contests if duel.winner is not None]
    pairs = "1 pair is" if len(contests) == 1 else f"{len(contests)} pairs are"
    text = f"{pairs} of equal size within {share(tolerance)}; with a winner: {len(decided)}."
    models = [d for d in decided if d.left.model != d.right.model]
    larger = sum(d.verdict == "right" for d in models)
    if models:
        text += (
            f" Of the {len(models)} between two models, the one with more parameters at fewer bits "
            f"wins {larger}, the smaller at more bits {len(models) - larger}."
        )
    return text


def table(contests: Sequence[Duel], labels: Labels) -> dict[str, list[str]]:
    """One row a pair."""
    return {
        "smaller model": [visible(labels.full(duel.left)) for duel in contests],
        "larger model": [visible(labels.full(duel.right)) for duel in contests],
        "sizes": [
            f"{format_bytes(d.left.artifact_bytes)} / {format_bytes(d.right.artifact_bytes)}"
            for d in contests
        ],
        "winner": [visible(labels.full(d.winner)) if d.winner else "tie" for d in contests],
        "difference": [interval_in_words(duel.difference, signed) for duel in contests],
        "p (Holm)": [p_value(duel.p_holm) for duel in contests],
        "items": [str(duel.n) for duel in contests],
        "test": [duel.test for duel in contests],
    }
