"""Generates a grid of twelve classes and a sweep over it from a seed, close to measured ones.

Speeds: decoding reads the weights once a token at the memory's bandwidth, reading a prompt computes
two operations a parameter and token. Sizes and speeds are of machines on the market. The number of
cells of each class is in proportion to what its nodes can do, within a third: a class with too much
would be all of the makespan, and any policy would reach it (`hardest` asks for that).
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Iterator, Mapping
from itertools import count, islice
from typing import NamedTuple

from dispatch_simulation.simulation import Scenario
from grid.sweep.dispatch.work import Costs, NodeSpec, Work
from grid.units import GIB

SEED = 20_26


class Chip(NamedTuple):
    """A hardware class: rates in units a second, memory in GiB, and its part of all nodes."""

    name: str
    kind: str
    part: int
    flops: float
    bandwidth: float
    host: int
    device: int = 0


CHIPS = (
    Chip("desktop-8", "cpu-avx2", 160, 0.6e12, 60e9, 32),
    Chip("desktop-4", "cpu-avx2", 140, 0.3e12, 40e9, 16),
    Chip("server-32", "cpu-avx2", 60, 2.0e12, 180e9, 256),
    Chip("server-64", "cpu-avx512", 50, 5.0e12, 300e9, 512),
    Chip("workstation-16", "cpu-avx512", 70, 1.8e12, 90e9, 128),
    Chip("rtx-3060", "cuda-sm86", 120, 25e12, 360e9, 32, 12),
    Chip("rtx-3090", "cuda-sm86", 90, 70e12, 930e9, 64, 24),
    Chip("l4", "cuda-sm89", 80, 60e12, 300e9, 64, 24),
    Chip("rtx-4090", "cuda-sm89", 100, 160e12, 1000e9, 64, 24),
    Chip("h100", "cuda-sm90", 30, 600e12, 3300e9, 512, 80),
    Chip("m2", "metal", 60, 3.5e12, 100e9, 16, 11),
    Chip("m4-max", "metal", 40, 16e12, 540e9, 64, 48),
)

BILLIONS = (0.5, 1.0, 1.5, 3.0, 4.0, 7.0, 8.0, 12.0, 14.0, 27.0, 32.0)
BITS = (16.0, 8.5, 6.6, 5.7, 4.8, 4.3, 3.9, 3.4, 2.6)
SHARED_PART = 0.25
"""Of all cells, those that any class of their device kind can do."""
LONGEST_S = 150.0
"""A cell that is estimated to take longer is none: such are left out of a sweep."""
BESIDE_S = 1.0
"""Seconds of a cell beside what it computes."""
READING_S, WRITING_S = 5.0, 30.0
"""A speed is measured six times, or as often as makes so many seconds: of prompts and of tokens."""
LARGEST_CONTEXT = 8192
SHARED_TOKENS = {"wiki": 60_000, "code": 30_000, "recall": 9_000, "math": 18_000, "items": 13_000}
"""Tokens that are computed for a text's quality, or a class of tasks."""
FAILING, STRAGGLING = 0.02, 0.01
AWAY_S = 300.0
"""Seconds until a node that left is back, if it comes back."""
STEP_S = 2e-3
"""Least seconds for a token: launching kernels, sampling, Python."""


class Engine(NamedTuple):
    """A model at a quantization in a backend."""

    name: str
    artifact: str
    parameters: float
    size: float


def scenario(
    seed: int = SEED,
    nodes: int = 1_000,
    cells: int = 100_000,
    models: int = 40,
    *,
    failures: bool = False,
    hardest: float = 1.0,
) -> Scenario:
    """`hardest` multiplies the work that only the smallest class can do; 1: all have their part.

    With `failures`, 2 % of cells fail (half of them at their second try too), one node in twenty
    leaves, half of those come back, and as many others join late.
    """
    rng = random.Random(seed)
    counts = _counts(nodes)
    engines = _engines(rng, models)
    bias = {chip.name: rng.lognormvariate(0.0, 0.15) for chip in CHIPS}
    works, end_s = _works(rng, engines, counts, bias, cells, hardest)
    specs = [
        _node_spec(chip, f"{chip.name}-{number}")
        for chip in CHIPS
        for number in range(counts[chip.name])
    ]
    later = _late_joins(rng, counts, end_s) if failures else []
    names = [spec.name for spec in specs] + [spec.name for _, spec in later]
    leaves, back = _departures(rng, counts, end_s) if failures else ([], [])
    return Scenario(
        works=tuple(works),
        costs=_costs(engines),
        nodes=tuple(specs),
        pace={name: rng.lognormvariate(0.0, 0.04) for name in names},
        truth={work.cell_id: _truth(rng) for work in works},
        bias=bias,
        peer_s={engine.artifact: 2.0 + engine.size / 1e9 for engine in engines},
        failing=_failing(rng, works) if failures else {},
        leaves=tuple(leaves),
        joins=tuple(sorted(later + back, key=lambda join: join[0])),
    )


