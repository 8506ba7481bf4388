"""Pairs of cells that are the same but for what is compared, and why others have no partner."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from grid.analysis.diff.side import Side
from grid.analysis.noise_floors import canonical_options
from grid.analysis.tables import Attempt

QUALITY = ("quality", "tasks")

_NOT_IDENTITY = frozenset({"text", "source", "precision", "budget_s", "part_of", "reference"})
"""Fields of a workload that say where content lies, how precisely a rate is measured, or what it is
compared with."""

FREE: dict[str, frozenset[str]] = {
    "store": frozenset({"engine version"}),
    "sweep": frozenset({"engine version"}),
    "engine-version": frozenset({"engine version"}),
    "quant": frozenset({"weights", "quant"}),
    "hardware": frozenset({"hardware", "options"}),
    "backend": frozenset({"engine", "engine version", "options", "weights"}),
}
"""What may differ between the cells of a pair, by the kind of the sides."""

MOST_VALUES = 3

_NAMES = {"backend": "engine"}

Key = tuple[tuple[str, str], ...]


class CellPair(NamedTuple):
    """The same cell on both sides."""

    first: Attempt
    second: Attempt


class Unpaired(NamedTuple):
    """A cell without a partner: which side has it (`A`, `B`), its name, and why."""

    side: str
    label: str
    reason: str


class Pairing(NamedTuple):
    """Pairs in the order of their names, cells without a partner, and what else differs between
    the sides of pairs."""

    pairs: list[CellPair]
    unpaired: list[Unpaired]
    changes: list[str]


def pair_cells(first: Side, second: Side, by: Collection[str] = ()) -> Pairing:
    """Pair the cells of two sides; `by` are further kinds that may differ.

    Cells of one id are a pair, then those of which all else is equal. Options that may differ are
    looked at first: only cells that are left are paired without them.
    """
    free = frozenset[str]().union(*(FREE[kind] for kind in {first.kind, *by}))
    keys: list[Callable[[Attempt], Key]] = [
        lambda attempt: _cell_key(attempt, free),
        lambda attempt: _key(attempt, free - {"options"}),
    ]
    if "options" in free:
        keys.append(lambda attempt: _key(attempt, free))
    pairs: list[CellPair] = []
    left, right = list(first.measured), list(second.measured)
    for key_of in keys:
        matches = _match(left, right, key_of)
        pairs += matches
        taken = {attempt.id for pair in matches for attempt in pair}
        left = [attempt for attempt in left if attempt.id not in taken]
        right = [attempt for attempt in right if attempt.id not in taken]
    same = [pair for pair in pairs if pair.first.id == pair.second.id]
    unpaired = [
        *(
            Unpaired("A", label_of(attempt), _reason(attempt, right, second, free))
            for attempt in left
        ),
        *(
            Unpaired("B", label_of(attempt), _reason(attempt, left, first, free))
            for attempt in right
        ),
        *(
            Unpaired("A, B", label_of(pair.first), "the same measurement on both sides")
            for pair in same
        ),
    ]
    pairs = [pair for pair in pairs if pair.first.id != pair.second.id]
    pairs.sort(key=lambda pair: _order(pair.first))
    return Pairing(pairs, unpaired, _changes(pairs, first.kind))


def label_of(attempt: Attempt) -> str:
    """`small Q4_K_M tg128`."""
    row = attempt.row
    return " ".join(str(row[name]) for name in ("model", "quant", "label") if row[name])


def _order(attempt: Attempt) -> tuple[Any, ...]:
    """Models by name, the largest file first, then workloads."""
    row = attempt.row
    return row["model"] or "", -(row["artifact_bytes"] or 0), row["quant"] or "", row["label"] or ""


def _match(
    left: Sequence[Attempt], right: Sequence[Attempt], key_of: Callable[[Attempt], Key]
) -> list[CellPair]:
    """Pairs of cells whose key stands once on each side."""
    ours, theirs = _by_key(left, key_of), _by_key(right, key_of)
    return [
        CellPair(mine[0], theirs[key][0])
        for key, mine in ours.items()
        if len(mine) == 1 and len(theirs.get(key, ())) == 1
    ]


def _by_key(
    attempts: Sequence[Attempt], key_of: Callable[[Attempt], Key]
) -> dict[Key, list[Attempt]]:
    groups: defaultdict[Key, list[Attempt]] = defaultdict(list)
    for attempt in attempts:
        groups[key_of(attempt)].append(attempt)
    return dict(groups)


def _cell_key(attempt: Attempt, free: Collection[str]) -> Key:
    row = attempt.row
    version = "" if "engine version" in free else row["engine_version"] or ""
    return ("cell", str(row["cell_id"])), ("engine version", version)


def _key(attempt: Attempt, free: Collection[str]) -> Key:
    return tuple((name, value) for name, value in _parts(attempt).items() if name not in free)


def _parts(attempt: Attempt) -> dict[str, str]:
    """All that makes a cell what it is, by its name in reasons."""
    row = attempt.row
    where = (
        {"numerics kind": row["device_kind"]}
        if attempt.measure in QUALITY
        else {"hardware": row["hardware_class"]}
    )
    parts = {
        "origin": row["origin"],
        "model": row["model"],
        "weights": row["artifact_id"],
        "quant": row["quant"],
        "engine": row["backend"],
        "engine version": row["engine_version"],
        "options": canonical_options(row),
        "workload": _workload(row["workload"] or "{}"),
        **where,
    }
    return {name: str(value or "") for name, value in parts.items()}


@lru_cache(maxsize=4096)
def _workload(text: str) -> str:
    try:
        fields = json.loads(text)
    except ValueError:
        return text
    if not isinstance(fields, dict):
        return text
    return json.dumps({k: v for k, v in fields.items() if k not in _NOT_IDENTITY}, sort_keys=True)


def _reason(attempt: Attempt, others: Sequence[Attempt], side: Side, free: Collection[str]) -> str:
    """Why a cell has no partner: what its nearest on the other side differs in, or a failure."""
    failed = [row for row in side.unmeasured if row["cell_id"] == attempt.row["cell_id"]]
    if failed:
        why = f": {failed[0]['reason']}" if failed[0]["reason"] else ""
        return f"{failed[0]['status']} in {side.name}{why}"
    mine = _parts(attempt)
    differing = []
    for candidate in others:
        theirs = _parts(candidate)
        names = [
            name for name in mine if name not in free and theirs.get(name, mine[name]) != mine[name]
        ]
        if mine.keys() == theirs.keys() and len(names) <= 1:
            differing.append((names, mine, theirs))
    for names, ours, theirs in differing:
        if not names:
            return "several cells fit it"
        if names[0] not in ("workload", "model", "quant", "origin"):
            name = names[0]
            values = (
                f": {ours[name]} / {theirs[name]}" if name not in ("weights", "options") else ""
            )
            return f"other {name}{values}"
    return "not in the other side"


def _changes(pairs: Sequence[CellPair], kind: str) -> list[str]:
    """What else differs between the sides of pairs: `engine version 0.3.15 / 0.3.16`."""
    values: defaultdict[str, set[tuple[str, str]]] = defaultdict(set)
    for pair in pairs:
        ours, theirs = _parts(pair.first), _parts(pair.second)
        for name in ("engine", "engine version", "quant", "hardware"):
            is_compared = name in (kind.replace("-", " "), _NAMES.get(kind))
            if not is_compared and name in ours and ours[name] != theirs.get(name):
                values[name].add((ours[name], theirs.get(name, "")))
    return [
        f"{name} {', '.join(f'{a} / {b}' for a, b in sorted(differing)[:MOST_VALUES])}"
        + (f" and {len(differing) - MOST_VALUES} more" if len(differing) > MOST_VALUES else "")
        for name, differing in values.items()
    ]
