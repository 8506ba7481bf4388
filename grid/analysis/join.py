"""From tables to variants: speed rows by hardware class, quality rows joined by device kind."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from grid import statistics
from grid.analysis.floors import SIXTEEN_BIT, Floors, noise_runs, options_of, reference_of
from grid.analysis.tables import Attempt, ItemRows, Tables, final_attempts, item_rows
from grid.analysis.texts import on_main_text
from grid.analysis.variant import ClassItems, Speed, Variant
from grid.analysis.weights import class_weights
from grid.statistics import Interval

SPEED = ("memory", "prefill", "decode", "latency")
QUALITY = ("quality", "tasks")

LLC_FACTOR = 4
"""Weights smaller than this many last-level caches decode at the cache's speed, not memory's."""

Key = tuple[str, str, str, str]
"""artifact id, backend, options, hardware class."""

Place = tuple[str, str, str]
"""artifact id, backend, device kind: what quality is a property of."""


def variants(tables: Tables, weights: Mapping[str, float] | None = None) -> list[Variant]:
    """One row per (artifact, backend, options, hardware class), sorted by class, model and size.

    Speed and memory are a hardware class's own. Quality is per artifact, backend and device kind,
    so its rows join every hardware class of that kind: with the same engine options if there are
    such, else the newest; of several texts the one that most of a model's artifacts have. A noise
    floor (the 16-bit artifact against itself under options that nothing else was measured with) is
    never a variant. `weights` are per task class, equal by default, and a class's weighted by 0
    may be missing. Raises InputError for an unknown class or an unusable weight.
    """
    attempts = on_main_text(final_attempts(tables))
    references: defaultdict[str, set[tuple[str, str]]] = defaultdict(set)
    for attempt in attempts:
        if attempt.workload.get("reference"):
            references[attempt.row["model"]].add(reference_of(attempt))
    apart = {floor.id for floor in noise_runs(attempts)}
    floors = Floors(attempts)
    usable = [a for a in attempts if a.id not in apart]
    items = item_rows(tables, [a for a in usable if a.measure == "tasks"])
    quality: defaultdict[Place, list[Attempt]] = defaultdict(list)
    for attempt in usable:
        if attempt.measure in QUALITY:
            row = attempt.row
            quality[row["artifact_id"], row["backend"], row["device_kind"]].append(attempt)
    found = [
        _variant(key, mine, quality, items, floors, references[mine[0].row["model"]])
        for key, mine in _by_key(usable).items()
    ]
    return sorted(
        _with_capability(found, weights),
        key=lambda v: (v.hardware_class, v.model, v.artifact_bytes, v.id),
    )


def by_hardware_class(found: Iterable[Variant]) -> dict[str, list[Variant]]:
    """Variants of each hardware class, classes sorted: what frontiers and picks are made of."""
    groups: defaultdict[str, list[Variant]] = defaultdict(list)
    for variant in found:
        groups[variant.hardware_class].append(variant)
    return dict(sorted(groups.items()))


def _key(attempt: Attempt) -> Key:
    row = attempt.row
    return row["artifact_id"], row["backend"], options_of(row), row["hardware_class"]


def _by_key(attempts: Sequence[Attempt]) -> dict[Key, list[Attempt]]:
    """Attempts by the variant that they make. Where an artifact has speed on a hardware class its
    quality runs make none; where it has none, tasks do; where it has neither, texts."""
    groups: dict[Key, list[Attempt]] = {}
    for stage in (SPEED, ("tasks",), ("quality",)):
        covered = {(artifact, backend, place) for artifact, backend, _, place in groups}
        for attempt in attempts:
            key = _key(attempt)
            if attempt.measure in stage and (key[0], key[1], key[3]) not in covered:
                groups.setdefault(key, []).append(attempt)
    return groups


def _variant(
    key: Key,
    mine: Sequence[Attempt],
    quality: Mapping[Place, Sequence[Attempt]],
    items: Mapping[str, ItemRows],
    floors: Floors,
    references: set[tuple[str, str]],
) -> Variant:
    row = max(mine, key=lambda a: a.newness).row
    joined = quality.get((key[0], key[1], row["device_kind"]), ())
    text = _newest([a for a in joined if a.measure == "quality"], key)
    memory = _memory([a for a in mine if a.measure == "memory"])
    latency = _newest([a for a in mine if a.measure == "latency"], key)
    decode = _speeds(mine, "decode")
    facts = {name: row[name] for name in ("model", "family", "parameters", "quant", "format")}
    return Variant(
        **facts,
        artifact_id=key[0],
        artifact_bytes=row["artifact_bytes"] or 0,
        bpw_file=row["bpw_file"],
        bpw_layer=row["bpw_layer"],
        backend=key[1],
        options=key[2],
        hardware_class=key[3],
        device_kind=row["device_kind"],
        sixteen_bit=_sixteen_bit(key, row["quant"], references),
        defines_floor=row["quant"].upper() in SIXTEEN_BIT,
        **_scores([a for a in joined if a.measure == "tasks"], key, items),
        decode=decode,
        prefill=_speeds(mine, "prefill"),
        peak_rss_bytes=_figure(memory, "peak_rss_bytes"),
        memory_context=memory.workload.get("context") if memory else None,
        load_s=_figure(memory, "load_s"),
        ttft_s=_figure(latency, "ttft_s"),
        tpot_s=_figure(latency, "tpot_s"),
        perplexity=_figure(text, "perplexity"),
        bits_per_byte=_figure(text, "bits_per_byte"),
        kld_mean=_figure(text, "kld_mean"),
        same_top1=_figure(text, "same_top1"),
        noise_floor_nat=floors.of(row["model"], row["device_kind"], *key[1:3]),
        bandwidth_utilisation=_utilisation(mine, decode, row["artifact_bytes"]),
    )


def _sixteen_bit(key: Key, quant: str, references: set[tuple[str, str]]) -> bool:
    return key[:2] in references if references else quant.upper() in SIXTEEN_BIT


def _newest(attempts: Sequence[Attempt], key: Key) -> Attempt | None:
    """The newest with the variant's own options; of other options only where there is none."""
    same = [a for a in attempts if options_of(a.row) == key[2]]
    return max(same or attempts, key=lambda a: a.newness, default=None)


