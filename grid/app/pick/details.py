"""A variant in figures that people read, and two of them compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from grid.advice import Candidate
from grid.advice.advice import CAPABILITY, DECODE, KLD, MEMORY, PERPLEXITY, TTFT
from grid.advice.sentences import UNITS, figure_text
from grid.analysis.figures import share
from grid.models.display_names import visible
from grid.units import format_bytes

TITLES: Mapping[str, str] = {
    DECODE: "Speed", MEMORY: "Memory", KLD: "KLD from 16 bits", CAPABILITY: "Capability",
    PERPLEXITY: "Perplexity", TTFT: "First token after",
}  # fmt: skip

STYLE = """
<style>
  .details { width: 100%; border-collapse: collapse; font-size: 0.9rem; }
  .details th, .details td { text-align: left; padding: 0.2rem 0.4rem 0.2rem 0; vertical-align: top;
    font-weight: 400; overflow-wrap: anywhere; border-bottom: 1px solid rgba(128, 128, 128, 0.3); }
  .details thead th { font-weight: 600; }
</style>
"""


def details_html(candidates: Sequence[Candidate], names: Sequence[str]) -> str:
    """A table with a column for each candidate; rows that none has a figure of are left out."""
    figures = [figures_of_candidate(candidate) for candidate in candidates]
    titles = dict.fromkeys(title for mine in figures for title in mine)
    head = "".join(f"<th>{_text(name)}</th>" for name in names)
    rows = "".join(
        f"<tr><th>{title}</th>"
        + "".join(f"<td>{_text(mine.get(title, '-'))}</td>" for mine in figures)
        + "</tr>"
        for title in titles
    )
    return (
        f'{STYLE}<table class="details"><thead><tr><th></th>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table>"
    )


def figures_of_candidate(candidate: Candidate) -> dict[str, str]:
    """Its figures as text by their title."""
    variant = candidate.variant
    size = format_bytes(variant.artifact_bytes) if variant.artifact_bytes else ""
    bits = f" ({variant.bpw_file:.3g} bits per weight)" if variant.bpw_file else ""
    figures = {"Size": f"{size}{bits}"} if size else {}
    for quantity, title in TITLES.items():
        figure = candidate.figures.get(quantity)
        if figure is not None:
            text = f"{figure_text(quantity, figure)} {UNITS[quantity]}".rstrip()
            figures[title] = f"{text}, {figure.evidence.kind}" if quantity == DECODE else text
    if variant.same_top1 is not None:
        figures["Same next token as 16 bits"] = share(variant.same_top1.value)
    figures["Engine"] = variant.backend
    figures["Format"] = variant.format
    return {title: text for title, text in figures.items() if text}


def _text(text: str) -> str:
    return escape(visible(text))
