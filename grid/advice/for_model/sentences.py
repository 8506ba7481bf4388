"""Which hardware runs a model, in sentences and rows: the same for a page and a terminal."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence

from grid.advice.advice import PREDICTED
from grid.advice.for_model.choose import (
    RUNS,
    SLOWER,
    TOO_SMALL,
    UNKNOWN,
    HardwareChoice,
    PlaceVerdict,
)
from grid.advice.rates_at_depth import after_context
from grid.analysis.figures import rate
from grid.hardware.chips import chips
from grid.units import count_of, format_bytes

MARK = "*"
MARK_TEXT = (
    f"{MARK} rates of this very chip were measured with some model; of the others they are "
    "predicted from data sheets"
)

SPLIT_MARK = "+ RAM"
SPLIT_TEXT = f"{SPLIT_MARK}: a part of it lies in main memory"

_KINDS = {"cards": 6, "Macs": 3, "main memory": 2}
"""Kinds of chip, and of how many memory sizes of each examples are shown."""
_EXAMPLES = 2
_HOUSEHOLD = re.compile(
    r"NVIDIA GeForce (RTX|GTX) \d{4}( Ti| SUPER| Ti SUPER)?( \d+ GB)?"
    r"|AMD Radeon RX \d{4}( XTX?| GRE)?( \d+ GB)?|Intel Arc [AB]\d{3}( \d+ GB)?"
    r"|Apple .*|DDR[45]-(3200|5600|6000), (2|8|12) channels"
)
"""Names of what most people own or would buy: no laptop's parts, no makers' variants."""


def headline(choice: HardwareChoice) -> str:
    """The answer in one sentence."""
    label = choice.target.variant.label
    speed = f"{rate(choice.min_decode_tps)} token/s or more"
    if choice.ask.sessions > 1:
        speed = f"{choice.ask.sessions} sessions of {speed}"
    able, total = choice.of(RUNS), len(choice.verdicts)
    if total == 1:
        (only,) = choice.verdicts
        return f"{label} at {speed}: {only.place.name} {_verdict_text(only)}"
    if able and choice.named:
        best = max(able, key=lambda entry: entry.decode.value if entry.decode else 0.0)
        return f"{label} at {speed}: run it on {', '.join(best.place.nodes) or best.place.name}"
    most = choice.ask.memory_bytes
    within = "" if most is None or choice.named else f" with at most {format_bytes(most)}"
    if not able:
        return f"{label} at {speed}: none of {count_of(total, 'machine')}{within} surely runs it"
    shown = [entry.place.memory_bytes for entry in examples(choice, RUNS)]
    least = min((size for size in shown if size), default=None)
    start = f", usual ones from {format_bytes(least)} on" if least else ""
    return f"{label} at {speed}: {count_of(len(able), 'machine')} of {total:,}{within}{start}"


def _verdict_text(entry: PlaceVerdict) -> str:
    if entry.verdict == UNKNOWN:
        return "holds it, at a rate that nobody knows"
    if entry.verdict == SLOWER and entry.sure is not None and entry.sure >= 0.5:
        return "runs it, not surely so fast"
    return entry.verdict


def need_text(choice: HardwareChoice) -> str:
    """What the model needs, and of what that is made."""
    memory, sessions = choice.memory, choice.ask.sessions
    need = memory.total or memory.weights + memory.overhead
    each = f" for each of {sessions} sessions" if sessions > 1 else ""
    cache = "an unknown KV cache" if memory.kv is None else f"KV cache {format_bytes(memory.kv)}"
    return (
        f"{format_bytes(need)} with {memory.context:,} tokens of context{each}: "
        f"weights {format_bytes(memory.weights)} + {cache} + "
        f"the rest {format_bytes(memory.overhead)}"
    )


def place_text(entry: PlaceVerdict) -> str:
    """The machine's name, and those of a rack's nodes like it."""
    nodes = entry.place.nodes
    return f"{entry.place.name} ({', '.join(nodes)})" if nodes else entry.place.name


def split_text(choice: HardwareChoice) -> str:
    """What of the model lies in main memory on the one machine that was asked about, else empty."""
    splits = [entry.split.text for entry in choice.verdicts if entry.split is not None]
    return splits[0] if len(choice.verdicts) == 1 and splits else ""


def rates_note(choice: HardwareChoice) -> str:
    """What the rates are of."""
    depth = after_context(choice.ask.context or 0)
    each = "of each session, " if choice.ask.sessions > 1 else ""
    return f"rates are {each}{depth}, predicted unless they were measured there"


def rate_text(entry: PlaceVerdict) -> str:
    """`62 (55 to 70)`, or what is lacking."""
    if entry.decode is not None:
        figure = entry.decode
        ends = "" if figure.low is None else f" ({rate(figure.low)} to {rate(figure.high or 0)})"
        return f"{rate(figure.value)}{ends}"
    if entry.cards:
        return f"{entry.cards} of them hold it"
    return "its most memory" if entry.place.platform in {"metal", "cpu"} else "-"


def group_title(choice: HardwareChoice, verdict: str) -> str:
    """`runs it: 469 machines`."""
    titles = {
        SLOWER: "runs it slower, or not surely so fast",
        UNKNOWN: "memory or speed not known",
    }
    return f"{titles.get(verdict, verdict)}: {count_of(len(choice.of(verdict)), 'machine')}"


def mark_text(entry: PlaceVerdict) -> str:
    """Whether the rate was measured there, or the chip with other models."""
    if entry.decode is not None and entry.decode.evidence.kind != PREDICTED:
        return "measured"
    if entry.split is not None:
        return SPLIT_MARK
    return MARK if entry.chip_measured and entry.decode else ""


def kind_of(entry: PlaceVerdict) -> str:
    """What sort of machine a place is: one of the store's, or a kind of chip."""
    if entry.place.hardware_class or entry.place.nodes:
        return "measured"
    if entry.place.platform == "metal":
        return "Macs"
    return "main memory" if entry.place.platform == "cpu" else "cards"


def examples(choice: HardwareChoice, verdict: str) -> list[PlaceVerdict]:
    """Machines of the store, and of each kind of chip the best known ones of each memory size: the
    least sizes that run it, the greatest that do not hold it."""
    groups: dict[str, dict[float, list[PlaceVerdict]]] = defaultdict(lambda: defaultdict(list))
    shown: list[PlaceVerdict] = []
    for entry in choice.of(verdict):
        kind = kind_of(entry)
        if kind == "measured":
            shown.append(entry)
        else:
            groups[kind][entry.place.memory_bytes or 0.0].append(entry)
    for kind, sizes in _KINDS.items():
        order = sorted(groups[kind], reverse=verdict == TOO_SMALL)
        usual = [size for size in order if any(map(_is_usual, groups[kind][size]))]
        for size in (usual or order)[: sizes if verdict == RUNS else 2]:
            shown += _best_known(groups[kind][size])
    return shown


def _is_usual(entry: PlaceVerdict) -> bool:
    return _HOUSEHOLD.fullmatch(entry.place.name) is not None


def _best_known(entries: Sequence[PlaceVerdict]) -> list[PlaceVerdict]:
    """Usual ones that somebody measured, then usual ones, the newest first: the catalogue lists the
    oldest first."""
    age = {name: -i for i, name in enumerate(chips())}

    def rank(entry: PlaceVerdict) -> tuple[bool, bool, int]:
        return not _is_usual(entry), not entry.chip_measured, age.get(entry.place.name, 0)

    best = sorted(entries, key=rank)[:_EXAMPLES]
    return sorted(best, key=lambda e: e.decode.value if e.decode else 0.0)