def _node_spec(chip: Chip, name: str) -> NodeSpec:
    return NodeSpec(
        name=name,
        profile=chip.name,
        host_bytes=chip.host * GIB,
        device_bytes=chip.device * GIB,
    )


def _late_joins(
    rng: random.Random, counts: Mapping[str, int], end_s: float
) -> list[tuple[float, NodeSpec]]:
    """Nodes that come while the sweep runs, as many of each class as a twentieth of it."""
    return [
        (rng.uniform(0.1, 0.7) * end_s, _node_spec(chip, f"{chip.name}-late-{number}"))
        for chip in CHIPS
        for number in range(_moving_count(counts[chip.name]))
    ]


def _moving_count(count: int) -> int:
    """A twentieth of a class; of a small one, a node if two stay."""
    return max(round(count / 20), int(count > 2))


def _departures(
    rng: random.Random, counts: Mapping[str, int], end_s: float
) -> tuple[list[tuple[float, str]], list[tuple[float, NodeSpec]]]:
    """Nodes that leave, a twentieth of each class, and those of them that come back."""
    leaves: list[tuple[float, str]] = []
    back: list[tuple[float, NodeSpec]] = []
    for chip in CHIPS:
        for number in range(_moving_count(counts[chip.name])):
            spec, time = _node_spec(chip, f"{chip.name}-{number}"), rng.uniform(0.1, 0.8) * end_s
            leaves.append((time, spec.name))
            if rng.random() < 0.5:
                back.append((time + AWAY_S, spec))
    return leaves, back


def _failing(rng: random.Random, works: list[Work]) -> dict[str, int]:
    return {work.cell_id: rng.choice((1, 2)) for work in works if rng.random() < FAILING}


def _truth(rng: random.Random) -> float:
    """Real seconds for an estimated one: a spread of 20 %, and one cell in a hundred that takes two
    to four times as long."""
    if rng.random() < STRAGGLING:
        return rng.uniform(2.0, 4.0)
    return rng.lognormvariate(0.0, 0.2)


def _counts(nodes: int) -> dict[str, int]:
    parts = sum(chip.part for chip in CHIPS)
    counts = {chip.name: max(2, round(nodes * chip.part / parts)) for chip in CHIPS}
    counts[CHIPS[0].name] += nodes - sum(counts.values())
    return counts


def _engines(rng: random.Random, models: int) -> list[Engine]:
    engines = []
    for number in range(models):
        parameters = rng.choice(BILLIONS) * 1e9
        for bits in rng.sample(BITS, 7):
            artifact = f"model{number}-{bits}"
            for backend in ("one", "two")[: 1 + (rng.random() < 0.4)]:
                name = f"{artifact}-{backend}"
                engines.append(Engine(name, artifact, parameters, parameters * bits / 8))
    return engines


def _costs(engines: list[Engine]) -> Costs:
    """Opening reads the weights at 1 GB/s after 3 s; making writes 20 million parameters a second
    of a device's time on any class."""
    return Costs(
        loads={(e.name, chip.name): 3.0 + e.size / 1e9 for e in engines for chip in CHIPS},
        makes={
            (e.artifact, chip.name): 5.0 + e.parameters / 2e8 for e in engines for chip in CHIPS
        },
    )


def _works(
    rng: random.Random,
    engines: list[Engine],
    counts: Mapping[str, int],
    bias: Mapping[str, float],
    cells: int,
    hardest: float,
) -> tuple[list[Work], float]:
    """As many cells, of every class and kind in proportion to what its nodes can do, and about how
    long those are busy with them."""
    costs = _costs(engines)
    smallest = min(CHIPS, key=lambda chip: counts[chip.name]).name
    alone: list[Iterator[tuple[float, Work]]] = []
    room: dict[str, float] = {}
    for chip in CHIPS:
        part = rng.uniform(0.6, 0.9)
        room[chip.kind] = room.get(chip.kind, 0.0) + (1.0 - part) * counts[chip.name]
        share = part * counts[chip.name] * (hardest if chip.name == smallest else 1.0)
        alone.append(_levels(_speed_cells(rng, engines, chip), costs, bias, share, chip.name))
    kinds = list(dict.fromkeys(chip.kind for chip in CHIPS))
    shared = [
        _levels(_shared_cells(rng, engines, kind), costs, bias, room[kind], "") for kind in kinds
    ]
    streams = heapq.merge(*alone, *shared, key=lambda row: row[0])
    rows = list(islice(streams, cells))
    return [work for _, work in rows], rows[-1][0]


