"""Small stores for the tests of advice, written and read as real ones are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from analysis_cases import SIZES, Rows
from kld_cases import KLD, spread

from grid.advice import Advice
from grid.analysis.dataset import Dataset
from grid.results.location import Location
from grid.results.store import write_tables

OWN_CLASS = "AMD EPYC, 2 cores, 24 GiB, 32-64 GB/s"
BIGGER = "AMD EPYC, 2 cores, 64 GiB, 32-64 GB/s"
FOREIGN_CLASS = "Intel Xeon, 8 cores, 24 GiB, 64-128 GB/s"

RIGHT_ANSWERS = {"F16": 95, "Q8_0": 95, "Q4_K_M": 90, "Q2_K": 40}
"""Right answers of 100, the first of the list: who has more has all that the others have."""

RATES = {"F16": 20.0, "Q8_0": 40.0, "Q4_K_M": 60.0, "Q2_K": 80.0}
OVERHEAD = 10_000
"""Bytes that the engine takes beside weights and cache."""

KV_TOKEN = 64
"""Two layers of 8 + 8 elements at 16 bits."""

LAYERS = [{"key": 8, "value": 8, "window": None, "fixed": 0}] * 2
STEADY = (0.999, 1.0, 1.001, 1.0005, 0.9995)


def answers(count: int, of: int = 100) -> list[float]:
    return [1.0] * count + [0.0] * (of - count)


def facts(quant: str, hardware: str = OWN_CLASS, **fields: object) -> dict[str, object]:
    """Columns of an attempt."""
    return {
        "quant": quant,
        "hardware_class": hardware,
        "origin": "",
        "licence": "",
        "kv_cache": json.dumps(LAYERS),
        "context_length": 8192,
        "sweep": "quick",
        **fields,
    }


def add_speed(rows: Rows, quant: str, hardware: str = OWN_CLASS, **fields: object) -> None:
    """Decode at RATES, prefill at ten times that, and a memory run at 1024 tokens."""
    about = facts(quant, hardware, **fields)
    rows.decode([100 / (RATES[quant] * part) for part in STEADY], **about)
    seconds = [512 / (10 * RATES[quant] * part) for part in STEADY]
    rows.attempt(
        "prefill",
        {"type": "prefill", "tokens": 512, "depth": 0},
        metrics={"prefill_tps": 10 * RATES[quant]},
        series={"prefill_s": seconds},
        **about,
    )
    peak = SIZES[quant] + 1024 * KV_TOKEN + OVERHEAD
    rows.attempt(
        "memory",
        {"type": "memory", "context": 1024},
        metrics={"peak_rss_bytes": peak, "kv_bytes": 1024 * KV_TOKEN},
        **about,
    )


def add_quality(
    rows: Rows,
    quant: str,
    hardware: str = OWN_CLASS,
    classes: Mapping[str, int] | None = None,
    **fields: object,
) -> None:
    """Tasks: RIGHT answers in math, or those given by class."""
    about = facts(quant, hardware, **fields)
    for name, count in (classes or {"math": RIGHT_ANSWERS[quant]}).items():
        rows.tasks(name, answers(count), **about)


def family(hardware: str = OWN_CLASS, **fields: object) -> Rows:
    """Four quants of one model, measured in everything on one class."""
    rows = Rows()
    for quant in SIZES:
        add_speed(rows, quant, hardware, **fields)
        add_quality(rows, quant, hardware, **fields)
    rows.quality(0.0, **facts("F16", hardware, **fields))
    return rows


def add_ladder(rows: Rows, chunks: int = 8, hardware: str = OWN_CLASS, **fields: object) -> None:
    """Speed, memory and KLD of four quants."""
    model = fields.get("model", "base")
    for i, quant in enumerate(SIZES):
        about = {"artifact_id": f"{model}-{quant}", **fields}
        add_speed(rows, quant, hardware, **about)
        kld = spread(KLD[quant], chunks, noise=i)
        rows.quality(kld, reference=f"{model}-F16", **facts(quant, hardware, **about))


def write_store(rows: Rows, folder: Path) -> Dataset:
    """The rows as a store in `folder`, opened."""
    tables = rows.tables()
    content = {name: getattr(tables, name) for name in ("attempts", "metrics", "samples", "items")}
    folder.mkdir(parents=True, exist_ok=True)
    write_tables(Location(folder), content)
    return Dataset(folder)


def picked_quant(advice: Advice) -> str | None:
    return advice.pick.variant.quant if advice.pick else None


def reasons_by_quant(advice: Advice) -> dict[str, str]:
    return {lost.variant.quant: lost.reason for lost in advice.rejected}
