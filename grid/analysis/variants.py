"""From tables to variants: speed rows by hardware class, quality rows joined by device kind."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from grid.analysis.class_weights import class_weights, shared_classes
from grid.analysis.main_text import of_class, tasks_of
from grid.analysis.noise_floors import SIXTEEN_BIT, options_of
from grid.analysis.quality_runs import Ground
from grid.analysis.row_facts import beside, energy, node_facts, positive
from grid.analysis.tables import Attempt, ItemRows, Tables, final_attempts, item_rows
from grid.analysis.variant import ClassItems, Speed, Variant
from grid.results import statistics
from grid.results.statistics import Interval

SPEED = ("memory", "prefill", "decode", "latency")

LLC_FACTOR = 4
"""Weights smaller than this many last-level caches decode at the cache's speed, not memory's."""

Key = tuple[str, str, str, str]
"""artifact id, backend, options, hardware class."""


def variants(tables: Tables, weights: Mapping[str, float] | None = None) -> list[Variant]:
    """One row per (artifact, backend, options, hardware class), sorted by class, model and size.

    Speed and memory are a hardware class's own. Quality is per artifact, backend and device kind,
    so its rows join every hardware class of that kind: with the same engine options if there are
    such, else the newest; of several texts the one that most of a model's artifacts have. A noise
    floor (the 16-bit artifact against itself under options that nothing else was measured with) is
    never a variant. `weights` are per task class, equal by default, and a class's weighted by 0
    may be missing. Raises InputError for an unknown class or an unusable weight.
    """
    attempts = final_attempts(tables)
    items = item_rows(tables.items, [a for a in attempts if a.measure == "tasks"])
    return composed(joined(Ground(attempts, items), attempts), weights)


def joined(ground: Ground, attempts: Iterable[Attempt]) -> list[Variant]:
    """The variants that attempts make on a ground of (at least) all quality runs of their device
    kinds and all references; without a composite capability."""
    usable = [attempt for attempt in attempts if ground.counts(attempt)]
    return [_variant(key, mine, ground) for key, mine in _by_key(usable).items()]


def composed(
    found: Sequence[Variant],
    weights: Mapping[str, float] | None = None,
    known: Collection[str] | None = None,
) -> list[Variant]:
    """The variants with their composite capability, sorted by class, model and size: over the
    weighted classes, or those that all models share. `known` are the task classes that may be
    weighted, by default those that the variants have. Raises InputError as `variants` does."""
    names = {n for v in found for n in v.classes} if known is None else known
    given = class_weights(names, weights) if weights else None
    done = []
    for group in by_hardware_class(found).values():
        used = given or class_weights(shared_classes(group))
        done += [_composed(variant, used) for variant in group]
    return sorted(done, key=lambda v: (v.hardware_class, v.model, v.artifact_bytes, v.id))


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
    keyed = [(_key(attempt), attempt) for attempt in attempts]
    for stage in (SPEED, ("tasks",), ("quality",)):
        covered = {(artifact, backend, place) for artifact, backend, _, place in groups}
        for key, attempt in keyed:
            if attempt.measure in stage and (key[0], key[1], key[3]) not in covered:
                groups.setdefault(key, []).append(attempt)
    return groups


def _variant(key: Key, mine: Sequence[Attempt], ground: Ground) -> Variant:
    row = max(mine, key=lambda a: a.newness).row
    joined = ground.quality((key[0], key[1], row["device_kind"]))
    text = _newest([a for a in joined if a.measure == "quality"], key)
    memory = _memory([a for a in mine if a.measure == "memory"])
    latency = _newest([a for a in mine if a.measure == "latency"], key)
    speeds = {kind: _chosen(mine, kind) for kind in ("decode", "prefill")}
    decode = _speeds(speeds["decode"], "decode")
    asked = [a for a in joined if a.measure == "tasks"]
    other = {a.id: ground.other_tasks(a) for a in asked}
    tasks = _tasks([a for a in asked if not other[a.id]], key, ground.items)
    behind = {
        "memory": [memory],
        "latency": [latency],
        "quality": [text],
        "tasks": tasks.values(),
        **{kind: chosen.values() for kind, chosen in speeds.items()},
    }
    facts: dict[str, Any] = {
        name: row[name] or "" for name in ("model", "family", "quant", "format")
    }
    return Variant(
        **facts,
        parameters=row["parameters"] or 0,
        artifact_id=key[0],
        artifact_bytes=row["artifact_bytes"] or 0,
        bpw_file=row["bpw_file"],
        bpw_layer=row["bpw_layer"],
        backend=key[1],
        options=key[2],
        hardware_class=key[3],
        device_kind=row["device_kind"],
        sixteen_bit=_sixteen_bit(key, facts["quant"], ground.references_of(row)),
        defines_floor=facts["quant"].upper() in SIXTEEN_BIT,
        **_scores(tasks, ground.items),
        other_tasks={
            name: f"by {other[a.id]}, only by {tasks_of(a)}"
            for a in asked
            if other[a.id] and (name := of_class(a)[1]) not in tasks
        },
        decode=decode,
        prefill=_speeds(speeds["prefill"], "prefill"),
        peak_rss_bytes=_figure(memory, "peak_rss_bytes"),
        peak_vram_bytes=_figure(memory, "peak_vram_bytes"),
        memory_context=memory.workload.get("context") if memory else None,
        load_s=_figure(memory, "load_s"),
        ttft_s=_figure(latency, "ttft_s"),
        tpot_s=_figure(latency, "tpot_s"),
        perplexity=_figure(text, "perplexity"),
        bits_per_byte=_figure(text, "bits_per_byte"),
        kld_mean=_figure(text, "kld_mean"),
        same_top1=_figure(text, "same_top1"),
        noise_floor_nat=ground.floors.of(row["model"], row["device_kind"], *key[1:3]),
        bandwidth_utilisation=_utilisation(mine, decode, row["artifact_bytes"]),
        **beside(row),
        kv_bytes=_figure(memory, "kv_bytes"),
        text_metrics=text.metrics if text else {},
        latency_metrics=latency.metrics if latency else {},
        latency_prompt=latency.workload.get("prompt") if latency else None,
        latency_generate=latency.workload.get("generate") if latency else None,
        **energy(mine),
        **node_facts(mine),
        attempt_ids={
            measure: tuple(one.id for one in found if one is not None)
            for measure, found in behind.items()
            if any(one is not None for one in found)
        },
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


def _chosen(attempts: Sequence[Attempt], kind: str) -> dict[int, Attempt]:
    """By depth; of several token counts the largest, of equal ones the newest."""
    chosen: dict[int, Attempt] = {}
    of_kind = [a for a in attempts if a.measure == kind and _has_rate(a, f"{kind}_tps")]
    for attempt in sorted(of_kind, key=lambda a: (a.workload.get("tokens", 0), a.newness)):
        chosen[int(attempt.workload.get("depth", 0))] = attempt
    return dict(sorted(chosen.items()))


def _has_rate(attempt: Attempt, name: str) -> bool:
    return name in attempt.metrics and attempt.metrics[name].value > 0


def _speeds(chosen: Mapping[int, Attempt], kind: str) -> dict[int, Speed]:
    return {depth: _speed(attempt, kind, depth) for depth, attempt in chosen.items()}


def _speed(attempt: Attempt, kind: str, depth: int) -> Speed:
    tokens = int(attempt.workload.get("tokens", 0))
    interval = attempt.metrics[f"{kind}_tps"]
    seconds = attempt.series.get(f"{kind}_s")
    rates = tokens / seconds if tokens and seconds is not None else [interval.value]
    trend = attempt.metrics.get("drift")
    drifts = None if trend is None else trend.value > 0
    return Speed(interval, statistics.interval.checked(rates, "rates"), tokens, depth, drifts)


def _tasks(
    attempts: Sequence[Attempt], key: Key, rows: Mapping[str, ItemRows]
) -> dict[str, Attempt]:
    """By task class the run that counts: one with items, else one with a capability to show."""
    of_class: defaultdict[str, list[Attempt]] = defaultdict(list)
    for attempt in attempts:
        if "task_class" in attempt.workload:
            of_class[str(attempt.workload["task_class"])].append(attempt)
    found = {}
    for name, candidates in sorted(of_class.items()):
        whole = [a for a in candidates if a.id in rows]
        newest = _newest(whole or [a for a in candidates if "capability" in a.metrics], key)
        if newest is not None:
            found[name] = newest
    return found


def _scores(tasks: Mapping[str, Attempt], rows: Mapping[str, ItemRows]) -> dict[str, Any]:
    """`items` and `classes` of a variant, by task class. Figures without items, as imports have
    them, are a class without items."""
    items, classes = {}, {}
    for name, attempt in tasks.items():
        mine = rows.get(attempt.id)
        if mine is None:
            classes[name] = attempt.metrics["capability"]
        else:
            items[name] = ClassItems(mine.ids, mine.gains)
            classes[name] = mine.capability
    return {"items": items, "classes": classes}


def _utilisation(
    attempts: Sequence[Attempt], decode: Mapping[int, Speed], weight_bytes: int | None
) -> float | None:
    """Decode rate * weight bytes / bandwidth; None where the node's facts are not in the row, the
    weights are smaller than four last-level caches, or an accelerator computes: the bandwidth that
    nodes measure is that of the CPU's memory."""
    for attempt in attempts:
        if not str(attempt.row["device_kind"] or "").startswith("cpu"):
            return None
        facts = attempt.environment
        if attempt.measure == "decode" and 0 in decode and weight_bytes:
            bandwidth = positive(facts.get("bandwidth_bytes_s"))
            cache = positive(facts.get("llc_bytes"))
            if bandwidth and cache and weight_bytes >= LLC_FACTOR * cache:
                return decode[0].interval.value * weight_bytes / bandwidth
    return None


def _composed(variant: Variant, weights: Mapping[str, float]) -> Variant:
    lacking = sorted(set(weights) - set(variant.classes))
    missing = tuple(f"{n} {variant.other_tasks.get(n, '')}".strip() for n in lacking)
    total = None if missing or not weights else statistics.composite(variant.classes, weights)
    return replace(variant, weights=weights, missing=missing, capability=total)
