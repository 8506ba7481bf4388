"""The two sides of a comparison: what A and B name, and the rows that count of each.

A side is a store, or `KIND:VALUE` of the rows in one store: `sweep:NAME`, `quant:Q4_K_M`,
`engine-version:VERSION`, `hardware:NAME`, `backend:NAME`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grid.analysis.ladder_names import with_ladder_names
from grid.analysis.tables import ITEM_COLUMNS, Attempt, ItemRows, attempts_of, item_rows
from grid.errors import InputError, choose_name, did_you_mean
from grid.results import select
from grid.results.files import UnreadableFile
from grid.results.problems import explain_no_results
from grid.results.reader import Results

if TYPE_CHECKING:
    import pyarrow as pa

STORE = "store"

COLUMNS = {
    "sweep": "sweep_id",
    "quant": "quant",
    "engine-version": "engine_version",
    "hardware": "hardware_class",
    "backend": "backend",
}
"""Kinds of sides in one store, and the column of each."""

KINDS = (STORE, *COLUMNS)

SERIES = (
    "prefill_s", "decode_s", "ttft_s", "tpot_s", "e2e_s", "machine_compute_s", "machine_memory_s",
    "output_tokens",
)  # fmt: skip
"""Times that are read of each attempt."""

OF_ITSELF = ("sweep", "engine-version")
"""Kinds of which the two newest are compared where none is named."""

Choose = Callable[["pa.Table"], "pa.Table"]
"""Leaves the attempts that are wanted of a table."""


@dataclass(frozen=True)
class Side:
    """Rows of one side: the attempt that counts of each cell, whatever its status.

    `measured` are those with status ok, `unmeasured` rows of the others.
    """

    name: str
    kind: str
    measured: tuple[Attempt, ...]
    unmeasured: tuple[Mapping[str, Any], ...]
    items: Mapping[str, ItemRows]
    problems: tuple[UnreadableFile, ...] = ()


def open_sides(
    first: str,
    second: str,
    *,
    store: str | Path = "results",
    by: Sequence[str] = (),
    choose: Choose = lambda attempts: attempts,
) -> tuple[Side, Side]:
    """Both sides. `by` names what the sides are, where their names do not say it; empty names are
    the two newest. `choose` filters the attempts of both.

    Raises InputError for names of nothing, for sides of different kinds, and for equal sides.
    """
    kinds = [choose_name(kind, KINDS, "kind of side") for kind in by]
    a, b = (_parse(text, kinds) for text in (first, second))
    if not first and not second:
        a, b = _newest_two(_attempts(Results(store), choose), kinds)
    elif not first or not second:
        raise InputError("give two sides to compare, such as quant:Q4_K_M quant:Q5_K_M")
    if a.kind != b.kind:
        raise InputError(
            f"{first} is a {a.kind} and {second} a {b.kind}; give two sides of one kind"
        )
    if a.kind == STORE:
        return _open_store(a.value, choose), _open_store(b.value, choose)
    results = Results(store)
    attempts = _attempts(results, choose)
    sides = [_rows_named(attempts, side) for side in (a, b)]
    if sides[0].equals(sides[1]):
        raise InputError(f"{first} and {second} are the same rows; nothing to compare")
    return _side(results, sides[0], a), _side(results, sides[1], b)


@dataclass(frozen=True)
class _Selector:
    kind: str
    value: str

    @property
    def name(self) -> str:
        return self.value if self.kind == STORE else f"{self.kind} {self.value}"


def _parse(text: str, kinds: Sequence[str]) -> _Selector:
    """What a side's name means: its own kind, else a store that is there, else the first of
    `kinds`."""
    kind, colon, value = text.partition(":")
    if colon and kind in COLUMNS:
        if not value:
            raise InputError(f"{text} names no {kind}; give one such as {kind}:NAME")
        return _Selector(kind, value)
    is_place = "://" in text or Path(text).expanduser().is_dir()
    named = [kind for kind in kinds if kind != STORE]
    if named and not is_place:
        return _Selector(named[0], text)
    if colon and not is_place and kind.isalpha() and len(kind) > 1:
        raise InputError(f"no kind of side {kind!r} in {text}. {did_you_mean(kind, COLUMNS)}")
    return _Selector(STORE, text)


def _newest_two(attempts: pa.Table, kinds: Sequence[str]) -> tuple[_Selector, _Selector]:
    """The two values of the first kind that were measured last, the older first."""
    if not kinds or kinds[0] == STORE:
        raise InputError("give two sides to compare: stores, or such as sweep:NAME; or --by sweep")
    kind, column = kinds[0], COLUMNS[kinds[0]]
    latest: dict[str, Any] = {}
    for row in attempts.select([column, "started_at"]).to_pylist():
        if row[column] and row["started_at"]:
            latest[row[column]] = max(row["started_at"], latest.get(row[column], row["started_at"]))
    ordered = sorted(latest, key=lambda value: (latest[value], value))
    if len(ordered) < 2 or (len(ordered) > 2 and kind not in OF_ITSELF):
        names = ", ".join(sorted(latest)) or "none"
        raise InputError(f"the store has {len(ordered)} of {kind} ({names}); name two of them")
    return _Selector(kind, ordered[-2]), _Selector(kind, ordered[-1])


def _open_store(uri: str, choose: Choose) -> Side:
    results = Results(uri)
    return _side(results, _attempts(results, choose), _Selector(STORE, uri))


def _attempts(results: Results, choose: Choose) -> pa.Table:
    attempts = results.attempts()
    if not attempts.num_rows:
        raise InputError(explain_no_results(results.location.display_name, results.problems))
    return choose(with_ladder_names(attempts))


def _rows_named(attempts: pa.Table, side: _Selector) -> pa.Table:
    """Rows of a side. A sweep is a name in a sweep file (all of its runs), or the start of the id
    of one run."""
    import pyarrow.compute as pc

    column = COLUMNS[side.kind]
    names = [name for name in pc.unique(attempts[column]).to_pylist() if name]
    if side.kind == "sweep":
        titles = [name for name in pc.unique(attempts["sweep"]).to_pylist() if name]
        runs = [name for name in names if name.startswith(side.value)]
        if side.value not in titles and runs:
            return attempts.filter(pc.field(column).isin(runs))
        title = choose_name(side.value, [*titles, *names], "sweep")
        return attempts.filter(pc.field("sweep") == title)
    if side.kind == "hardware":
        wanted = side.value.casefold()
        exact = [name for name in names if name.casefold() == wanted]
        names = (
            exact
            or [name for name in names if wanted in name.casefold()]
            or [choose_name(side.value, names, "hardware class")]
        )
        return attempts.filter(pc.field(column).isin(names))
    return attempts.filter(pc.field(column) == choose_name(side.value, names, side.kind))


def _side(results: Results, attempts: pa.Table, side: _Selector) -> Side:
    import pyarrow as pa

    rows = select.final(attempts).sort_by("attempt_id").to_pylist()
    ok = [row for row in rows if row["status"] == "ok"]
    ids = pa.array([row["attempt_id"] for row in ok], pa.string())
    metrics = results.read("metrics", ["name", "value", "low", "high", "sd", "n", "method"], ids)
    samples = results.read("samples", ["name", "values"], ids)
    measured = attempts_of(ok, metrics, samples, SERIES)
    items = results.read("items", ITEM_COLUMNS, ids)
    name = results.location.display_name if side.kind == STORE else side.name
    return Side(
        name,
        side.kind,
        tuple(measured),
        tuple(row for row in rows if row["status"] != "ok"),
        item_rows(items, measured),
        tuple(results.visible_problems()),
    )
