"""The answer of a sweep in a terminal: frontiers with how sure they are, and picks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
from rich.markup import escape

from grid.analysis import (
    Frontier,
    FrontierPoint,
    Pick,
    Posterior,
    Variant,
    frontier,
    picks,
    typical_limits,
)
from grid.analysis.dataset import Dataset
from grid.analysis.labels import told_apart
from grid.cli.views.console import console, number, print_json, table, warn
from grid.cli.views.frontier_json import VIEWS, class_data
from grid.cli.views.sources import third_party
from grid.errors import InputError
from grid.results.problems import left_out, nothing_there
from grid.results.statistics import Interval
from grid.results.uris import shown
from grid.units import format_bytes, format_seconds

if TYPE_CHECKING:
    from grid.plan.plan import Plan
    from grid.sweep.run import Summary

PLAUSIBLE = 0.05
"""Least probability at which a point off the frontier is shown beside it."""

TIES_SHOWN = 3

BUSY = 0.2
"""Share of the machine that other programs may use during a speed cell before it is said."""

WIDE = 120
"""Columns of a terminal from which all of a frontier's table fits."""


def show_frontier(
    store: str, as_json: bool = False, only: Sequence[Plan] = (), sweep: str = ""
) -> None:
    """For each hardware class the frontiers and the picks for typical limits; `only` what plans are
    about: their artifacts, on their nodes' classes; or of a `sweep` its artifacts, wherever they
    ran."""
    data = Dataset(store)
    if data.empty:
        raise InputError(nothing_there(data.shown, data.problems))
    warn(left_out(data.problems))
    if only:
        data = data.only(_of_plans(only))
    if sweep:
        attempts = data.overview.attempts
        swept = pc.unique(attempts.filter(pc.field("sweep") == sweep)["artifact_id"])
        data = data.only(pc.field("artifact_id").isin(swept.to_pylist()))
    beliefs = {
        name: data.belief(name)
        for name in sorted(one.name for one in data.classes)
        if data.variants(name)
    }
    if as_json:
        print_json({name: class_data(belief) for name, belief in beliefs.items()})
        return
    if not beliefs:
        console().print("no hardware class has a measured variant yet; see `grid results`")
    for name, belief in beliefs.items():
        _print_class(name, _named_apart(belief))
        _print_disturbed(data, name)
        _print_refused(data, name)


def _of_plans(plans: Sequence[Plan]) -> pc.Expression:
    """Of the attempts at the artifacts of plans: on their nodes' classes, and wherever else their
    engines' arithmetic computed."""
    wanted: set[str] = set()
    scopes: set[str] = set()
    for plan in plans:
        cells = (*plan.cells, *plan.measured, *(skip.cell for skip in plan.skipped))
        wanted |= {cell.artifact.id for cell in cells}
        scopes |= {cell.scope for cell in cells}
    there = pc.field("scope").isin(sorted(scopes))
    return there & pc.field("artifact_id").isin(sorted(wanted))


def _named_apart(belief: Posterior) -> Posterior:
    """The same with quants named so that no two variants are called the same."""
    added = told_apart(belief.variants)
    variants = [
        replace(v, quant=f"{v.quant} ({added[v.id]})") if added[v.id] else v
        for v in belief.variants
    ]
    return replace(belief, variants=tuple(variants))


def _print_disturbed(data: Dataset, hardware_class: str) -> None:
    """Speed that was measured while other programs computed is said, not hidden."""
    speed = pc.field("measure").isin(["prefill", "decode", "latency"])
    here = (pc.field("hardware_class") == hardware_class) & (pc.field("status") == "ok")
    labels = []
    for row in _with_environment(data, data.overview.attempts.filter(speed & here)):
        share = float(row["environment"].get("other_cpu_share", 0))
        if share > BUSY:
            labels.append(f"{row['model']} {row['quant']} {row['label']} ({share:.0%})")
    if labels:
        shown = ", ".join(labels[:TIES_SHOWN])
        rest = f" and {len(labels) - TIES_SHOWN} more" if len(labels) > TIES_SHOWN else ""
        text = f"other programs computed during {shown}{rest}: leave the machine alone and --fresh"
        console().print(text, markup=False, style="yellow")


