"""What ranks the variants of a hardware class: tasks across models, else a text within each model.

Capability where tasks were run. A model of which some variants have a KL divergence from their 16
bits and no tasks is ranked by that, by itself: divergences of different models never compare. Where
there is no divergence either, perplexity of one text, cut into the same tokens, ranks it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from grid.analysis.axes import Axis, axis_of, estimate
from grid.analysis.posterior import Posterior, subset
from grid.analysis.quality_order import CAPABILITY, KLD, MATERIAL_NAT, PERPLEXITY, SURE
from grid.analysis.text_draws import (
    FEW_CHUNKS,
    chunk_count,
    lacks_text_uncertainty,
    main_scope,
    text_scope,
)
from grid.analysis.variant import Variant
from grid.results.statistics.interval import Floats
from grid.units import count_of

TITLES = {CAPABILITY: "quality", KLD: "closeness to 16 bits", PERPLEXITY: "perplexity"}

MOST_UNRESOLVED = 0.5
"""Share of a model's pairs that tasks may leave open before KLD is shown as a view of its own."""

MOST_VARIANTS = 100
"""Variants of a model whose pairs are counted."""

HOW_TO_MEASURE_TASKS = 'measures = [..., "tasks"]'


@dataclass(frozen=True)
class QualityView:
    """Variants that one axis ranks: all of a class by capability, or those of one `model` by KLD or
    perplexity. `model` is empty for all; `origin` says who measured them, empty for quantgrid.
    `unresolved`: how many pairs tasks cannot tell apart, of how many that KLD does."""

    axis: Axis
    posterior: Posterior
    model: str = ""
    origin: str = ""
    alone: bool = True
    unresolved: tuple[int, int] | None = None

    @property
    def variants(self) -> tuple[Variant, ...]:
        return self.posterior.variants

    @property
    def title(self) -> str:
        """What the axis means, in words."""
        return TITLES[self.axis.name]

    @cached_property
    def ranked(self) -> tuple[Variant, ...]:
        """Variants that have a figure on the axis."""
        return tuple(v for v in self.variants if estimate(v, self.axis) is not None)

    @property
    def reason(self) -> str:
        """Which axis ranks the variants, and why, in a sentence."""
        if self.axis.name == CAPABILITY:
            return "Tasks were run, so capability ranks the variants, of all models alike."
        scored = sum(v.capability is not None for v in self.variants)
        if self.unresolved:
            tied, pairs = self.unresolved
            return (
                f"Of {pairs} pairs of variants of {self.model} that closeness to 16 bits (KL "
                f"divergence) tells apart, tasks leave {tied} open, so it is shown as well."
            )
        what = "No tasks were run on"
        if scored:
            what = f"Tasks were run on {scored} of {len(self.variants)} variants of"
        if self.axis.name == KLD:
            text = f"{what} {self.model}, so closeness to 16 bits (KL divergence) ranks "
        else:
            text = f"{what} {self.model} and there is no KL divergence, so perplexity ranks "
        text += "all of them" if scored else "its variants"
        others = "" if self.alone else f", and only tasks ({HOW_TO_MEASURE_TASKS}) compare models"
        return f"{text}{others}."

    @property
    def doubt(self) -> str:
        """Of few chunks, a sentence on how unsure the ranking is; empty where there are enough."""
        if self.axis.name == CAPABILITY:
            return ""
        counts = {chunk_count(v, self.axis.name) for v in self.ranked}
        least = min((count for count in counts if count is not None), default=FEW_CHUNKS)
        if any(lacks_text_uncertainty(v, self.axis.name) for v in self.ranked):
            why = "of 1 chunk of text" if least < 2 else "came without their errors"
            return f"Figures {why}: how sure the order is, is not known."
        if least < FEW_CHUNKS:
            return (
                f"Figures rest on {count_of(least, 'chunk')} of text: how sure the order is, is "
                f"rough itself (quality.chunks = {2 * FEW_CHUNKS} or more)."
            )
        return ""


def quality_views(posterior: Posterior) -> tuple[QualityView, ...]:
    """The views of a hardware class, that of capability first; none where nothing ranks."""
    groups: defaultdict[tuple[str, str], list[Variant]] = defaultdict(list)
    for variant in posterior.variants:
        groups[variant.model, variant.origin].append(variant)
    views = []
    if any(v.capability is not None for v in posterior.variants):
        views.append(QualityView(axis_of(CAPABILITY), posterior))
    for (model, origin), group in sorted(groups.items()):
        part = subset(posterior, {v.id for v in group})
        view = QualityView(axis_of(KLD), part, model, origin, len(groups) == 1)
        axis = text_axis(group)
        if axis is not None:
            views.append(replace(view, axis=axis_of(axis)))
        elif (pairs := unresolved_pairs(part)) and pairs[0] > MOST_UNRESOLVED * pairs[1]:
            views.append(replace(view, unresolved=pairs))
    return tuple(views)


def unresolved_pairs(posterior: Posterior) -> tuple[int, int] | None:
    """Of the pairs of one model's variants of which one is surely closer to 16 bits, by a material
    difference, how many tie in capability: (these, all). None where there are none, or too many
    variants to try."""
    scope = main_scope(posterior.variants, KLD)
    columns = [
        i
        for i, v in enumerate(posterior.variants)
        if scope is not None and text_scope(v, KLD) == scope and v.capability is not None
        if not (lacks_text_uncertainty(v, KLD) or v.lacks_uncertainty)
    ]
    if not 1 < len(columns) <= MOST_VARIANTS:
        return None
    closer = _surely_above(-np.exp(-posterior.texts[KLD][:, columns]), MATERIAL_NAT)
    better = _surely_above(posterior.capability[:, columns])
    resolved = np.triu(closer | closer.T, 1)
    return int((resolved & ~(better | better.T)).sum()), int(resolved.sum())


def _surely_above(drawn: Floats, margin: float = 0.0) -> npt.NDArray[np.bool_]:
    """[draws, v] -> [v, v]: in over 97.5 % of the draws the first of a pair is above the second, by
    more than `margin`."""
    rows = np.ascontiguousarray(drawn.T)
    least = SURE * rows.shape[1]
    return np.array([np.count_nonzero(row > rows + margin, axis=1) > least for row in rows])


def text_axis(group: Sequence[Variant]) -> str | None:
    """The axis of text by which variants of one model are ranked; None where tasks rank them all,
    or nothing does."""
    for axis in (KLD, PERPLEXITY):
        scope = main_scope(group, axis)
        able = [v for v in group if scope is not None and text_scope(v, axis) == scope]
        scored = sum(v.capability is not None for v in group)
        unscored = sum(v.capability is None for v in able)
        if len({v.artifact_id for v in able}) > 1 and unscored and (axis == KLD or not scored):
            return axis
    return None
