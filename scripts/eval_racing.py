"""What a sweep that stops when it is decided costs, and whether it picks what the full one picks.

    python scripts/eval_racing.py STORE [STORE ...] --published ../shared/published
        [--modelled-rates] [--only tasks]

Grids are drawn from the stores' ladders (`racing_grids`). The constants of `grid.results.racing`
and `grid.plan.parts` were set with seed 1; `--seed` draws others, by default 2. The full grid is
judged by `grid.analysis` on all chunks and items, the race on those that it measured; both by the
same rules. Printed: the race's cost as a share of the full grid's, in modelled seconds; the volume
that its frontier of size, decode rate and quality has of the full one's, both at the full grid's
figures; and how often each pick is the same, or one that the full grid calls a tie. With
`--modelled-rates` rates come from sizes: those of a store measured on a busy machine rank nothing.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from racing_grids import (
    CHUNKS,
    CONTEXT,
    GENERATE,
    ITEM_TOKENS,
    ITEMS,
    LEAST_QUANTS,
    PROMPT,
    REPETITIONS,
    Floats,
    GridVariant,
    ladders_of,
    make_grid,
    published_ladder,
    with_modelled_rates,
)

from grid.analysis import ClassItems, Limits, Pick, Posterior, Variant, draw_posterior, picks
from grid.analysis.axes import axis_of, informed_goodness
from grid.analysis.scored_text import ScoredText
from grid.analysis.variant import Speed
from grid.plan.parts import (
    FIRST_GENERATED,
    FIRST_PROMPT,
    FIRST_REPETITIONS,
    chunk_looks,
    item_looks,
)
from grid.results import statistics
from grid.results.racing import Answers, Contender, Decision, decide
from grid.results.statistics import Interval

START_S, LOAD_BYTES_S = 0.5, 1e9
DRAWS = 300


@dataclass
class Measured:
    """Of each variant how much was measured: `chunks` and `items` [variants] of each task, whether
    the rates as asked were, and in how many sessions it was loaded."""

    chunks: list[int]
    items: list[int]
    whole_rates: list[bool]
    loads: list[int]
    reference_chunks: int
    is_race: bool = True


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("stores", nargs="+")
    parser.add_argument("--published", type=Path, help="folder of published tables")
    parser.add_argument("--grids", type=int, default=200)
    parser.add_argument("--seed", type=int, default=2)
    parser.add_argument("--modelled-rates", action="store_true", help="rates of a desktop")
    parser.add_argument("--only", choices=["tasks", "texts"], help="what ranks the variants")
    args = parser.parse_args()
    ladders = {}
    for store in args.stores:
        ladders |= {name: own for name, own in ladders_of(store).items() if len(own) > LEAST_QUANTS}
    if args.modelled_rates:
        ladders = {name: with_modelled_rates(own) for name, own in ladders.items()}
    if args.published:
        ladders["Llama-3-8B"] = published_ladder(args.published, ladders[max(ladders)])
    scores = {"KL divergence alone": Scores(), "tasks and KL divergence": Scores()}
    for number in range(args.grids):
        tasks = None if args.only is None else args.only == "tasks"
        grid = make_grid(np.random.default_rng([args.seed, number]), ladders, tasks)
        score(grid, scores["tasks and KL divergence" if grid[0].gains else "KL divergence alone"])
        if number % 20 == 19:
            sys.stderr.write(f"{number + 1} grids: {sum(scores.values(), Scores())}\n")
    print(f"seed {args.seed}, ladders {', '.join(sorted(ladders))}")
    for name, part in scores.items():
        print(f"{name}: {part}")
    print(f"all: {sum(scores.values(), Scores())}")
    return 0


@dataclass
class Scores:
    """One entry a grid; `picks` counts each pick by how it compares with the full grid's."""

    variants: list[int] = field(default_factory=list)
    costs: list[float] = field(default_factory=list)
    volumes: list[float] = field(default_factory=list)
    picks: Counter[str] = field(default_factory=Counter)

    def __add__(self, addend: Scores) -> Scores:
        return Scores(
            self.variants + addend.variants,
            self.costs + addend.costs,
            self.volumes + addend.volumes,
            self.picks + addend.picks,
        )

    def __str__(self) -> str:
        if not self.variants:
            return "no grids"
        share = {name: 100 * n / self.picks.total() for name, n in self.picks.items()}
        return (
            f"{len(self.variants)} grids of {min(self.variants)} to {max(self.variants)} variants; "
            f"cost {np.mean(self.costs):.3f} of the full grid "
            f"(p95 {np.quantile(self.costs, 0.95):.3f}); "
            f"volume {np.mean(self.volumes):.4f} (p5 {np.quantile(self.volumes, 0.05):.4f}); "
            f"of {self.picks.total()} picks {share.get('same', 0):.1f} % the same, "
            f"{share.get('tied', 0):.1f} % tied, {share.get('another', 0):.1f} % another"
        )


