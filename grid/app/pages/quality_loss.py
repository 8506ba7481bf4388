"""Quality loss: what each quant keeps of the 16 bits, in tasks and on running text."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace

import streamlit as st

from grid.analysis import Variant
from grid.analysis.figures import share
from grid.analysis.posterior import subset
from grid.analysis.sensitivity import Cliff, Sensitivity, cliff, sensitivity
from grid.app.charts.labels import Labels
from grid.app.marks import pick_on
from grid.app.page_parts import answer, heading, note, plain
from grid.app.sections.retained import draw_flips, draw_retained
from grid.app.sections.text_loss import draw_text_loss
from grid.app.sections.text_parts import draw_bands, draw_categories
from grid.app.top_bar import Selection, choose_model, select_variants


def draw() -> None:
    heading("Quality loss")
    selection = select_variants()
    if selection is None:
        return
    model = choose_model(selection, "of")
    mine = [variant for variant in selection.variants if variant.model == model]
    whole = [variant for variant in selection.whole if variant.model == model]
    result = only_passing(_sensitivity((selection.whole_key, model), whole), mine)
    measured = [row for row in result.texts if row.kld or row.dp or row.perplexity_ratio]
    if not result.classes and not measured:
        note(plain(f"Neither tasks nor a text were measured of {model}: no loss can be said."))
        return
    edge = cliff(subset(selection.posterior, {variant.id for variant in mine}))
    answer(plain(sentence(edge, result, selection.labels)))
    _show_pick(selection, model)
    for line in notes(mine, model):
        st.caption(plain(line))
    draw_retained(result, selection.labels)
    pick = pick_on(selection, model)
    draw_text_loss(measured, selection.labels, pick)
    draw_categories(mine, selection.labels, pick)
    draw_bands(mine, selection.labels, pick)
    draw_flips(result, selection.labels)


@st.cache_resource(max_entries=32, show_spinner=False)
def _sensitivity(key: Hashable, _whole: Sequence[Variant]) -> Sensitivity:
    return sensitivity(_whole)


def only_passing(result: Sensitivity, mine: Sequence[Variant]) -> Sensitivity:
    """The result without the variants that the filters hide. It was computed with all of the
    model's, so that no filter takes a reference away."""
    ids = {variant.id for variant in mine}
    variants = tuple(variant for variant in result.variants if variant.id in ids)
    texts = tuple(row for row in result.texts if row.variant.id in ids)
    return replace(result, variants=variants, texts=texts)


def sentence(edge: Cliff, result: Sensitivity, labels: Labels) -> str:
    """Where loss begins to be sure, and the task that loses most there."""
    if not edge.steps:
        return f"{edge.model}: where loss begins is not known, for {edge.reason}."
    safe = [step for step in edge.steps if not step.sure]
    if edge.bpw is None:
        return f"{edge.model}: {edge.reason}, over {len(edge.steps)} quants measured."
    first = next(step for step in edge.steps if step.bpw <= edge.bpw and step.sure)
    text = (
        f"{edge.model}: from {labels.short(first.variant)} ({edge.bpw:.2f} bits per weight) down, "
        "every quant surely loses quality."
    )
    worst = worst_class(result, first.variant)
    if worst:
        text += f" It keeps least of {worst}."
    above = [step for step in safe if step.bpw > edge.bpw]
    fewest = min(above, key=lambda step: step.bpw, default=None)
    if fewest is not None:
        text += f" {labels.short(fewest.variant)} is the smallest without a sure loss."
    return text


def worst_class(result: Sensitivity, variant: Variant) -> str:
    """`math (81 %)`, of the classes whose retained quality is known."""
    cells = [result.retained[name, variant.id] for name in result.classes]
    shares = [(cell.share.value, cell.task_class) for cell in cells if cell.share]
    if not shares:
        return ""
    value, name = min(shares)
    return f"{name} ({share(value)})"


def notes(variants: Sequence[Variant], model: str) -> list[str]:
    """Sentences on what the references are, where they are missing or several."""
    whole = [variant for variant in variants if variant.sixteen_bit]
    if not whole:
        return [
            f"No 16-bit variant of {model} passes the filters, so what quants keep of it is not "
            "known: measure F16 or BF16 as well."
        ]
    if len({variant.artifact_id for variant in whole}) > 1:
        return [
            f"{len(whole)} variants of {model} are 16-bit references; each quant is compared with "
            "the one of its own engine where there is one."
        ]
    return []


def _show_pick(selection: Selection, model: str) -> None:
    picked = pick_on(selection, model)
    for variant in selection.whole:
        if variant.id == picked:
            st.markdown(plain(f"The pick of {model} is {selection.labels.short(variant)}."))