def _print_refused(data: Dataset, hardware_class: str) -> None:
    """Where a divergence from the reference is not there because it would mean nothing."""
    quality = (pc.field("measure") == "quality") & (pc.field("status") == "ok")
    here = pc.field("hardware_class") == hardware_class
    reasons: defaultdict[str, list[str]] = defaultdict(list)
    for row in _with_environment(data, data.overview.final.filter(quality & here)):
        reason = row["environment"].get("kld_refused")
        if reason:
            reasons[reason].append(f"{row['model']} {row['quant']} in {row['backend']}")
    for reason, labels in reasons.items():
        console().print(f"no KLD for {', '.join(labels)}: {reason}", markup=False, style="yellow")


def _with_environment(data: Dataset, rows: pa.Table) -> list[dict[str, Any]]:
    """The rows, each with its environment."""
    ids = rows["attempt_id"].combine_chunks()
    read = data.results.read("attempts", ["environment"], ids).to_pylist()
    told = {row["attempt_id"]: dict(row["environment"] or ()) for row in read}
    return [row | {"environment": told[row["attempt_id"]]} for row in rows.to_pylist()]


def show_summary(summary: Summary, store: str, as_json: bool) -> None:
    """What the sweep did, and where its rows are."""
    node_s = summary.span_s * summary.nodes
    inside = summary.engine_s / node_s if node_s > 0 else None
    if as_json:
        import json
        import sys

        told = {"event": "done", **msgspec.structs.asdict(summary)}
        told["store"] = shown(store)
        sys.stdout.write(json.dumps({**told, "engine_share": inside}) + "\n")
        return
    out = console()
    parts = [f"{summary.measured} cells measured"]
    parts += [f"{summary.failed} failed"] if summary.failed else []
    parts += [f"{summary.skipped} skipped"] if summary.skipped else []
    parts += [f"{summary.already} measured before"] if summary.already else []
    where = f" on {summary.nodes} nodes" if summary.nodes > 1 else ""
    text = f"{', '.join(parts)}{where} in {format_seconds(summary.wall_s)}"
    if inside is not None:
        text += f"; {inside:.0%} of the time from first to last cell was inside the engine"
    out.print(text)
    place = shown(store)
    text = f"rows: {place}   (grid results, grid results export, grid.open({place!r}))"
    out.print(text, markup=False)


def _print_class(name: str, belief: Posterior) -> None:
    out = console()
    found = belief.variants
    out.rule(f"[bold]{escape(name)}", align="left")
    out.print(_heading(found), markup=False)
    for text in third_party((v.origin, v.licence) for v in found):
        out.print(text, markup=False, soft_wrap=True)
    if all(variant.capability is None for variant in found):
        _print_plain(found)
        return
    for axis, heading in VIEWS:
        out.print(f"\n[bold]{heading}[/bold]")
        _print_frontier(frontier(belief, axis))
    out.print("\n[bold]what to run[/bold]")
    _print_picks(picks(belief, typical_limits(found)))
    _print_notes(found)


def _print_plain(found: Sequence[Variant]) -> None:
    """Without capability there is no frontier; what was measured is shown as it is."""
    out = console()
    out.print(
        '\nno capability was measured (measures = [..., "tasks"]), so no frontier', markup=False
    )
    columns = ("model", "size", "decode token/s", "prefill token/s", "KLD", "peak memory")
    rows = [
        (
            variant.label,
            _size(variant),
            _interval(variant.decode_tps),
            _interval(variant.prefill_tps),
            _interval(variant.kld_mean),
            format_bytes(variant.peak_rss_bytes.value) if variant.peak_rss_bytes else "-",
        )
        for variant in found
    ]
    out.print(table(columns, rows, right=(1, 5), wrap=(2, 3, 4)))