def _figure(attempt: Attempt | None, name: str) -> Interval | None:
    return None if attempt is None else attempt.metrics.get(name)


def _memory(attempts: Sequence[Attempt]) -> Attempt | None:
    """The run with the longest context: the most memory that was shown to be needed."""
    return max(attempts, key=lambda a: (a.workload.get("context", 0), a.newness), default=None)


def _speeds(attempts: Sequence[Attempt], kind: str) -> dict[int, Speed]:
    """By depth; of several token counts the largest, of equal ones the newest."""
    chosen: dict[int, Attempt] = {}
    of_kind = [a for a in attempts if a.measure == kind and f"{kind}_tps" in a.metrics]
    for attempt in sorted(of_kind, key=lambda a: (a.workload.get("tokens", 0), a.newness)):
        chosen[int(attempt.workload.get("depth", 0))] = attempt
    return {depth: _speed(attempt, kind, depth) for depth, attempt in sorted(chosen.items())}


def _speed(attempt: Attempt, kind: str, depth: int) -> Speed:
    tokens = int(attempt.workload["tokens"])
    interval = attempt.metrics[f"{kind}_tps"]
    seconds = attempt.series.get(f"{kind}_s")
    rates = [interval.value] if seconds is None else tokens / seconds
    trend = attempt.metrics.get("drift")
    drifts = None if trend is None else trend.value > 0
    return Speed(interval, statistics.interval.checked(rates, "rates"), tokens, depth, drifts)


def _scores(attempts: Sequence[Attempt], key: Key, rows: Mapping[str, ItemRows]) -> dict[str, Any]:
    """`items` and `classes` of a variant, by task class."""
    of_class: defaultdict[str, list[Attempt]] = defaultdict(list)
    for attempt in attempts:
        if attempt.id in rows:
            of_class[str(attempt.workload["task_class"])].append(attempt)
    items, classes = {}, {}
    for name, candidates in sorted(of_class.items()):
        newest = _newest(candidates, key)
        if newest is not None:
            mine = rows[newest.id]
            items[name] = ClassItems(mine.ids, statistics.gains(mine.scores, mine.chances))
            classes[name] = statistics.capability(mine.scores, mine.chances)
    return {"items": items, "classes": classes}


def _utilisation(
    attempts: Sequence[Attempt], decode: Mapping[int, Speed], weight_bytes: int | None
) -> float | None:
    """Decode rate * weight bytes / bandwidth; None where the node's facts are not in the row or the
    weights are smaller than four last-level caches."""
    for attempt in attempts:
        facts = dict(attempt.row["environment"] or [])
        if attempt.measure == "decode" and 0 in decode and weight_bytes:
            bandwidth = float(facts.get("bandwidth_bytes_s", 0))
            cache = float(facts.get("llc_bytes", 0))
            if bandwidth > 0 and cache > 0 and weight_bytes >= LLC_FACTOR * cache:
                return decode[0].interval.value * weight_bytes / bandwidth
    return None


def _with_capability(
    found: Sequence[Variant], weights: Mapping[str, float] | None
) -> list[Variant]:
    """Composite capability: over the weighted classes, or those that all models share."""
    given = class_weights({n for v in found for n in v.classes}, weights) if weights else None
    done = []
    for group in by_hardware_class(found).values():
        used = given or class_weights(_shared_classes(group))
        done += [_composed(variant, used) for variant in group]
    return done


def _shared_classes(group: Sequence[Variant]) -> set[str]:
    """Classes that every model with any has in one of its variants at least: models are compared
    on what all of them were asked. All classes where that leaves none."""
    of_model: defaultdict[str, set[str]] = defaultdict(set)
    for variant in group:
        of_model[variant.model] |= set(variant.classes)
    asked = [classes for classes in of_model.values() if classes]
    return set.intersection(*asked) or set.union(*asked) if asked else set()


def _composed(variant: Variant, weights: Mapping[str, float]) -> Variant:
    missing = tuple(sorted(set(weights) - set(variant.classes)))
    total = None if missing or not weights else statistics.composite(variant.classes, weights)
    return replace(variant, weights=weights, missing=missing, capability=total)
