"""lm-evaluation-harness: results_*.json, with the items of samples_*.jsonl beside it.

One attempt a class of tasks, since a class's figure is the mean over its tasks.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from grid.cells.measurement import ItemResult, Metric
from grid.models.identity import digest
from grid.results.imports import metric
from grid.results.imports.cleaning import clean
from grid.results.imports.formats.lm_eval_model import arguments_of, loaded_weights, quant_options
from grid.results.imports.formats.lm_eval_samples import is_item, results_of
from grid.results.imports.formats.lm_eval_scores import TaskScore, scores_by_class
from grid.results.imports.record import (
    FigureOrigin,
    Record,
    RecordPlace,
    task_run,
)
from grid.results.imports.source import Source
from grid.results.imports.unread import is_lighteval
from grid.results.imports.values import epoch_seconds, mapping, parse_json, text, texts

ORIGIN = FigureOrigin("lm-evaluation-harness")

_ENVIRONMENT = (
    "lm_eval_version", "git_hash", "transformers_version", "model_source", "chat_template",
)  # fmt: skip
_DEVICE = re.compile(r"^\s*GPU 0:\s*(.+?)\s*$", re.MULTILINE)
_CPU = re.compile(r"^\s*Model name:\s*(.+?)\s*$", re.MULTILINE)


def _is_results(value: Any) -> bool:
    """Whether a parsed object is a results file of the harness."""
    if not isinstance(value, dict) or not isinstance(value.get("results"), dict):
        return False
    if is_lighteval(value):
        return False
    return bool({"versions", "configs", "config", "n-shot", "lm_eval_version"} & set(value))


def _read_json(source: Source) -> list[Record]:
    """One attempt for each class of tasks; tasks of no known class are skipped with a note."""
    parts = [part.value for part in source.json_parts if _is_results(part.value)]
    if not parts:
        parse_json(source, source.text)
        raise source.error("no results of lm-evaluation-harness (results, versions, config)")
    records: list[Record] = []
    for whole in parts:
        with source.refusing():
            records += _records(source, whole)
    return records


def _records(source: Source, whole: Mapping[str, Any]) -> list[Record]:
    classes = scores_by_class(source, whole)
    if not classes and not source.skipped:
        raise source.error("its results hold no task; give the file of a whole run")
    return [_attempt(source, whole, name, scores) for name, scores in classes.items()]


def _attempt(
    source: Source, whole: Mapping[str, Any], task_class: str, scores: Sequence[TaskScore]
) -> Record:
    tasks = ", ".join(sorted(score.task for score in scores))
    items = _items(source, task_class, scores)
    hardware, device = _hardware(source, whole)
    engine = text(mapping(whole.get("config")), "model") or "hf"
    count = sum(score.n or 0 for score in scores)
    return Record(
        origin=ORIGIN,
        weights=loaded_weights(source, whole),
        **task_run(task_class, tasks, _items_digest(whole, scores), count),
        backend=engine,
        engine_version=_version(whole),
        options=quant_options(arguments_of(mapping(whole.get("config")))),
        hardware=hardware,
        device_kind=device,
        figures=_metrics(scores, items),
        items=items,
        started_at=epoch_seconds(whole.get("date")),
        environment={"tasks": "; ".join(score.text for score in scores), **_environment(whole)},
        place=RecordPlace(source.name),
    )


def _items(source: Source, task_class: str, scores: Sequence[TaskScore]) -> tuple[ItemResult, ...]:
    """Items of a class with one task; none of several, whose longest would outweigh the others."""
    parts = [score.items for score in scores if score.items]
    if len(scores) > 1 and parts:
        source.skip(f"items of {task_class} are left out: its figure is the mean over its tasks")
    return parts[0].items if len(scores) == 1 and parts else ()


def _metrics(scores: Sequence[TaskScore], items: Sequence[ItemResult]) -> tuple[Metric, ...]:
    names = ", ".join(f"{score.task} {score.metric}" for score in scores)
    if items:
        return metric.item_scores(items, ORIGIN.name, f"items of {names}")
    k = len(scores)
    chance = [_chance(score) for score in scores]
    gains = [(s.value - c) / (1 - c) for s, c in zip(scores, chance, strict=True)]
    errors = [score.error for score in scores]
    counts = [score.n for score in scores]
    n = sum(count for count in counts if count) if all(counts) else None
    how = f"mean over {names}" if k > 1 else names
    spread = [None if e is None else e / (1 - c) for e, c in zip(errors, chance, strict=True)]
    score = sum(task_score.value for task_score in scores) / k
    return metric.task_scores(
        (score, _mean_error(errors)),
        sum(chance) / k,
        (sum(gains) / k, _mean_error(spread)),
        n,
        ORIGIN.name,
        how,
    )


def _chance(score: TaskScore) -> float:
    """Score of guessing: of the task's own items where the samples are there."""
    chances = [item.chance for item in score.items.items] if score.items else []
    return sum(chances) / len(chances) if chances else score.about.chance


