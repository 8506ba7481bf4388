"""What ranks a hardware class: tasks across models, else a text within each model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from analysis_cases import Rows
from kld_cases import KLD, kld_ladder, scored, spread

from grid.analysis import draw_posterior, frontier, variants, variants_table
from grid.analysis.quality_views import quality_views
from grid.errors import InputError


def views_of(variants):
    return quality_views(draw_posterior(variants))


def test_a_ladder_with_divergences_alone_has_a_frontier():
    (view,) = views_of(kld_ladder())
    assert (view.axis.name, view.model) == ("kld_mean", "base")
    curve = frontier(view.posterior, "artifact_bytes", view.axis.name)
    assert [p.variant.quant for p in curve.members] == ["Q2_K", "Q4_K_M", "Q8_0", "F16"]
    assert [p.y for p in curve.points] == pytest.approx([0.4, 0.055, 0.004, 0.0])
    assert all(p.probability > 0.97 for p in curve.points)
    assert view.reason == (
        "No tasks were run on base, so closeness to 16 bits (KL divergence) ranks its variants."
    )
    assert view.doubt == ""


def test_what_is_under_the_floor_ties_with_16_bits_on_the_frontier():
    ladder = [replace(v, noise_floor_nat=0.005) for v in kld_ladder()]
    curve = frontier(ladder, "artifact_bytes", "kld_mean")
    whole = next(p for p in curve.points if p.variant.quant == "F16")
    near = next(p for p in curve.points if p.variant.quant == "Q8_0")
    assert (whole.on_frontier, near.on_frontier, near.y) == (False, True, 0.0)
    assert [v.quant for v in near.ties["kld_mean"]] == ["F16"]


def test_each_model_has_a_view_of_its_own():
    ladders = [*kld_ladder(model="one"), *kld_ladder(model="two")]
    views = views_of(ladders)
    assert [(v.axis.name, v.model, len(v.variants)) for v in views] == [
        ("kld_mean", "one", 4),
        ("kld_mean", "two", 4),
    ]
    assert "only tasks" in views[0].reason


def test_divergences_of_two_models_share_no_axis():
    with pytest.raises(InputError, match=r"of one model, not of 2 \(one, two\)"):
        frontier([*kld_ladder(model="one"), *kld_ladder(model="two")], y="kld_mean")


def test_figures_of_others_have_a_view_of_their_own():
    published = [replace(v, origin="a table") for v in kld_ladder()]
    assert [(v.model, v.origin) for v in views_of([*kld_ladder(), *published])] == [
        ("base", ""),
        ("base", "a table"),
    ]


def test_tasks_that_tell_variants_apart_are_the_only_view():
    answers = np.arange(400) < 300
    ladder = [
        scored(quant, spread(kld, 8), (answers & (np.arange(400) >= 25 * i)).astype(float).tolist())
        for i, (quant, kld) in enumerate(KLD.items())
    ]
    assert [view.axis.name for view in views_of(ladder)] == ["capability"]


def test_where_tasks_tell_nothing_divergence_is_shown_as_well():
    views = views_of(kld_ladder(gains=[1.0] * 5 + [0.0] * 15))
    assert [view.axis.name for view in views] == ["capability", "kld_mean"]
    assert "Of 5 pairs of variants of base" in views[1].reason
    assert "tasks leave 5 open" in views[1].reason


def test_tasks_of_some_variants_leave_divergence_to_rank_all():
    with_tasks = kld_ladder(gains=[1.0] * 5 + [0.0] * 15)
    part = [*with_tasks[:1], *kld_ladder()[1:]]
    views = views_of(part)
    assert [view.axis.name for view in views] == ["capability", "kld_mean"]
    assert views[1].reason.startswith("Tasks were run on 1 of 4 variants of base")


def test_perplexity_of_one_text_ranks_where_nothing_else_does():
    hard = np.resize([2.0, 4.0, 3.0], 8)
    ladder = [scored(q, None, nll=(hard + i / 10).tolist()) for i, q in enumerate(KLD)]
    (view,) = views_of(ladder)
    assert view.axis.name == "perplexity"
    assert "there is no KL divergence, so perplexity ranks" in view.reason
    foreign = scored("Q5", None, nll=(hard - 1).tolist())
    foreign = replace(foreign, scored_text=replace(foreign.scored_text, tokens=17))
    curve = frontier([*ladder, foreign], y="perplexity")
    assert [(v.quant, "another text" in why) for v, why in curve.left_out] == [("Q5", True)]


@pytest.mark.parametrize(
    ("chunks", "text"),
    [(1, "of 1 chunk of text"), (4, "rest on 4 chunks of text"), (8, ""), (12, "")],
)
def test_few_chunks_are_said(chunks: int, text: str):
    (view,) = views_of(kld_ladder(chunks=chunks))
    assert text in view.doubt if text else view.doubt == ""


def test_nothing_ranks_without_a_quality():
    assert views_of([scored("Q8_0", None)]) == ()
    assert views_of([scored("F16", [0.0] * 8)]) == (), "the reference alone"


def test_chunks_are_read_from_the_rows_of_a_store():
    rows = Rows()
    for quant, kld in KLD.items():
        rows.quality(spread(kld, 8), quant=quant)
    built = {v.quant: v for v in variants(rows.tables())}
    assert built["Q2_K"].scored_text.kld == pytest.approx(spread(0.4, 8))
    assert built["Q2_K"].kld_mean.value == pytest.approx(0.4)
    (view,) = views_of(list(built.values()))
    assert view.axis.name == "kld_mean"


def test_exports_rank_each_models_variants_by_closeness():
    table = variants_table([*kld_ladder(), *kld_ladder(model="else"), scored("Q6", None)])
    ranks = dict(zip(table["quant"].to_pylist(), table["kld_rank"].to_pylist(), strict=False))
    assert ranks == {"F16": 1, "Q8_0": 2, "Q4_K_M": 3, "Q2_K": 4, "Q6": None}
