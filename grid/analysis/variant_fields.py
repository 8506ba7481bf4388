"""The fields of a variant, each group taken from the runs that measured it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from grid.analysis.class_tasks import class_capability, class_items
from grid.analysis.main_text import of_class, tasks_of
from grid.analysis.noise_floors import SIXTEEN_BIT, canonical_options, is_reference, reference_of
from grid.analysis.quality_runs import QualityRuns
from grid.analysis.row_facts import positive_number
from grid.analysis.scored_text import ScoredText, scored_text
from grid.analysis.tables import Attempt, ItemRows
from grid.analysis.token_use import named_size
from grid.analysis.variant import ClassItems, Speed, TaskResult, Variant
from grid.models.public import computed_size, named_parameters
from grid.results.statistics import Interval
from grid.results.statistics.interval import require_finite

LLC_FACTOR = 4
"""Weights smaller than this many last-level caches decode at the cache's speed, not memory's."""

Fields = dict[str, Any]
"""Keyword arguments of `Variant`."""


class VariantKey(NamedTuple):
    """What tells variants apart."""

    artifact_id: str
    backend: str
    options: str
    hardware_class: str


def key_of(attempt: Attempt) -> VariantKey:
    row = attempt.row
    return VariantKey(
        row["artifact_id"], row["backend"], canonical_options(row), row["hardware_class"]
    )


def identity_fields(
    key: VariantKey, row: Mapping[str, Any], references: set[tuple[str, str]]
) -> Fields:
    """What the variant is. `references` are the (artifact id, backend) of its model's 16 bits."""
    names = {name: row[name] or "" for name in ("model", "family", "quant", "format")}
    whole_weights = names["quant"].upper() in SIXTEEN_BIT
    return {
        **key._asdict(),
        **names,
        "parameters": row["parameters"] or _named_parameters(row),
        **_size(row),
        "bpw_file": row["bpw_file"],
        "bpw_layer": row["bpw_layer"],
        "device_kind": row["device_kind"],
        "sixteen_bit": key[:2] in references if references else whole_weights,
        "defines_floor": whole_weights,
    }


def _size(row: Mapping[str, Any]) -> Fields:
    """Bytes of the files; of rows of others that do not say them, parameters times bits."""
    size = row["artifact_bytes"] or 0
    if size or not row.get("origin"):
        return {"artifact_bytes": size}
    model, quant, kind = (row[name] or "" for name in ("model", "quant", "format"))
    computed = computed_size(model, row["parameters"], quant, kind)
    if computed is None:
        return {"artifact_bytes": 0}
    return {"artifact_bytes": computed.bytes, "size_text": computed.text}


def _named_parameters(row: Mapping[str, Any]) -> int:
    """Parameters that a mixture's name tells, or that of a model of others; 0 where none does."""
    named = named_size(row)
    if named is None and row.get("origin"):
        return named_parameters(row["model"] or "") or 0
    return named.total if named else 0


def text_fields(run: Attempt | None) -> Fields:
    """From a quality run. The reference has no divergence from itself, stated or not."""
    if run is None:
        return {}
    return {
        **_metrics(run, ("perplexity", "bits_per_byte", "same_top1")),
        "kld_mean": _divergence(run),
        "text_metrics": run.metrics,
        "scored_text": _scored_text(run),
    }


def divergences(runs: Mapping[str, Sequence[Attempt]], key: VariantKey) -> dict[str, Interval]:
    """Mean KL divergence by the category of the text, of those that have one."""
    counting = {category: newest(of_text, key) for category, of_text in sorted(runs.items())}
    figures = {name: _divergence(run) for name, run in counting.items() if run is not None}
    return {name: figure for name, figure in figures.items() if figure is not None}


def _divergence(run: Attempt) -> Interval | None:
    figure = run.metrics.get("kld_mean")
    if figure is None and is_reference(run):
        return Interval(0.0, n=0, method="the reference itself")
    return figure


def _scored_text(run: Attempt) -> ScoredText:
    reference = "@".join(reference_of(run)) if run.workload.get("reference") else ""
    perplexity = run.metrics.get("perplexity")
    tokens = perplexity.n if perplexity else 0
    return scored_text(run.workload, reference, tokens, run.chunk_means)


def memory_fields(run: Attempt | None) -> Fields:
    """From a memory run."""
    if run is None:
        return {}
    names = ("peak_rss_bytes", "peak_vram_bytes", "load_s", "kv_bytes")
    return {**_metrics(run, names), "memory_context": run.workload.get("context")}


def latency_fields(run: Attempt | None) -> Fields:
    """From a latency run."""
    if run is None:
        return {}
    return {
        **_metrics(run, ("ttft_s", "tpot_s")),
        "latency_metrics": run.metrics,
        "latency_prompt": run.workload.get("prompt"),
        "latency_generate": run.workload.get("generate"),
    }


def task_fields(runs: Mapping[tuple[str, str], Attempt], rows: Mapping[str, ItemRows]) -> Fields:
    """From task runs by class and task: the figures of classes, and their items unless some task
    has only a figure, as imports have it."""
    tasks: defaultdict[str, dict[str, TaskResult]] = defaultdict(dict)
    for (task_class, task), attempt in runs.items():
        answers = rows.get(attempt.id)
        if answers is None:
            tasks[task_class][task] = TaskResult(attempt.metrics["capability"])
        else:
            of_task = ClassItems(answers.ids, answers.gains, answers.groups, answers.answers)
            tasks[task_class][task] = TaskResult(answers.capability, of_task)
    items = {name: class_items(of_class) for name, of_class in tasks.items()}
    return {
        "items": {name: of_class for name, of_class in items.items() if of_class is not None},
        "classes": {name: class_capability(of_class) for name, of_class in tasks.items()},
        "tasks": dict(tasks),
    }