def _mean_error(errors: Sequence[float | None]) -> float | None:
    """Standard error of the mean of independent figures; None where one has none."""
    stated = [error for error in errors if error is not None]
    if len(stated) < len(errors):
        return None
    return float(sum(error**2 for error in stated) ** 0.5) / len(stated)


def _items_digest(whole: Mapping[str, Any], scores: Sequence[TaskScore]) -> str:
    """Digest of the questions: two runs compare item by item only where it is the same."""
    combined = [score.items.content for score in scores if score.parts and score.items]
    scores = [part for score in scores for part in (score.parts or (score,))]
    versions, shots = mapping(whole.get("versions")), mapping(whole.get("n-shot"))
    parts = [
        (s.task, s.metric, s.n, clean(str(versions.get(s.task))), clean(str(shots.get(s.task))))
        for s in scores
    ]
    contents = [score.items.content if score.items else "" for score in scores]
    return digest("items", parts, [*contents, *combined])


def _hardware(source: Source, whole: Mapping[str, Any]) -> tuple[str, str]:
    """(hardware, device kind) as the harness's environment report says."""
    about, config = str(whole.get("pretty_env_info", ""))[:100_000], mapping(whole.get("config"))
    device = text(config, "device").split(":")[0]
    card, chip = _DEVICE.search(about), _CPU.search(about)
    if device == "cpu":
        card = None
    device_name = card or chip
    device = device or ("cuda" if card else "unknown")
    return source.hardware_named(clean(device_name[1]) if device_name else "", device), device


def _version(whole: Mapping[str, Any]) -> str:
    return text(whole, "transformers_version") or text(whole, "lm_eval_version")


def _environment(whole: Mapping[str, Any]) -> dict[str, str]:
    facts = {name: value[:200] for name, value in texts(whole, _ENVIRONMENT).items()}
    arguments = mapping(whole.get("config")).get("model_args")
    return facts | ({"model_args": clean(str(arguments))[:400]} if arguments else {})


def _read_samples(source: Source) -> list[Record]:
    """Items are read with the results that they belong to, never by themselves."""
    results = results_of(source.path)
    if results is None:
        raise source.error(
            "items of lm-evaluation-harness; give the results_*.json of the same run beside it"
        )
    source.skip(f"its items are read with {results.name}")
    return []


class LmEvalReader:
    """results_*.json, with the samples beside it."""

    name = "lm-eval"
    description = "results_*.json of lm-evaluation-harness, with samples_*.jsonl beside it"
    origin = ORIGIN
    selectable = True

    def recognizes(self, source: Source) -> bool:
        return any(_is_results(part.value) for part in source.json_parts)

    def records(self, source: Source) -> list[Record]:
        return _read_json(source)


class LmEvalSamplesReader:
    """samples_*.jsonl, which are read with their results."""

    name = "lm-eval-samples"
    description = "samples_*.jsonl of lm-evaluation-harness"
    origin = ORIGIN
    selectable = False

    def recognizes(self, source: Source) -> bool:
        return any(is_item(part.value) for part in source.json_parts[:1])

    def records(self, source: Source) -> list[Record]:
        return _read_samples(source)


READERS = (LmEvalReader(), LmEvalSamplesReader())
