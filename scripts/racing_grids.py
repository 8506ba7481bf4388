"""Grids of variants to judge a race by, drawn from real ladders of quants.

A ladder is what a store has of one model: of each quant the KL divergence by token of one text, the
answers to items, size and rates. A grid takes a part of a ladder, or of two that answered the same
items, with 2 to 5 options that change speed only and 1 to 3 types of KV cache. Its chunks are pairs
of half-chunks of the real text, drawn with replacement and for all quants alike, and so are its
items: what quants have in common stays as it is. Options scale the rates by factors that engines
show, and a smaller KV cache adds a part of the divergence that a real quant has on the same tokens.
Repetitions vary by the share that `NOISE` says, and runs by half of it. Sizes and rates are scaled
to models of 2 to 16 GB at 16 bits, of which starting the engine is a small part. Tasks at which the
16 bits are not surely above chance are left out.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from grid.plan.parts import FIRST_REPETITIONS
from grid.results.racing import Rates
from grid.results.reader import Results
from grid.results.statistics.runs import moved

Floats = npt.NDArray[np.float64]

CHUNKS, ITEMS, REPETITIONS = 64, 200, 5
CONTEXT, ITEM_TOKENS = 512, 45
PROMPT, GENERATE = 512, 128
LEAST_QUANTS = 6
"""A grid takes five quants of a ladder beside its 16 bits, or more."""

NOISE = (0.005, 0.03)
"""Standard deviation of a repetition's rate, as a share, between grids."""

SPEED_OPTIONS = ((1.0, 1.0), (0.55, 0.5), (0.97, 0.9), (0.8, 0.95), (1.0, 0.93), (0.9, 0.6))
"""Factors on decode and prefill rate of options that change speed only, the base first."""

KV_OPTIONS = ((0.0, 1.0), (0.15, 0.97), (0.6, 0.94))
"""Of KV cache types the share of the donor's divergence that is added, and a factor on rates."""


@dataclass
class Quant:
    """`kld` by token [chunks, tokens], nat; `gains` by task class [items]; rates in token/s."""

    name: str
    weight_bytes: int
    kld: Floats
    decode_tps: float
    prefill_tps: float
    gains: dict[str, Floats] = field(default_factory=dict)


@dataclass
class GridVariant:
    """A variant with all that the full grid measures of it."""

    quant: str
    model: str
    engine: str
    options: str
    weight_bytes: int
    kld: Floats
    """By chunk [CHUNKS]."""
    gains: dict[str, Floats]
    """By task class [ITEMS]."""
    rates: dict[str, Rates]
    """Runs by what is computed."""
    first_rates: dict[str, Rates]
    """The same over fewer tokens."""


def ladders_of(store: str) -> dict[str, list[Quant]]:
    """The ladders of a store, by model: quants with a divergence and rates, from most bytes."""
    results = Results(store)
    attempts = [row for row in results.final().to_pylist() if row["status"] == "ok"]
    samples: defaultdict[str, dict[str, Any]] = defaultdict(dict)
    for row in results.samples().to_pylist():
        samples[row["attempt_id"]][row["name"]] = row["values"]
    answers: defaultdict[str, list[float]] = defaultdict(list)
    for row in results.items().to_pylist():
        answers[row["attempt_id"]].append((row["score"] - row["chance"]) / (1 - row["chance"]))
    rows: defaultdict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for row in attempts:
        rows[row["model"], row["quant"]].append(row)
    ladders: defaultdict[str, list[Quant]] = defaultdict(list)
    for (model, name), own in rows.items():
        quant = _quant(name, own, samples, answers)
        if quant is not None:
            ladders[model].append(quant)
    for own in ladders.values():
        own.sort(key=lambda quant: -quant.weight_bytes)
        for task, gains in list(own[0].gains.items()):
            if gains.mean() < 2 * gains.std(ddof=1) / len(gains) ** 0.5:
                for quant in own:
                    quant.gains.pop(task, None)
    return dict(ladders)


def _quant(name: str, rows: list[dict[str, Any]], samples: Any, answers: Any) -> Quant | None:
    kld, rates, gains = None, {}, {}
    for row in rows:
        series, workload = samples[row["attempt_id"]], json.loads(row["workload"])
        if row["measure"] == "quality" and "kld" in series:
            values = np.array(series["kld"]).reshape(int(series["chunks"][0]), -1)
            kld = values if kld is None or values.mean() < kld.mean() else kld
        elif row["measure"] in ("decode", "prefill") and not workload.get("depth"):
            rates[row["measure"]] = workload["tokens"] / float(
                np.median(series[f"{row['measure']}_s"])
            )
        elif row["measure"] == "tasks":
            gains[workload["task_class"]] = np.array(answers[row["attempt_id"]])
    if kld is None or len(rates) < 2:
        return None
    size = int(rows[0]["artifact_bytes"])
    return Quant(name, size, kld, rates["decode"], rates["prefill"], gains)


def desktop_rates(weight_bytes: int, sixteen_bit_bytes: int) -> tuple[float, float]:
    """Decode and prefill rate in token/s of a desktop whose memory gives 60 GB/s, and which reads a
    prompt 16 times as fast as it writes at 16 bits, whatever the quant."""
    return 60e9 / weight_bytes, 16 * 60e9 / sixteen_bit_bytes