def task_runs(
    attempts: Iterable[Attempt], key: VariantKey, runs: QualityRuns
) -> tuple[dict[tuple[str, str], Attempt], dict[str, str]]:
    """By class and task the run that counts: one with items, else one with a capability to show, on
    the items that most of the model's artifacts were asked; and of the classes without such a run,
    that only other tasks were asked. A task without a name is called as its class."""
    by_task: defaultdict[tuple[str, str], list[Attempt]] = defaultdict(list)
    unlike: dict[str, str] = {}
    for attempt in attempts:
        if main := runs.other_tasks(attempt):
            unlike[of_class(attempt)[1]] = f"by {main}, only by {tasks_of(attempt)}"
        elif "task_class" in attempt.workload:
            task_class = str(attempt.workload["task_class"])
            task = str(attempt.workload.get("task") or task_class)
            by_task[task_class, task].append(attempt)
    tasks = {}
    for name, candidates in sorted(by_task.items()):
        with_items = [a for a in candidates if a.id in runs.items]
        usable = with_items or [a for a in candidates if "capability" in a.metrics]
        usual = [a for a in usable if runs.is_on_main_items(a)]
        if run := newest(usual or usable, key):
            tasks[name] = run
    classes = {task_class for task_class, _ in tasks}
    return tasks, {name: text for name, text in unlike.items() if name not in classes}


def newest(attempts: Sequence[Attempt], key: VariantKey) -> Attempt | None:
    """The run that counts: with the variant's own options, of other options only where there is
    none; by the engine's version that ran last; of that the longest, for a sweep that stopped when
    it was decided measured a part of a text or task; of equally long ones the newest."""
    same = [a for a in attempts if canonical_options(a.row) == key.options]
    usable = same or attempts
    if not usable:
        return None
    version = max(usable, key=lambda a: a.newness).row.get("engine_version")
    current = [a for a in usable if a.row.get("engine_version") == version]
    return max(current, key=lambda a: (_length(a), a.newness))


def _length(attempt: Attempt) -> int:
    """Chunks or items of a text or task; 0 of what has none."""
    return int(attempt.workload.get("chunks") or attempt.workload.get("limit") or 0)


def longest_memory_run(attempts: Sequence[Attempt]) -> Attempt | None:
    """The run with the longest context: the most memory that was shown to be needed."""
    return max(attempts, key=lambda a: (a.workload.get("context", 0), a.newness), default=None)


def runs_by_depth(attempts: Sequence[Attempt], kind: str) -> dict[int, Attempt]:
    """By depth; of several token counts the largest, of equal ones the newest. A rate over fewer
    tokens than were asked for, with which a sweep that stops when it is decided begins, is another
    quantity, and none of these."""
    by_depth: dict[int, Attempt] = {}
    of_kind = [
        a
        for a in attempts
        if a.measure == kind and _has_rate(a, f"{kind}_tps") and not a.workload.get("part_of")
    ]
    for attempt in sorted(of_kind, key=lambda a: (a.workload.get("tokens", 0), a.newness)):
        by_depth[int(attempt.workload.get("depth", 0))] = attempt
    return dict(sorted(by_depth.items()))


def speeds_by_depth(by_depth: Mapping[int, Attempt], kind: str) -> dict[int, Speed]:
    return {depth: _speed(attempt, kind, depth) for depth, attempt in by_depth.items()}


def bandwidth_utilisation(attempts: Sequence[Attempt], variant: Variant) -> float | None:
    """Decode rate * weight bytes that a token reads / bandwidth; None where the node's facts are
    not in the row, the weights are smaller than four last-level caches, or an accelerator computes:
    the bandwidth that nodes measure is that of the CPU's memory."""
    read_bytes, decode = variant.read_weight_bytes, variant.decode
    for attempt in attempts:
        if not str(attempt.row["device_kind"] or "").startswith("cpu"):
            return None
        facts = attempt.environment
        if attempt.measure == "decode" and 0 in decode and read_bytes:
            bandwidth = positive_number(facts.get("bandwidth_bytes_s"))
            cache = positive_number(facts.get("llc_bytes"))
            if bandwidth and cache and variant.artifact_bytes >= LLC_FACTOR * cache:
                return decode[0].interval.value * read_bytes / bandwidth
    return None


def attempt_ids(by_measure: Mapping[str, Iterable[Attempt | None]]) -> dict[str, tuple[str, ...]]:
    """By measure the ids of the attempts behind a variant's figures, of measures that have any."""
    ids = {
        measure: tuple(attempt.id for attempt in attempts if attempt is not None)
        for measure, attempts in by_measure.items()
    }
    return {measure: of_measure for measure, of_measure in ids.items() if of_measure}


def _metrics(run: Attempt, names: Iterable[str]) -> Fields:
    return {name: run.metrics.get(name) for name in names}


def _has_rate(attempt: Attempt, name: str) -> bool:
    return name in attempt.metrics and attempt.metrics[name].value > 0


def _speed(attempt: Attempt, kind: str, depth: int) -> Speed:
    tokens = int(attempt.workload.get("tokens", 0))
    interval = attempt.metrics[f"{kind}_tps"]
    seconds = attempt.series.get(f"{kind}_s")
    rates = tokens / seconds if tokens and seconds is not None else [interval.value]
    trend = attempt.metrics.get("drift")
    drifts = None if trend is None else trend.value > 0
    between, lost = attempt.metrics.get("between_run_sd"), attempt.metrics.get("lost_share")
    return Speed(
        interval,
        require_finite(rates, "rates"),
        tokens,
        depth,
        drifts,
        between_sd=between.value if between else 0.0,
        between_degrees=float(between.n) if between else 0.0,
        lost=lost.value if lost else 0.0,
    )
