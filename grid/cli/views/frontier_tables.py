"""A frontier and its picks as tables of a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from grid.analysis import Frontier, FrontierPoint, Pick, Variant
from grid.analysis.axes import Axis, figure_on, lacks_uncertainty
from grid.analysis.figures import ABSENT, interval, number
from grid.analysis.quality_order import CAPABILITY, KLD
from grid.cli.views.console import console, table
from grid.cli.views.quality_picks import QualityPicks
from grid.errors import name_some
from grid.results.statistics import Interval
from grid.units import format_bytes

PLAUSIBLE = 0.05
"""Least probability at which a point off the frontier is shown beside it."""

TIES_SHOWN = 3

REASONS_SHOWN = 2

WIDE = 120
"""Columns of a terminal from which all of a frontier's table fits."""

TITLES = {CAPABILITY: "capability", KLD: "KLD", "perplexity": "perplexity"}
"""Heads of columns of quality."""

ALIKE = "no sure difference from"

HEADS = {
    "prefill_tps": "prefill token/s",
    "s_per_right_answer": "s/right answer",
    "j_per_right_answer": "J/right answer",
    "net_j_per_right_answer": "net J/right answer",
    "decode_j_per_token": "J/token",
    "decode_net_j_per_token": "net J/token",
}
"""Heads of columns of costs."""

SHOWN_AXES = ("artifact_bytes", "decode_tps")
"""Axes that every table has a column of."""

WIDE_ONLY = (ALIKE, "bits/w", "KLD", "on it")
"""Columns that a narrow terminal has no room for, the first to go first."""


def print_frontier(curve: Frontier) -> None:
    """Print what is on a frontier or may be."""
    out = console()
    if not curve.points:
        out.print(f"  nothing to compare: {_left_out(curve)}", markup=False)
        return
    points = [
        point for point in curve.points if point.on_frontier or point.probability >= PLAUSIBLE
    ]
    columns = _columns(curve, points)
    if out.width < WIDE:
        columns = {name: _narrow(name, cells) for name, cells in columns.items()}
    heads = list(columns)
    rows = list(zip(*columns.values(), strict=True))
    right = [heads.index(name) for name in ("size", "bits/w", "on it")]
    optional = [heads.index(name) for name in WIDE_ONLY if name in columns]
    wrap = [heads.index(ALIKE)]
    out.print(table(heads, rows, right=right, wrap=wrap, names=(1,), optional=optional))
    hidden = len(curve.points) - len(points)
    if hidden:
        out.print(f"  and {hidden} more that something beats, surely (P < {PLAUSIBLE:g})")
    if curve.left_out:
        out.print(f"  left out: {_left_out(curve)}", markup=False)


def _columns(curve: Frontier, points: Sequence[FrontierPoint]) -> dict[str, list[str]]:
    """Cells by column: quality on the frontier's own axis, and KLD beside capability."""
    variants = [point.variant for point in points]
    columns = {
        "": ["*" if point.on_frontier else " " for point in points],
        "model": [variant.label for variant in variants],
        "size": [format_size(variant) for variant in variants],
        "bits/w": [number(variant.bpw_file) for variant in variants],
        TITLES[curve.y.name]: [quality_cell(variant, curve.y) for variant in variants],
    }
    if curve.y.name == CAPABILITY and has_divergence([p.variant for p in curve.points]):
        columns["KLD"] = [number(_value(variant)) for variant in variants]
    if curve.x.name not in SHOWN_AXES:
        columns[HEADS.get(curve.x.name, curve.x.title)] = [
            _cost_cell(variant, curve.x) for variant in variants
        ]
    return {
        **columns,
        "decode token/s": [interval(variant.decode_tps) for variant in variants],
        "on it": [_probability(point, curve.y) for point in points],
        ALIKE: [_ties(point, curve.y) for point in points],
    }


def _cost_cell(variant: Variant, axis: Axis) -> str:
    return interval(figure_on(variant, axis), format_bytes if axis.unit == "B" else number)