def with_modelled_rates(ladder: list[Quant]) -> list[Quant]:
    """A ladder with the rates of a desktop."""
    most = max(quant.weight_bytes for quant in ladder)
    rates = (desktop_rates(quant.weight_bytes, most) for quant in ladder)
    return [
        replace(quant, decode_tps=decode, prefill_tps=prefill)
        for quant, (decode, prefill) in zip(ladder, rates, strict=True)
    ]


def published_ladder(folder: Path, like: list[Quant]) -> list[Quant]:
    """Llama-3-8B of llama.cpp's table: means of the divergence, with the spread over tokens of the
    quant of a real ladder `like` it that is next in divergence; rates of a desktop."""
    table = json.loads((folder / "llama3-8b-gguf-quality.json").read_text())
    quants: dict[str, Quant] = {}
    for row in table["rows"]:
        donors = [q for q in like if q.kld.mean() > 0]
        donor = min(donors, key=lambda q: abs(np.log(q.kld.mean() / row["kld"])))
        size = int(row["size_gib"] * 2**30)
        quants.setdefault(
            row["quant"],
            Quant(row["quant"], size, donor.kld * row["kld"] / donor.kld.mean(), 0.0, 0.0),
        )
    return with_modelled_rates(sorted(quants.values(), key=lambda q: -q.weight_bytes))


def make_grid(
    rng: np.random.Generator, ladders: dict[str, list[Quant]], tasks: bool | None = None
) -> list[GridVariant]:
    """A grid of one ladder, or of two that answered the same tasks; with `tasks`, of those that
    answered some, without, by texts alone, else either."""
    if tasks is None:
        tasks = bool(rng.random() < 0.5)
    names = sorted(name for name, own in ladders.items() if own[0].gains or not tasks)
    first = str(rng.choice(names))
    chosen = [first]
    twins = [
        name
        for name in names
        if name != first
        and ladders[name][0].gains.keys() == ladders[first][0].gains.keys() != set()
    ]
    if tasks and twins and rng.random() < 0.5:
        chosen.append(str(rng.choice(twins)))
    speeds = [SPEED_OPTIONS[0], *rng.permutation(SPEED_OPTIONS[1:])[: rng.integers(1, 5)]]
    caches = KV_OPTIONS[: 1 + rng.integers(0, len(KV_OPTIONS))]
    noise = rng.uniform(*NOISE)
    variants: list[GridVariant] = []
    picks = {
        task: rng.integers(0, len(values), ITEMS)
        for task, values in ladders[first][0].gains.items()
        if tasks
    }
    for model in chosen:
        variants += _of_ladder(rng, model, ladders[model], speeds, caches, noise, picks)
    return variants


def _tasks_of(ladder: list[Quant]) -> dict[str, int]:
    """Items by task."""
    return {task: len(gains) for task, gains in ladder[0].gains.items()}


def _of_ladder(
    rng: np.random.Generator,
    model: str,
    ladder: list[Quant],
    speeds: list[Any],
    caches: Any,
    noise: float,
    picks: dict[str, npt.NDArray[np.int64]],
) -> Iterator[GridVariant]:
    most = min(len(ladder), 12)
    inner = rng.choice(np.arange(1, len(ladder)), rng.integers(5, most), replace=False)
    halves = rng.integers(0, 2 * len(ladder[0].kld), (CHUNKS, 2))
    donor = ladder[int(rng.integers(1, 4))]
    scale = rng.uniform(2e9, 16e9) / ladder[0].weight_bytes
    for number in (0, *sorted(inner.tolist())):
        quant = ladder[number]
        own = _chunks(quant.kld, halves)
        for cache, (share, cache_factor) in enumerate(caches):
            kld = own + share * _chunks(donor.kld, halves)
            for option, (decode, prefill) in enumerate(speeds):
                factor = cache_factor * np.exp(0.02 * rng.standard_normal())
                base = {
                    "prefill": quant.prefill_tps / scale * prefill * factor,
                    "decode": quant.decode_tps / scale * decode * factor,
                }
                yield GridVariant(
                    quant.name,
                    model,
                    f"{model} {quant.name} kv{cache}",
                    f"kv{cache} speed{option}",
                    int(quant.weight_bytes * scale),
                    kld,
                    {task: quant.gains[task][at] for task, at in picks.items()},
                    {n: _repeat(rng, rate, noise, REPETITIONS) for n, rate in base.items()},
                    {n: _repeat(rng, rate, noise, FIRST_REPETITIONS) for n, rate in base.items()},
                )


def _repeat(rng: np.random.Generator, rate: float, noise: float, count: int) -> Rates:
    """Repetitions in one run, and what that run has of its own; what the machine's kernels show
    before and after them moves as much as runs do."""
    own = rate * np.exp(noise / 2 * rng.standard_normal())
    values = np.asarray(own * np.exp(noise * rng.standard_normal(count)))
    kernel = np.exp(noise / 2 * rng.standard_normal(2))
    return Rates(values, moved([kernel]))


def _chunks(kld: Floats, halves: npt.NDArray[np.int64]) -> Floats:
    """Means by chunk, each of two half-chunks of the real text."""
    width = kld.shape[1] // 2
    means = np.concatenate([kld[:, :width].mean(axis=1), kld[:, width:].mean(axis=1)])
    return np.asarray(means[halves].mean(axis=1))