def _levels(
    works: Iterator[Work], costs: Costs, bias: Mapping[str, float], share: float, profile: str
) -> Iterator[tuple[float, Work]]:
    """Each with how long the class is busy with all up to it, engines opened once."""
    total = 0.0
    opened: set[str] = set()
    for work in works:
        seconds = [s * bias[p] for p, s in work.seconds.items()]
        total += sum(seconds) / len(seconds)
        if profile and work.engine not in opened:
            opened.add(work.engine)
            total += costs.load_s(work.engine, profile) * bias[profile]
        yield total / share, work


def _speed_cells(rng: random.Random, engines: list[Engine], chip: Chip) -> Iterator[Work]:
    """Endless: each round asks the same engines, in another order, at other depths."""
    fitting = [engine for engine in engines if _fits(engine, chip)]
    for turn in count():
        for engine in rng.sample(fitting, len(fitting)):
            for rank, (kind, size, seconds) in enumerate(_speed_workloads(engine, chip, turn)):
                if seconds <= LONGEST_S:
                    host, device = _memory(engine, chip, size)
                    yield Work(
                        cell_id=f"{engine.name} {kind}{size} {turn} {chip.name}",
                        engine=engine.name,
                        artifact=engine.artifact,
                        exclusive=True,
                        seconds={chip.name: seconds},
                        host_bytes=host,
                        device_bytes=device,
                        rank=(rank, size),
                    )


def _speed_workloads(engine: Engine, chip: Chip, turn: int) -> Iterator[tuple[str, int, float]]:
    """Speed cells of a turn: kind, tokens of context, seconds on the class."""
    read_s = 2 * engine.parameters / chip.flops
    step_s = max(engine.size / chip.bandwidth, STEP_S)
    depth = 256 * turn
    if turn == 0:
        yield "memory", 4096, BESIDE_S + 4096 * read_s + 4 * step_s
    for tokens in (128, 512, 2048):
        all_s = max(6 * tokens * read_s, READING_S)
        yield "prefill", depth + tokens, BESIDE_S + depth * read_s + all_s
    for context in (0, 512, 2048, 8192):
        all_s = max(6 * 64 * step_s, WRITING_S)
        yield "decode", depth + context, BESIDE_S + (depth + context) * read_s + all_s
    all_s = max(6 * (256 * read_s + 32 * step_s), WRITING_S)
    yield "latency", depth + 256, BESIDE_S + depth * read_s + all_s


def _shared_cells(rng: random.Random, engines: list[Engine], kind: str) -> Iterator[Work]:
    """Endless: quality over texts and classes of tasks, more of them each round."""
    chips = [chip for chip in CHIPS if chip.kind == kind]
    for turn in count():
        for engine in rng.sample(engines, len(engines)):
            for rank, (source, tokens) in enumerate(SHARED_TOKENS.items()):
                seconds = {
                    chip.name: BESIDE_S + tokens * 2 * engine.parameters / chip.flops
                    for chip in chips
                    if _fits(engine, chip)
                }
                seconds = {name: s for name, s in seconds.items() if s <= LONGEST_S}
                if len(seconds) >= min(2, len(chips)):
                    host, device = _memory(engine, chips[0], 2048)
                    yield Work(
                        cell_id=f"{engine.name} {source} {turn} {kind}",
                        engine=engine.name,
                        artifact=engine.artifact,
                        exclusive=False,
                        seconds=seconds,
                        host_bytes=host,
                        device_bytes=device,
                        rank=(10 + rank, tokens),
                    )


def _fits(engine: Engine, chip: Chip) -> bool:
    host, device = _memory(engine, chip, LARGEST_CONTEXT)
    return host <= 0.9 * chip.host * GIB and device <= 0.9 * chip.device * GIB


def _memory(engine: Engine, chip: Chip, context: int) -> tuple[int, int]:
    """Bytes of the host and of the device: weights and 16-bit keys and values."""
    cache = context * 40_000 * (engine.parameters / 1e9) ** 0.5
    needed = int(engine.size + cache) + GIB // 2
    return (GIB, needed) if chip.device else (needed, 0)
