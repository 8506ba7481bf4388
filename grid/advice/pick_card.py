"""A pick in people's words: what to run, how, how good, how fast, whether it fits, how sure."""

from __future__ import annotations

from dataclasses import dataclass

from grid.advice.advice import (
    CAPABILITY,
    DECODE,
    MEASURED_HERE,
    MEASURED_ON_SIMILAR,
    MEMORY,
    PREDICTED,
    PUBLISHED,
    Advice,
    Candidate,
    Compromise,
    Figure,
)
from grid.advice.closeness import closeness_text
from grid.advice.machine_name import short_machine_name
from grid.advice.reason import certainty_line, label_beside, reason_text
from grid.advice.sentences import figure_text
from grid.analysis.figures import rate
from grid.units import format_bytes


@dataclass(frozen=True)
class PickCard:
    """Each field is a short line of text, empty where nothing is known.

    `label` names model and quant, `engine` what runs it, `machine` where. `command` are the lines
    that run it, `assumed` what these set. `capability` is 0 for guessing and 1 for all right.
    `closeness` is against 16 bits, `fits` about memory, `reason` why this one, `sure` how sure.
    `smaller` and `faster` name what to run instead, and what that loses.
    """

    label: str
    engine: str
    machine: str
    size: str
    speed: str
    capability: str
    closeness: str
    fits: str
    reason: str
    sure: str
    command: str
    assumed: str
    smaller: str
    faster: str


def pick_card(advice: Advice) -> PickCard | None:
    """The card of an advice; None where it has no pick."""
    pick = advice.pick
    if pick is None:
        return None
    command = advice.serving.command(advice.ask.serve) if advice.serving else None
    return PickCard(
        label=pick.label,
        engine=pick.variant.backend,
        machine=short_machine_name(advice.hardware),
        size=_size_text(pick),
        speed=speed_text(pick.figures.get(DECODE)),
        capability=_capability_text(pick),
        closeness=closeness_text(advice),
        fits=fits_text(advice, pick),
        reason=reason_text(advice) + _absent_text(advice),
        sure=certainty_line(advice),
        command=advice.serving.script(command) if advice.serving and command else "",
        assumed=advice.serving.assumed if advice.serving and command else "",
        smaller=_smaller_text(advice.smaller_choice, pick),
        faster=_faster_text(advice.faster_choice, pick),
    )


def _absent_text(advice: Advice) -> str:
    """What the use asks for and no task measured."""
    return f"; {' and '.join(advice.absent)} not measured" if advice.absent else ""


def speed_text(figure: Figure | None) -> str:
    """`2,701 token/s (2,544 to 2,861), measured here`."""
    if figure is None:
        return ""
    value, _, ends = figure_text(DECODE, figure).partition(" (")
    return f"{value} token/s{f' ({ends}' if ends else ''}, {_SOURCES[figure.evidence.kind]}"


_SOURCES = {
    MEASURED_HERE: "measured here",
    MEASURED_ON_SIMILAR: "measured on like hardware",
    PREDICTED: "predicted",
    PUBLISHED: "third-party",
}


def fits_text(advice: Advice, pick: Candidate) -> str:
    """`needs 67.7 MiB of 22 GiB, with 1,024 tokens of context`."""
    figure = pick.figures.get(MEMORY)
    context = f"with {pick.context:,} tokens of context"
    if figure is None:
        return f"not known: the size of its files is not in the rows; {context}"
    need = f"needs {format_bytes(figure.value)}"
    if advice.budget_bytes is None:
        return f"{need} {context}; this machine's memory is not known"
    sessions = f" in each of {advice.ask.sessions} sessions" if advice.ask.sessions > 1 else ""
    cache = "" if pick.kv_bytes is not None else ", its KV cache not counted"
    return f"{need} of {format_bytes(advice.budget_bytes)}, {context}{sessions}{cache}"


def _capability_text(pick: Candidate) -> str:
    figure = pick.figures.get(CAPABILITY)
    return "" if figure is None else figure_text(CAPABILITY, figure)


def _size_text(candidate: Candidate) -> str:
    size = candidate.variant.artifact_bytes
    return format_bytes(size) if size else ""


def _smaller_text(choice: Compromise | None, pick: Candidate) -> str:
    """`large Q3_K_M, 3.24 MiB: capability 0.089 lower (0.061 to 0.118)`."""
    if choice is None:
        return ""
    return f"{label_beside(choice.candidate, pick)}, {_size_text(choice.candidate)}: {choice.text}"


def _faster_text(choice: Compromise | None, pick: Candidate) -> str:
    """`large Q4_0, 3,833 token/s (1.4x): no sure difference in capability (-0.02 to 0.03)`."""
    if choice is None:
        return ""
    figure, speed = choice.candidate.figures.get(DECODE), choice.speed
    value = f", {rate(figure.value)} token/s" if figure else ""
    factor = f" ({speed.value:.2g}x)" if speed else ""
    return f"{label_beside(choice.candidate, pick)}{value}{factor}: {choice.text}"
