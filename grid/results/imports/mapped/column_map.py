"""A map from columns to metrics and facts: `KLD=kld_mean,Size (GB)=artifact_bytes`.

An entry is COLUMN=NAME[:UNIT][@RUN]. RUN says what a figure was measured over: tokens, and @depth,
of a rate (`128@4096`), the context of memory, prompt+generated of a latency, the task of an
accuracy.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from grid.errors import InputError, did_you_mean
from grid.results.imports.mapped.head_units import head_unit
from grid.results.imports.mapped.targets import (
    COUNTS,
    NAMES,
    READABLE,
    SIZES,
    UNIT_EXAMPLES,
    measure_of,
    needs_unit,
    unit_of,
)
from grid.results.imports.units import factor

_RUNS = {
    "prefill": (r"(?:pp)?(\d{1,9})(?:\s*@\s*d?(\d{1,9}))?", ("tokens", "depth")),
    "decode": (r"(?:tg)?(\d{1,9})(?:\s*@\s*d?(\d{1,9}))?", ("tokens", "depth")),
    "memory": (r"c?(\d{1,9})", ("context",)),
    "latency": (r"(\d{1,9})\+(\d{1,9})", ("prompt", "generated")),
}
"""Pattern of RUN and what its numbers are, by measurement."""

_HEAD_RUN = re.compile(r"(?<![a-z0-9])(pp|tg)\s?(\d{1,9})(?!\d)(?:\s*@\s*d(\d{1,9}))?", re.I)
_EXAMPLES = {"prefill": "512", "decode": "128", "memory": "4096", "latency": "512+128"}


@dataclass(frozen=True)
class MappedColumn:
    """One entry. `unit` is None where neither the map nor the column's head states one; `run` has
    the tokens, depth, context, prompt and generated tokens that they state, `task` the task."""

    column: str
    target: str
    unit: str | None = None
    run: tuple[tuple[str, int], ...] = ()
    task: str = ""
    written: str = field(default="", compare=False)


@dataclass(frozen=True)
class ColumnMap:
    """The columns of a table. `origin` names who measured it, `absent` are cells that say that
    there is no figure, beside the usual ones. `other_files` are patterns of the names of files
    in which the columns mean something else."""

    columns: tuple[MappedColumn, ...]
    origin: str = ""
    absent: tuple[str, ...] = ()
    other_files: tuple[str, ...] = ()

    @property
    def heads(self) -> tuple[str, ...]:
        """The columns that a table must have, each once."""
        return tuple(dict.fromkeys(entry.column for entry in self.columns))


def split_entries(text: str) -> list[tuple[str, str]]:
    """(column, what it is) of the entries of a map as written. A comma inside brackets, or behind
    a backslash, is part of a column. Raises InputError for an entry that is none."""
    entries = []
    for part in re.split(r"(?<!\\),(?![^(\[]*[)\]])", text):
        column, equals, target = part.rpartition("=")
        if not part.strip():
            continue
        if not (equals and column.strip() and target.strip()):
            raise InputError(f"--map: {part.strip()!r} is no COLUMN=NAME, as in 'KLD=kld_mean'")
        entries.append((column.replace("\\,", ",").strip(), target.strip()))
    return entries


def build_map(
    entries: Iterable[tuple[str, str]], origin: str = "", absent: Sequence[str] = ()
) -> ColumnMap:
    """The map of (column, NAME[:UNIT][@RUN]) entries. Raises InputError, one line with what is
    possible, for an unknown name, a unit that is missing or of another kind, a rate without its
    tokens, two columns for one thing, or no metric at all."""
    columns = tuple(_entry(column, written) for column, written in entries)
    for at, entry in enumerate(columns):
        twin = next((b for b in columns[:at] if _is_same(entry, b)), None)
        if twin is not None:
            raise InputError(
                f"--map: {twin.column!r} and {entry.column!r} are both {entry.target}; map one"
            )
    if not any(entry.target in READABLE for entry in columns):
        raise InputError("--map: no column is a metric, such as kld_mean; see docs/metrics.md")
    mapped = {entry.target for entry in columns}
    for entry in columns:
        _require_run(entry, mapped)
    return ColumnMap(columns, origin, tuple(absent))


def _is_same(a: MappedColumn, b: MappedColumn) -> bool:
    return a.target == b.target != "option" and (a.run, a.task) == (b.run, b.task)


def _entry(column: str, written: str) -> MappedColumn:
    plain, _, run = written.partition("@")
    target, colon, unit = (part.strip() for part in plain.partition(":"))
    if target not in NAMES:
        raise InputError(
            f"--map: {target!r} of {column!r} is no metric or fact. {did_you_mean(target, NAMES)}"
        )
    if colon and target not in READABLE and target not in SIZES:
        raise InputError(f"--map: {target} of {column!r} has no unit")
    if run and target not in READABLE:
        raise InputError(f"--map: {target} of {column!r} takes no @")
    sized = target in READABLE or target in SIZES
    stated = (unit if colon else head_unit(column, unit_of(target))) if sized else None
    if stated is not None:
        _check_unit(column, target, stated)
    numbers, task = _run(column, target, run.strip()) if target in READABLE else ((), "")
    return MappedColumn(column, target, stated, numbers, task, written)


def _check_unit(column: str, target: str, unit: str) -> None:
    ours = unit_of(target)
    if factor(unit, ours) is None or (not unit and needs_unit(target)):
        raise InputError(
            f"--map: {column!r} is in {unit!r}, which is no unit of {target}; "
            f"possible: {UNIT_EXAMPLES.get(ours, 'none')}, as in {target}:{_first_unit(ours)}"
        )


def missing_unit(entry: MappedColumn) -> str:
    """Why a figure without a unit of its own cannot be read, as the end of a line."""
    ours = unit_of(entry.target)
    return (
        f"no unit is said of {entry.column!r}; possible: {UNIT_EXAMPLES[ours]}, "
        f"as in '{entry.column}={entry.target}:{_first_unit(ours)}'"
    )


def _first_unit(ours: str) -> str:
    return UNIT_EXAMPLES.get(ours, "").split(", ")[-1]


def _run(column: str, target: str, run: str) -> tuple[tuple[tuple[str, int], ...], str]:
    """(numbers, task) that the map states, else the head of the column."""
    measure = measure_of(target)
    if measure == "tasks":
        return (), run or column
    if measure not in _RUNS:
        if run:
            raise InputError(f"--map: {target} of {column!r} takes no @")
        return (), ""
    pattern, names = _RUNS[measure]
    match = re.fullmatch(pattern, run)
    if run and match is None:
        raise InputError(
            f"--map: @{run} of {column!r} is none of {measure}; write @{_EXAMPLES[measure]}"
        )
    if match is None and measure in ("prefill", "decode"):
        return _run_in_head(column, target, measure), ""
    values = match.groups() if match else ()
    return tuple(
        (name, int(value)) for name, value in zip(names, values, strict=False) if value
    ), ""


def _run_in_head(column: str, target: str, measure: str) -> tuple[tuple[str, int], ...]:
    tests = _HEAD_RUN.findall(column)
    own = "pp" if measure == "prefill" else "tg"
    if len(tests) > 1 or any(kind.lower() != own for kind, _, _ in tests):
        raise InputError(f"--map: {column!r} is no {target}: its test is not {own} alone")
    if not tests:
        return ()
    _, tokens, depth = tests[0]
    return (("tokens", int(tokens)), *((("depth", int(depth)),) if depth else ()))


def _require_run(entry: MappedColumn, mapped: set[str]) -> None:
    if entry.target not in READABLE or entry.target == "load_s":
        return
    measure = measure_of(entry.target)
    if measure not in _RUNS:
        return
    needed = set(_RUNS[measure][1]) - {"depth"}
    missing = needed - {name for name, _ in entry.run} - mapped
    if missing:
        words = " and ".join(name for name in COUNTS if name in missing)
        example = f"{entry.written.partition('@')[0]}@{_EXAMPLES[measure]}"
        raise InputError(
            f"--map: {entry.target} needs {words}: write '{entry.column}={example}' with your "
            f"numbers, or map columns to {words}"
        )