def _narrow(name: str, cells: list[str]) -> list[str]:
    """Rates and costs without their intervals: for 80 columns."""
    has_room = name != "decode token/s" and name not in HEADS.values()
    return cells if has_room else [cell.partition(" [")[0] for cell in cells]


def has_divergence(variants: Sequence[Variant]) -> bool:
    """True where any was compared with the 16 bits, besides these themselves."""
    return any(v.kld_mean is not None and v.kld_mean.value > 0 for v in variants)


def quality_cell(variant: Variant, axis: Axis) -> str:
    """A figure with its interval; the 0 of the reference itself has none."""
    figure: Interval | None = getattr(variant, axis.name)
    if figure is not None and figure.low == figure.high:
        return number(figure.value)
    return interval(figure)


def _value(variant: Variant) -> float | None:
    return None if variant.kld_mean is None else variant.kld_mean.value


def print_picks(picks: QualityPicks, with_divergence: bool = False) -> None:
    """Print what to run under typical limits; `with_divergence` has KLD beside capability."""
    out, axis = console(), picks.axis
    columns = ["if you want", "run", TITLES[axis.name], "size", "decode token/s", ""]
    lines = [_pick_row(pick, picks) for pick in picks.picks]
    if out.width < WIDE:
        columns, lines = columns[:4], [line[:4] for line in lines]
    if with_divergence:
        columns.insert(3, "KLD")
        for line, pick in zip(lines, picks.picks, strict=True):
            line.insert(3, number(_value(pick.variant)) if pick.variant else ABSENT)
    wrap = [place for place, name in enumerate(columns) if name in (columns[0], "")]
    optional = [columns.index(name) for name in ("KLD",) if name in columns]
    right = (columns.index("size"),)
    out.print(table(columns, lines, right=right, wrap=wrap, names=(1,), optional=optional))
    for pick in picks.picks:
        for step in pick.relax:
            out.print(f"  for {pick.limits.name}: {step.text}", markup=False)


def _pick_row(pick: Pick, picks: QualityPicks) -> list[str]:
    if pick.variant is None:
        why = pick.rejected[0].reason if pick.rejected and not pick.relax else "see below"
        return [pick.limits.name, "nothing", "-", "-", "-", why]
    return [
        pick.limits.name,
        picks.label(pick.variant),
        quality_cell(pick.variant, picks.axis),
        format_size(pick.variant),
        interval(picks.rate(pick.variant)),
        _tie_note(pick),
    ]


def _tie_note(pick: Pick) -> str:
    """What else is as good or may be, and why the pick goes before it."""
    smallest = pick.smallest
    if smallest is not None and smallest is not pick.variant:
        closer = any(r.variant is smallest and r.kind == "less close" for r in pick.rejected)
        advantage = "less KLD" if closer else "expected to be better"
        return f"{advantage} than {smallest.label}, which is smaller and not surely worse"
    if pick.best is not None and pick.best is not pick.variant:
        return f"ties with {pick.best.label}, smaller"
    return ""


def format_size(variant: Variant) -> str:
    """Of the weight files; "about" where it was computed, since no file is at hand."""
    if not variant.artifact_bytes:
        return "not known"
    about = "about " if variant.size_text else ""
    return f"{about}{format_bytes(variant.artifact_bytes)}"


def _probability(point: FrontierPoint, axis: Axis) -> str:
    if axis.name != CAPABILITY and lacks_uncertainty(point.variant, axis):
        return ABSENT
    return f"{point.probability:.0%}"


def _ties(point: FrontierPoint, axis: Axis) -> str:
    labels = [variant.label for variant in point.ties.get(axis.name, ())]
    return name_some(labels, TIES_SHOWN)


def _left_out(curve: Frontier) -> str:
    reasons = sorted({reason for _, reason in curve.left_out})
    count = len(curve.left_out)
    return f"{count} variant{'s' if count > 1 else ''} ({name_some(reasons, REASONS_SHOWN, '; ')})"