def _print_frontier(found: Frontier) -> None:
    out = console()
    if not found.points:
        out.print(f"  nothing to compare: {_lacks(found)}", markup=False)
        return
    shown = [point for point in found.points if point.on or point.probability >= PLAUSIBLE]
    heads = ("", "model", "size", "bits/w", "capability", "decode token/s", "on it", "ties")
    lines: list[Sequence[str]] = [heads, *(_row(point) for point in shown)]
    if out.width < WIDE:
        lines = [_narrow(line) for line in lines]
    right = [lines[0].index(name) for name in ("size", "bits/w", "on it") if name in lines[0]]
    out.print(table(lines[0], lines[1:], right=right))
    hidden = len(found.points) - len(shown)
    if hidden:
        out.print(f"  and {hidden} more that something beats, surely (P < {PLAUSIBLE:g})")
    if found.left_out:
        out.print(f"  left out: {_lacks(found)}", markup=False)


def _narrow(row: Sequence[str]) -> tuple[str, ...]:
    """Without bits per weight, ties, and the decode rate's interval: for 80 columns."""
    return (*row[:3], row[4], row[5].partition(" [")[0], row[6])


def _print_picks(chosen: Sequence[Pick]) -> None:
    out = console()
    columns = ("if you want", "run", "capability", "size", "decode token/s", "")
    lines: list[Sequence[str]] = [columns, *(_pick_row(pick) for pick in chosen)]
    if out.width < WIDE:
        lines = [line[:4] for line in lines]
    out.print(table(lines[0], lines[1:], right=(3,), wrap=(0, 2, 5)))
    for pick in chosen:
        for step in pick.relax:
            out.print(f"  for {pick.limits.name}: {step.text}", markup=False)


def _heading(found: Sequence[Variant]) -> str:
    models = sorted({variant.model for variant in found})
    classes = sorted({name for variant in found for name in variant.weights})
    text = f"{len(found)} variants of {', '.join(models)}"
    if classes:
        text += f"; quality = capability, the mean over {', '.join(classes)} (0 chance, 1 perfect)"
    return text


def _size(variant: Variant) -> str:
    return format_bytes(variant.artifact_bytes) if variant.artifact_bytes else "not known"


def _row(point: FrontierPoint) -> Sequence[str]:
    variant = point.variant
    return (
        "*" if point.on else " ",
        variant.label,
        _size(variant),
        number(variant.bpw_file),
        _interval(variant.capability),
        _interval(variant.decode_tps),
        f"{point.probability:.0%}",
        _ties(point),
    )


def _ties(point: FrontierPoint) -> str:
    tied = point.ties.get("capability", ())
    names = [variant.label for variant in tied[:TIES_SHOWN]]
    rest = len(tied) - len(names)
    return ", ".join(names) + (f" and {rest} more" if rest else "")


def _pick_row(pick: Pick) -> Sequence[str]:
    if pick.variant is None:
        why = pick.rejected[0].reason if pick.rejected and not pick.relax else "see below"
        return (pick.limits.name, "nothing", "-", "-", "-", why)
    variant = pick.variant
    note = ""
    if pick.best is not None and pick.best is not variant:
        note = f"ties with {pick.best.label}, smaller"
    return (
        pick.limits.name,
        variant.label,
        _interval(variant.capability),
        _size(variant),
        _interval(variant.decode_tps),
        note,
    )


def _print_notes(found: Sequence[Variant]) -> None:
    out = console()
    out.print()
    same = [variant.label for variant in found if variant.indistinguishable]
    if same:
        text = f"indistinguishable from 16 bits (KLD within the noise floor): {', '.join(same)}"
        out.print(text, markup=False)
    drifting = [variant.label for variant in found if variant.drifts]
    if drifting:
        text = f"speed drifted between repetitions: {', '.join(drifting)}"
        out.print(text, markup=False)
    out.print(
        "intervals are 95 %; * nothing beats it; on it: probability of that (docs/frontier.md)"
    )


def _lacks(found: Frontier) -> str:
    reasons = sorted({reason for _, reason in found.left_out})
    count = len(found.left_out)
    return f"{count} variant{'s' if count > 1 else ''} ({'; '.join(reasons)})"


def _interval(interval: Interval | None) -> str:
    if interval is None:
        return "-"
    if interval.low is None or interval.high is None:
        return number(interval.value)
    return f"{number(interval.value)} [{number(interval.low)}, {number(interval.high)}]"
