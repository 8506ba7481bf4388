"""A store of about a million metric rows, as sweeps over 40 hardware classes would leave it.

    uv run python scripts/bench_store.py FOLDER [--classes 40] [--artifacts 500]

Files of 256 attempts a table, as flushes make them: speed, memory and latency of every artifact on
every class, a fifth of it measured twice; text quality and five task classes of 300 items once for
each of four device kinds. The figures are random around a plausible truth; the schema, the sizes
and the order of rows are those of real sweeps.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from grid.results.location import Location
from grid.results.schema import TABLES
from grid.results.store import FLUSH_CELLS, arrow_tables, write_tables

KINDS = ("cpu-avx2", "cpu-avx512-vnni", "cuda-sm89", "metal-apple9")
QUANTS = {"F16": 16.0, "Q8_0": 8.5, "Q6_K": 6.6, "Q5_K_M": 5.7, "Q4_K_M": 4.85, "Q3_K_M": 3.9,
          "Q2_K": 3.0, "IQ4_XS": 4.3, "IQ3_XXS": 3.1, "Q4_0": 4.5}  # fmt: skip
CLASSES = ("code", "commonsense", "math", "reasoning", "recall")
ITEMS = 300
TOKENS = 510
TEXT = {"text": "ref:heldout", "text_sha256": "0" * 64, "context": 512, "chunks": 8}
START = datetime(2026, 1, 1, tzinfo=UTC)
REPEATED_SHARE = 0.22
OPTIONS = json.dumps(
    {"batch": 2048, "flash_attention": "auto", "kv_type_k": "f16", "kv_type_v": "f16", "threads": 8}
)
QUALITY = (
    "perplexity", "nll_mean", "bits_per_byte", "ln_ppl_ratio", "kld_mean", "kld_median", "kld_p90",
    "kld_p95", "kld_p99", "kld_p999", "kld_max", "kld_min", "same_top1", "dp_mean", "dp_rms",
    "dp_min", "dp_p001", "dp_p01", "dp_p05", "dp_p10", "dp_p25", "dp_median", "dp_p75", "dp_p90",
    "dp_p95", "dp_p99", "dp_p999", "dp_max", "reference_tail_mass_max", "kld_sampling_se",
    "kld_reverse_mean",
)  # fmt: skip
SPEED = ("tps", "tps_median")
SHAPE = json.dumps([{"key": 1024, "value": 1024, "window": None, "fixed": 0}] * 32)

Row = dict[str, Any]
Rows = dict[str, list[Row]]


class BenchArtifact(NamedTuple):
    """An artifact: its model, size, and how far its answers are from those of 16 bits."""

    id: str
    model: str
    quant: str
    parameters: int
    bytes: int
    loss: float


class BenchCell(NamedTuple):
    artifact: BenchArtifact
    place: str
    kind: str
    workload: dict[str, Any]
    repeated: bool = False


def artifacts(count: int) -> list[BenchArtifact]:
    made_artifacts = []
    for i in range(count):
        model, quant = divmod(i, len(QUANTS))
        bits = list(QUANTS.values())[quant]
        parameters = int(1e9 * (1 + model % 25) * 1.3)
        name = f"family{model % 8}-{model}"
        size = int(parameters * bits / 8)
        made_artifacts.append(
            BenchArtifact(
                _hash("a", i), name, list(QUANTS)[quant], parameters, size, 2.0 ** (3 - bits) / 10
            )
        )
    return made_artifacts


def cells(artifacts: Sequence[BenchArtifact], classes: int) -> Iterator[BenchCell]:
    """As sweeps over five machines at a time give them: each machine takes the next artifact."""
    rng = np.random.default_rng(0)
    places = [(f"Chip {i}, 16 cores, 64 GiB, 64-128 GB/s", KINDS[i % 4]) for i in range(classes)]
    speed: list[dict[str, Any]] = [{"type": "memory", "context": 4096}]
    for depth in (0, 512):
        speed += [
            {"type": kind, "tokens": tokens, "depth": depth, "repetitions": 5}
            for kind, tokens in (("prefill", 512), ("decode", 128))
        ]
    speed.append({"type": "latency", "prompt": 512, "generate": 128, "repetitions": 5})
    shared_runs: set[tuple[str, str]] = set()
    for start in range(0, classes, 5):
        for artifact in artifacts:
            for place, kind in places[start : start + 5]:
                repeats = rng.random() < REPEATED_SHARE
                for workload in speed:
                    yield BenchCell(artifact, place, kind, workload)
                    if repeats:
                        yield BenchCell(artifact, place, kind, workload, True)
                if (artifact.id, kind) not in shared_runs:
                    shared_runs.add((artifact.id, kind))
                    yield from _shared_cells(artifact, place, kind)


def _shared_cells(artifact: BenchArtifact, place: str, kind: str) -> Iterator[BenchCell]:
    whole = _hash("a", int(artifact.model.split("-")[1]) * len(QUANTS))
    reference = f"{whole}@llamacpp"
    yield BenchCell(artifact, place, kind, {"type": "quality", **TEXT, "reference": reference})
    for name in CLASSES:
        items = {"source": "ref:items", "items_sha256": f"{name:0<64}", "limit": ITEMS}
        yield BenchCell(artifact, place, kind, {"type": "tasks", "task_class": name, **items})


class Figures:
    """Rows of cells, from one stream of random numbers."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(1)
        self.number = 0
        self.ability: dict[tuple[str, str], float] = {}
        self.difficulty = {name: self.rng.random(ITEMS) for name in CLASSES}

    def add(self, cell: BenchCell, rows: Rows) -> None:
        self.number += 1
        key = {"attempt_id": _hash("t", self.number) * 2, "cell_id": _cell_id(cell)}
        failed = self.rng.random() < 0.01
        rows["attempts"].append(self._attempt(key, cell, failed))
        if failed:
            return
        measure = cell.workload["type"]
        metrics, samples = getattr(self, f"_{measure}")(cell)
        rows["metrics"] += [
            {**key, "name": name, "value": value, "unit": "1", "low": 0.97 * value,
             "high": 1.03 * value, "sd": 0.02 * value, "n": 5, "method": "mean, sd; Student t"}
            for name, value in metrics.items()
        ]  # fmt: skip
        rows["samples"] += [
            {**key, "name": name, "unit": "s", "values": values} for name, values in samples.items()
        ]
        if measure == "tasks":
            rows["items"] += self._items(key, cell)

    def _attempt(self, key: Row, cell: BenchCell, failed: bool) -> Row:
        artifact, number = cell.artifact, self.number
        shared = cell.workload["type"] in ("quality", "tasks")
        return {
            **key, "sweep_id": _hash("s", number // 3000) * 2, "sweep": "fleet",
            "status": "oom" if failed else "ok",
            "reason": "needs 40 GiB, has 24 GiB" if failed else "",
            "started_at": START + timedelta(seconds=number), "wall_s": 3.0, "engine_s": 2.9,
            "measure": cell.workload["type"], "label": cell.workload["type"],
            "workload": json.dumps(cell.workload), "artifact_id": artifact.id,
            "model": artifact.model, "family": artifact.model.split("-")[0],
            "model_source": f"hf:owner/{artifact.model}",
            "model_revision": _hash("m", artifact.model) * 4, "parameters": artifact.parameters,
            "format": "gguf", "quant": artifact.quant, "quantizer": "llama-cpp-python 0.3.36",
            "artifact_bytes": artifact.bytes, "artifact_sha256": artifact.id * 4,
            "bpw_file": 8 * artifact.bytes / artifact.parameters,
            "bpw_layer": 8 * artifact.bytes / artifact.parameters,
            "backend": "llamacpp", "engine_version": "llama-cpp-python 0.3.36",
            "options": OPTIONS, "scope": cell.kind if shared else cell.place,
            "hardware_class": cell.place, "device_kind": cell.kind, "node": cell.place[:8],
            "environment": self._environment(), "context_length": 32768, "kv_cache": SHAPE,
            "origin": "", "licence": "",
        }  # fmt: skip

    def _environment(self) -> list[tuple[str, str]]:
        fixed = {
            "quantgrid": "0.1.0", "python": "3.11.7", "git_revision": "f52745818a5a",
            "system": "Linux-6.18.44-x86_64-with-glibc2.36", "bandwidth_bytes_s": "8.865e+10",
            "llc_bytes": "33554432", "engine": "llama-cpp-python 0.3.36 (llama.cpp 0.5.0-dev)",
            "features": "CPU : SSE3 SSSE3 AVX AVX2 F16C FMA BMI2 LLAMAFILE OPENMP REPACK",
            "model": "llama ?B F16", "flash_attention": "on", "context_cells": "256",
            "threads": "8", "threads_batch": "8", "batch": "2048", "ubatch": "512",
            "gpu_layers": "0", "kv_type_k": "f16", "kv_type_v": "f16", "mmap": "True",
        }  # fmt: skip
        load, clock = self.rng.random(2)
        return [*fixed.items(), ("load_average_1m", f"{load:.2f}"), ("cpu_mhz", f"{clock:.5f}")]

    def _times(self, cell: BenchCell, scale: float) -> list[float]:
        speed = 60e9 * (1 + int(cell.place.split()[1].strip(",")) / 10)
        seconds = scale * cell.artifact.bytes / speed
        return [float(s) for s in seconds * np.exp(0.02 * self.rng.standard_normal(5))]

    def _rate(self, cell: BenchCell, kind: str, scale: float) -> tuple[dict[str, float], Row]:
        seconds = self._times(cell, scale)
        rate = float(np.mean(cell.workload["tokens"] / np.array(seconds)))
        metrics = {f"{kind}_{name}": rate for name in SPEED}
        flags = dict.fromkeys(("outliers", "drift", "drift_change", "probe"), 0.0)
        return metrics | flags, {f"{kind}_s": seconds}

    def _prefill(self, cell: BenchCell) -> tuple[dict[str, float], Row]:
        return self._rate(cell, "prefill", 8.0 + cell.workload["depth"] / 1000)

    def _decode(self, cell: BenchCell) -> tuple[dict[str, float], Row]:
        return self._rate(cell, "decode", 128.0 + cell.workload["depth"] / 100)

    def _memory(self, cell: BenchCell) -> tuple[dict[str, float], Row]:
        size = float(cell.artifact.bytes)
        metrics = {"load_s": size / 1e9, "peak_rss_bytes": 1.1 * size, "kv_bytes": 5e8}
        metrics |= {"baseline_rss_bytes": 4e7, "kv_buffer_bytes": 5e8, "page_cache_share": 1.0}
        return metrics, {name: [value] for name, value in metrics.items()}

    def _latency(self, cell: BenchCell) -> tuple[dict[str, float], Row]:
        (first, *_), gaps = self._times(cell, 8.0), [0.02] * 635
        names = ("ttft_s", "tpot_s", "e2e_s", "itl_p50_s", "itl_p90_s", "itl_p99_s")
        return dict.fromkeys(names, first), {"ttft_s": [first] * 5, "itl_s": gaps}

    def _quality(self, cell: BenchCell) -> tuple[dict[str, float], Row]:
        loss = cell.artifact.loss
        metrics = {name: loss * (1 + i / 10) for i, name in enumerate(QUALITY)}
        if cell.artifact.quant == "F16":
            metrics |= {name: 0.0 for name in QUALITY if name.startswith(("kld", "dp"))}
        series = self.rng.standard_exponential((4, TOKENS))
        names = ("nll", "kld", "dp", "nll_reference")
        return metrics | {"perplexity": 6.0 + loss}, dict(zip(names, series, strict=True))

    def _tasks(self, cell: BenchCell) -> tuple[dict[str, float], Row]:
        return {"accuracy": 0.5, "chance": 0.25, "capability": 0.33}, {"loglik_s": [1.0]}

    def _items(self, key: Row, cell: BenchCell) -> list[Row]:
        name = cell.workload["task_class"]
        size = np.log10(cell.artifact.parameters / 1e9)
        able = 0.35 + 0.4 * size - cell.artifact.loss + 0.02 * self.rng.standard_normal()
        right = self.difficulty[name] + 0.02 * self.rng.standard_normal(ITEMS) < able
        return [
            {**key, "task_class": name, "item": f"{name}-{i:03}", "score": float(right[i]),
             "chance": 0.25, "chosen": i % 4, "answer": i % 4, "log_likelihoods": likely}
            for i, likely in enumerate(self.rng.random((ITEMS, 4)))
        ]  # fmt: skip


def make(folder: Path, classes: int = 40, count: int = 500) -> None:
    """Write the store, one file a table for every 256 attempts."""
    folder.mkdir(parents=True)
    location, figures = Location(folder), Figures()
    rows: Rows = {name: [] for name in TABLES}
    for cell in cells(artifacts(count), classes):
        figures.add(cell, rows)
        if len(rows["attempts"]) >= FLUSH_CELLS:
            rows = _flush(location, rows)
    _flush(location, rows)


def _flush(location: Location, rows: Rows) -> Rows:
    write_tables(location, arrow_tables(rows))
    return {name: [] for name in TABLES}


def _hash(*parts: object) -> str:
    return blake2b(repr(parts).encode(), digest_size=8).hexdigest()


def _cell_id(cell: BenchCell) -> str:
    shared = cell.workload["type"] in ("quality", "tasks")
    return _hash(cell.artifact.id, cell.kind if shared else cell.place, str(cell.workload))


def main() -> None:
    parser = argparse.ArgumentParser(description="make a store of a million metric rows")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--classes", type=int, default=40)
    parser.add_argument("--artifacts", type=int, default=500)
    arguments = parser.parse_args()
    make(arguments.folder, arguments.classes, arguments.artifacts)


if __name__ == "__main__":
    main()
