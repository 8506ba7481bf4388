"""Small stores in memory, row by row as the schema has them, for the tests of the analysis."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa

from grid.analysis import ClassItems, Speed, Tables, Variant
from grid.results.schema import TABLES
from grid.results.statistics import Interval, composite, rate_interval

START = datetime(2025, 1, 1, tzinfo=UTC)
SIZES = {"F16": 16_000, "Q8_0": 8_500, "Q4_K_M": 4_900, "Q2_K": 3_000}


class Rows:
    """Collects attempts with their metrics, samples and items; `tables()` gives Arrow."""

    def __init__(self) -> None:
        self.rows: dict[str, list[dict[str, object]]] = {name: [] for name in TABLES}

    def attempt(
        self,
        measure: str,
        workload: Mapping[str, object],
        *,
        quant: str = "F16",
        metrics: Mapping[str, float] | None = None,
        series: Mapping[str, Sequence[float]] | None = None,
        scores: Sequence[float] = (),
        **fields: object,
    ) -> None:
        number = len(self.rows["attempts"])
        ids = {"attempt_id": f"a{number:04}", "cell_id": f"c{number:04}"}
        row = {
            **dict.fromkeys(TABLES["attempts"].names),
            **ids,
            "status": "ok",
            "reason": "",
            "started_at": START + timedelta(seconds=number),
            "measure": measure,
            "workload": json.dumps(workload),
            "artifact_id": f"base-{quant}",
            "model": "base",
            "family": "ref",
            "parameters": 8_000,
            "format": "gguf",
            "quant": quant,
            "artifact_bytes": SIZES[quant],
            "bpw_file": 8 * SIZES[quant] / 8_000,
            "backend": "llamacpp",
            "options": '{"threads": 2, "batch": 512}',
            "hardware_class": "box",
            "device_kind": "cpu-avx2",
            "environment": [],
            **fields,
        }
        self.rows["attempts"].append(row)
        ids = {name: row[name] for name in ids}
        for name, value in (metrics or {}).items():
            self.rows["metrics"].append({**ids, "name": name, "value": value, "unit": "", "n": 1})
        for name, values in (series or {}).items():
            self.rows["samples"].append({**ids, "name": name, "unit": "s", "values": list(values)})
        for i, score in enumerate(scores):
            item = {"task_class": workload["task_class"], "item": f"i{i:03}", "score": score}
            self.rows["items"].append({**ids, **item, "chance": 0.25})

    def decode(self, seconds: Sequence[float], depth: int = 0, **fields: object) -> None:
        workload = {"type": "decode", "tokens": 100, "depth": depth, "repetitions": len(seconds)}
        rate = float(np.mean(100 / np.array(seconds)))
        self.attempt(
            "decode",
            workload,
            metrics={"decode_tps": rate, **fields.pop("metrics", {})},  # type: ignore[dict-item]
            series={"decode_s": seconds},
            **fields,
        )

    def tasks(self, task_class: str, scores: Sequence[float], **fields: object) -> None:
        workload = {"type": "tasks", "task_class": task_class, "items_sha256": "s", "limit": 9}
        self.attempt("tasks", workload, scores=scores, **fields)

    def quality(
        self,
        kld: float | Sequence[float] | None,
        text: str = "t",
        perplexity: float = 5.0,
        reference: str = "base-F16",
        category: str = "",
        part_of: int = 0,
        **fields: object,
    ) -> None:
        """A divergence, or those of chunks of two tokens each, which differ; the first of
        `part_of` chunks where that is given."""
        workload = {
            "type": "quality",
            "text_sha256": text,
            "reference": None if kld is None else reference,
            **({"category": category} if category else {}),
            **({"part_of": part_of} if part_of else {}),
        }
        metrics = {"perplexity": perplexity} | ({} if kld is None else {"kld_mean": np.mean(kld)})
        series: dict[str, Sequence[float]] = {}
        if isinstance(kld, Sequence):
            workload["chunks"] = len(kld)
            series = {
                "kld": [value for mean in kld for value in (0.5 * mean, 1.5 * mean)],
                "nll": [np.log(perplexity)] * 2 * len(kld),
                "chunks": [len(kld)],
            }
        self.attempt("quality", workload, metrics=metrics, series=series, **fields)

    def tables(self) -> Tables:
        by_table = {}
        for name, schema in TABLES.items():
            by_table[name] = pa.Table.from_pylist(self.rows[name], schema=schema)
        return Tables(**by_table)


def variant(
    name: str,
    size: int,
    gains: Sequence[float] | Mapping[str, Sequence[float]],
    rates: Sequence[float] = (),
    **fields: object,
) -> Variant:
    """A variant of model `base` with these item gains and decode rates."""
    by_task = gains if isinstance(gains, Mapping) else {"math": gains}
    items = {
        task: ClassItems(tuple(f"i{i:05}" for i in range(len(of))), np.array(of, dtype=float))
        for task, of in by_task.items()
    }
    classes = {task: _mean(answers.gains) for task, answers in items.items()}
    weights = {task: 1 / len(items) for task in items}
    speed = {0: Speed(rate_interval(rates), np.array(rates), 100, 0)} if len(rates) else {}
    facts: dict[str, object] = {
        "model": "base", "family": "ref", "parameters": 1, "quant": name, "format": "gguf",
        "artifact_id": name, "artifact_bytes": size, "bpw_file": None, "bpw_layer": None,
        "backend": "llamacpp", "options": "{}", "hardware_class": "box", "device_kind": "cpu",
        "items": items, "classes": classes, "weights": weights, "decode": speed,
        "capability": composite(classes, weights) if classes else None,
    }  # fmt: skip
    return Variant(**{**facts, **fields})  # type: ignore[arg-type]


def _mean(gains: np.ndarray) -> Interval:
    mean, error = float(gains.mean()), float(gains.std(ddof=1)) / len(gains) ** 0.5
    return Interval(mean, mean - 2 * error, mean + 2 * error, error, len(gains))