def score(grid: list[GridVariant], scores: Scores) -> None:
    """Race a grid, and compare with the full one."""
    measured, beaten = race(grid)
    n = len(grid)
    full = Measured([CHUNKS] * n, [ITEMS] * n, [True] * n, [1] * n, CHUNKS, is_race=False)
    outcomes, share = judge(grid, full, measured, beaten)
    scores.variants.append(n)
    scores.costs.append(cost_s(grid, measured) / cost_s(grid, full))
    scores.volumes.append(share)
    scores.picks.update(outcomes)


def race(grid: list[GridVariant]) -> tuple[Measured, set[int]]:
    """Measure in stages as a sweep does; also the indices of those that were beaten."""
    chunk_at, item_at = chunk_looks(CHUNKS), item_looks(ITEMS)
    n, looks = len(grid), max(len(chunk_at), len(item_at))
    has_tasks = bool(grid[0].gains)
    measured = Measured(
        [chunk_at[0]] * n, [item_at[0] if has_tasks else 0] * n, [False] * n, [1] * n, chunk_at[0]
    )
    totals = {"text": CHUNKS} | dict.fromkeys(grid[0].gains, ITEMS)
    decision = Decision()
    beaten: set[int] = set()
    for stage in range(1, looks):
        contenders = [_contender(v, i, measured) for i, v in enumerate(grid)]
        decision = decide(contenders, totals, looks, decision.beaten)
        beaten = {int(name) for name in decision.beaten}
        for i, variant in enumerate(grid):
            mates = [j for j, mate in enumerate(grid) if mate.engine == variant.engine]
            loaded = False
            if stage == 1 and i not in beaten:
                measured.whole_rates[i] = loaded = True
            if (
                stage < len(chunk_at)
                and measured.chunks[i] == chunk_at[stage - 1]
                and any(str(j) in decision.texts for j in mates)
            ):
                measured.chunks[i] = chunk_at[stage]
                measured.reference_chunks = max(measured.reference_chunks, chunk_at[stage])
                loaded |= i == mates[0]
            if (
                has_tasks
                and stage < len(item_at)
                and measured.items[i] == item_at[stage - 1]
                and any(str(j) in decision.tasks for j in mates)
            ):
                measured.items[i] = item_at[stage]
                loaded |= i == mates[0]
            measured.loads[i] += loaded
    return measured, beaten


def _contender(variant: GridVariant, number: int, measured: Measured) -> Contender:
    limit = measured.items[number]
    rates = {f"{name}, fewer tokens": of for name, of in variant.first_rates.items()}
    if measured.whole_rates[number]:
        rates |= variant.rates
    return Contender(
        id=str(number), label=f"{variant.quant} {variant.options}", model=variant.model,
        quality=variant.engine, weight_bytes=variant.weight_bytes, rates=rates,
        texts={"text": variant.kld[: measured.chunks[number]]},
        tasks={t: Answers(gains[:limit], _limit(gains)) for t, gains in variant.gains.items()},
    )  # fmt: skip


def _limit(gains: Floats) -> float:
    return float(gains.max() - gains.min()) or 1.0


def cost_s(grid: list[GridVariant], measured: Measured) -> float:
    """Modelled seconds: every look of a text begins at its first chunk, quality is measured once
    an engine, and the pass of the 16 bits that makes each look's distribution gives their own
    row."""
    references = {v.model: v for v in reversed(grid)}
    total, engines = 0.0, set()
    for i, variant in enumerate(grid):
        prefill, decode = (_tps(variant, name) for name in ("prefill", "decode"))
        if measured.whole_rates[i]:
            total += (REPETITIONS + 1) * PROMPT / prefill + REPETITIONS * GENERATE / decode
        if measured.is_race:
            total += (FIRST_REPETITIONS + 1) * PROMPT / FIRST_PROMPT / prefill
            total += FIRST_REPETITIONS * GENERATE / FIRST_GENERATED / decode
        total += measured.loads[i] * (START_S + variant.weight_bytes / LOAD_BYTES_S)
        if variant.engine in engines:
            continue
        engines.add(variant.engine)
        is_reference = variant.engine == references[variant.model].engine
        chunks = measured.reference_chunks if is_reference else measured.chunks[i]
        looks = _looks_until(chunk_looks(CHUNKS), chunks, measured)
        total += sum(looks) * CONTEXT / prefill
        if variant.gains:
            asked_items = _looks_until(item_looks(ITEMS), measured.items[i], measured)
            total += len(variant.gains) * sum(asked_items) * ITEM_TOKENS / prefill
    return total


def _tps(variant: GridVariant, name: str) -> float:
    return float(variant.rates[name].values.mean())


def _looks_until(looks: tuple[int, ...], last: int, measured: Measured) -> list[int]:
    """The looks of a race up to the last; the full grid measures all at once."""
    return [look for look in looks if look <= last] if measured.is_race else [last]


