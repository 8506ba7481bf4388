"""From tables to variants: speed rows by hardware class, quality rows joined by device kind."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from grid.analysis.class_tasks import share_tasks
from grid.analysis.class_weights import class_weights, shared_classes
from grid.analysis.quality_runs import QualityRuns
from grid.analysis.row_facts import energy, node_facts, row_facts
from grid.analysis.tables import Attempt, Tables, final_attempts, item_rows
from grid.analysis.variant import Variant
from grid.analysis.variant_fields import (
    VariantKey,
    attempt_ids,
    bandwidth_utilisation,
    divergences,
    identity_fields,
    key_of,
    latency_fields,
    longest_memory_run,
    memory_fields,
    newest,
    runs_by_depth,
    speeds_by_depth,
    task_fields,
    task_runs,
    text_fields,
)
from grid.results import statistics

SPEED_MEASURES = ("memory", "prefill", "decode", "latency")


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
    return with_capability(build_variants(QualityRuns(attempts, items), attempts), weights)


def build_variants(runs: QualityRuns, attempts: Iterable[Attempt]) -> list[Variant]:
    """The variants of the attempts, without a composite capability. `runs` are (at least) all
    quality runs of their device kinds and all references."""
    usable = [attempt for attempt in attempts if runs.is_usable(attempt)]
    return [_variant(key, own, runs) for key, own in _by_key(usable).items()]


def with_capability(
    variants: Sequence[Variant],
    weights: Mapping[str, float] | None = None,
    task_classes: Collection[str] | None = None,
) -> list[Variant]:
    """The variants with their composite capability, sorted by class, model and size: over the
    weighted classes, or those that all models share. `task_classes` are those that may be weighted,
    by default those that the variants have. Raises InputError as `variants` does."""
    names = {n for v in variants for n in v.classes} if task_classes is None else task_classes
    shared_weights = class_weights(names, weights) if weights else None
    done = []
    for group in map(share_tasks, by_hardware_class(variants).values()):
        used = shared_weights or class_weights(shared_classes(group))
        done += [_add_capability(variant, used) for variant in group]
    return sorted(done, key=lambda v: (v.hardware_class, v.model, v.artifact_bytes, v.id))


def by_hardware_class(variants: Iterable[Variant]) -> dict[str, list[Variant]]:
    """Variants of each hardware class, classes sorted: what frontiers and picks are made of."""
    groups: defaultdict[str, list[Variant]] = defaultdict(list)
    for variant in variants:
        groups[variant.hardware_class].append(variant)
    return dict(sorted(groups.items()))


def _by_key(attempts: Sequence[Attempt]) -> dict[VariantKey, list[Attempt]]:
    """Attempts by the variant that they make. Where an artifact has speed on a hardware class its
    quality runs make none; where it has none, tasks do; where it has neither, texts."""
    groups: dict[VariantKey, list[Attempt]] = {}
    keyed = [(key_of(attempt), attempt) for attempt in attempts]
    for stage in (SPEED_MEASURES, ("tasks",), ("quality",)):
        covered = {(key.artifact_id, key.backend, key.hardware_class) for key in groups}
        for key, attempt in keyed:
            place = (key.artifact_id, key.backend, key.hardware_class)
            if attempt.measure in stage and place not in covered:
                groups.setdefault(key, []).append(attempt)
    return groups


def _variant(key: VariantKey, own: Sequence[Attempt], runs: QualityRuns) -> Variant:
    """One variant from its own attempts and the quality runs of its device kind."""
    row = max(own, key=lambda a: a.newness).row
    place = (key.artifact_id, key.backend, row["device_kind"])
    quality = runs.attempts_at(place)
    text = newest(_of_measure(quality, "quality"), key)
    tasks, other_tasks = task_runs(_of_measure(quality, "tasks"), key, runs)
    memory = longest_memory_run(_of_measure(own, "memory"))
    latency = newest(_of_measure(own, "latency"), key)
    decode_runs, prefill_runs = (runs_by_depth(own, kind) for kind in ("decode", "prefill"))
    decode = speeds_by_depth(decode_runs, "decode")
    variant = Variant(
        **identity_fields(key, row, runs.references_of(row)),
        **task_fields(tasks, runs.items),
        other_tasks=other_tasks,
        decode=decode,
        prefill=speeds_by_depth(prefill_runs, "prefill"),
        **memory_fields(memory),
        **latency_fields(latency),
        **text_fields(text),
        kld_by_text=divergences(runs.categories_at(place), key),
        noise_floor_nat=runs.floors.of(row["model"], row["device_kind"], key.backend, key.options),
        **row_facts(row),
        **energy(own),
        **node_facts(own),
        attempt_ids=attempt_ids(
            {
                "memory": [memory],
                "latency": [latency],
                "quality": [text],
                "tasks": tasks.values(),
                "decode": decode_runs.values(),
                "prefill": prefill_runs.values(),
            }
        ),
    )
    return replace(variant, bandwidth_utilisation=bandwidth_utilisation(own, variant))


def _of_measure(attempts: Sequence[Attempt], measure: str) -> list[Attempt]:
    return [attempt for attempt in attempts if attempt.measure == measure]


def _add_capability(variant: Variant, weights: Mapping[str, float]) -> Variant:
    lacking = sorted(set(weights) - set(variant.classes))
    missing = tuple(f"{n} {variant.other_tasks.get(n, '')}".strip() for n in lacking)
    total = None if missing or not weights else statistics.composite(variant.classes, weights)
    return replace(variant, weights=weights, missing=missing, capability=total)
