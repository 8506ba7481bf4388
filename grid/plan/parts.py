"""Parts of workloads, which come first where a sweep stops when it is decided: the first chunks of
a text, the first items of a task, rates over fewer tokens."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from msgspec.structs import replace

from grid.cells.cell import Cell
from grid.cells.workload import Decode, Latency, Prefill, Quality, Tasks, Workload

FIRST_CHUNKS = 8
"""Chunks of the first look: of fewer, Student's t of so many comparisons tells nothing apart."""

FIRST_ITEMS = 40
"""Items of a task of the first look."""

FIRST_PROMPT = 4
FIRST_GENERATED = 8
"""The first look at a rate is at the asked tokens over this, `FIRST_REPETITIONS` times: a prompt is
computed at once, and of a part too short the rate is another."""

FIRST_REPETITIONS = 3

GROWTH = 3
"""Each look has so many times what the look before had. Every look begins at the first chunk, so
that what is measured to the end costs half as much again at most."""


def chunk_looks(chunks: int) -> tuple[int, ...]:
    """Numbers of chunks at which to look, `chunks` the last: 64 gives 8, 24, 64."""
    return _looks(FIRST_CHUNKS, chunks)


def item_looks(items: int) -> tuple[int, ...]:
    """Numbers of items of a task at which to look, `items` the last: 200 gives 40, 200."""
    return _looks(FIRST_ITEMS, items)


def _looks(first: int, total: int) -> tuple[int, ...]:
    looks = []
    while 2 * first <= total:  # nearly all of it is no look of its own
        looks.append(first)
        first *= GROWTH
    return (*looks, total)


def with_parts(workloads: Iterable[Workload]) -> tuple[Workload, ...]:
    """The workloads, each text, task and rate after its parts."""
    listed = tuple(workloads)
    least = _least_depths(listed)
    parts = [part for workload in listed for part in (*_parts(workload, least), workload)]
    return tuple(dict.fromkeys(parts))


def _parts(workload: Workload, least_depth: Mapping[type, int]) -> tuple[Workload, ...]:
    looks = _looks_of(workload)[:-1]
    match workload:
        case Quality(chunks=chunks):
            return tuple(replace(workload, chunks=look, part_of=chunks) for look in looks)
        case Tasks(limit=limit):
            return tuple(replace(workload, limit=look, part_of=limit) for look in looks)
        case Prefill(tokens=tokens, depth=depth) | Decode(tokens=tokens, depth=depth):
            share = FIRST_PROMPT if isinstance(workload, Prefill) else FIRST_GENERATED
            if depth == least_depth[type(workload)] and tokens >= share:
                return (_fewer_tokens(workload, share),)
    return ()


def _fewer_tokens(workload: Prefill | Decode, share: int) -> Workload:
    return replace(
        workload,
        tokens=workload.tokens // share,
        repetitions=FIRST_REPETITIONS,
        precision=0.0,
        part_of=workload.tokens,
    )


def _looks_of(workload: Workload) -> tuple[int, ...]:
    match workload:
        case Quality(prompts_sha256="", chunks=chunks, part_of=total):
            return chunk_looks(total or chunks)
        case Quality(
            chunks=chunks
        ):  # the reference writes the text: its length is not known before
            return (chunks,)
        case Tasks(limit=limit, part_of=total):
            return item_looks(total or limit)
    return ()


def most_looks(cells: Iterable[Cell]) -> int:
    """The most looks that any text or task of the cells has; at least 1."""
    return max((len(_looks_of(cell.workload)) for cell in cells), default=1) or 1


def stages(cells: Sequence[Cell]) -> dict[str, int]:
    """When each cell is measured where a sweep stops when it is decided, by id: 0 at once, and
    later only where it still decides something, or of what is not beaten. Latency comes at once
    where there are no rates."""
    workloads = [cell.workload for cell in cells]
    has_rates = any(isinstance(workload, Prefill | Decode) for workload in workloads)
    return {cell.id: _stage(cell.workload, has_rates) for cell in cells}


def _least_depths(workloads: Iterable[Workload]) -> dict[type, int]:
    rates = [workload for workload in workloads if isinstance(workload, Prefill | Decode)]
    return {
        kind: min((rate.depth for rate in rates if type(rate) is kind), default=0)
        for kind in (Prefill, Decode)
    }


def _stage(workload: Workload, has_rates: bool) -> int:
    match workload:
        case Quality(chunks=chunks):
            return _looks_of(workload).index(chunks)
        case Tasks(limit=limit):
            return _looks_of(workload).index(limit)
        case Prefill(part_of=total) | Decode(part_of=total):
            return int(not total)
        case Latency():
            return int(has_rates)
    return 0


def whole_id(cell: Cell) -> str:
    """Id of the cell of all chunks or items that the cell is a part of; its own, if of none."""
    workload = cell.workload
    if isinstance(workload, Quality | Tasks) and workload.part_of:
        return replace(cell, workload=workload.whole).id
    return cell.id