def judge(
    grid: list[GridVariant], full: Measured, measured: Measured, beaten: set[int]
) -> tuple[list[str], float]:
    """How each pick of the race compares with the full grid's, and its frontier's volume."""
    whole = [_variant(v, i, full) for i, v in enumerate(grid)]
    part = [_variant(v, i, measured) for i, v in enumerate(grid)]
    axis = "capability" if grid[0].gains else "kld_mean"
    outcomes, demands = [], _demands(grid)
    posterior, raced = draw_posterior(whole, DRAWS), draw_posterior(part, DRAWS)
    for wanted, picked in zip(
        picks(posterior, demands, axis=axis), picks(raced, demands, axis=axis), strict=True
    ):
        outcomes.append(_compare(wanted, picked))
    truth = _axes(posterior, axis)
    full_frontier = _frontier(truth)
    race_frontier = [i for i in _frontier(_axes(raced, axis)) if i not in beaten]
    return outcomes, volume(truth[race_frontier], truth) / volume(truth[full_frontier], truth)


def _demands(grid: list[GridVariant]) -> list[Limits]:
    sizes = np.array([v.weight_bytes for v in grid])
    rates = np.array([_tps(v, "decode") for v in grid])
    return [
        Limits(),
        Limits(name="half", max_bytes=float(np.quantile(sizes, 0.5))),
        Limits(name="quarter", max_bytes=float(np.quantile(sizes, 0.25))),
        Limits(name="fast", min_decode_tps=float(np.quantile(rates, 0.7))),
    ]


def _compare(wanted: Pick, picked: Pick) -> str:
    if wanted.variant is None or picked.variant is None:
        return "same" if wanted.variant is picked.variant else "another"
    if wanted.variant.id == picked.variant.id:
        return "same"
    tied = {variant.id for variant in wanted.tied}
    return "tied" if picked.variant.id in tied else "another"


def _axes(posterior: Posterior, axis: str) -> Floats:
    """Mean draws [variants, 3] of capability or minus nats, log decode rate and minus log size."""
    columns = [
        informed_goodness(posterior, axis_of(name)).mean(axis=0)
        for name in (axis, "decode_tps", "artifact_bytes")
    ]
    if axis == "kld_mean":
        columns[0] = -np.exp(-columns[0])
    columns[2] = -np.log(-columns[2])
    return np.array(columns).T


def _frontier(points: Floats) -> list[int]:
    beats = (points[:, None] >= points[None]).all(-1) & (points[:, None] > points[None]).any(-1)
    return np.flatnonzero(~beats.any(axis=0)).tolist()


def volume(points: Floats, every: Floats) -> float:
    """Volume that points [n, 3] dominate, above the least of every point on each axis, or chance
    where that is less, in units of the range of each."""
    low = every.min(axis=0) - 0.05 * np.ptp(every, axis=0)
    low[0] = min(low[0], 0.0)
    scaled = (points - low) / np.maximum(every.max(axis=0) - low, 1e-9)
    total, heights = 0.0, np.sort(np.unique(scaled[:, 2]))[::-1]
    for height, below in zip(heights, [*heights[1:], 0.0], strict=True):
        base = scaled[scaled[:, 2] >= height][:, :2]
        total += (height - below) * _area(base)
    return float(total)


def _area(points: Floats) -> float:
    area, top = 0.0, 0.0
    for x, y in points[np.lexsort((-points[:, 1], -points[:, 0]))]:
        area += x * max(0.0, y - top)
        top = max(top, float(y))
    return area


def _variant(variant: GridVariant, number: int, measured: Measured) -> Variant:
    chunks = variant.kld[: measured.chunks[number]]
    ids = {
        task: tuple(f"{task}{i:05}" for i in range(measured.items[number]))
        for task in variant.gains
    }
    items = {
        task: ClassItems(names, variant.gains[task][: len(names)]) for task, names in ids.items()
    }
    classes = {task: statistics.score_mean(answers.gains) for task, answers in items.items()}
    weights = dict.fromkeys(classes, 1 / len(classes)) if classes else {}
    speeds = {
        name: {0: Speed(statistics.rate_interval(run.values), run.values, PROMPT, 0)}
        for name, run in variant.rates.items()
        if measured.whole_rates[number]
    }
    part_of = CHUNKS if len(chunks) < CHUNKS else 0
    return Variant(
        model=variant.model, family="", parameters=10**9, quant=variant.quant, format="gguf",
        artifact_id=variant.engine, artifact_bytes=variant.weight_bytes,
        bpw_file=None, bpw_layer=None, backend="llamacpp",
        options=f'{{"o": "{variant.options}"}}', hardware_class="box", device_kind="cpu",
        sixteen_bit=variant.quant.upper() == "F16", items=items, classes=classes, weights=weights,
        capability=statistics.composite(classes, weights) if classes else None,
        kld_mean=Interval(float(chunks.mean())),
        scored_text=ScoredText("text", CONTEXT, len(chunks), 255 * len(chunks),
                               f"{variant.model}@llamacpp", chunks, None, "", part_of),
        **speeds,
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
