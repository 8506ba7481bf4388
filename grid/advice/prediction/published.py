"""Observations in the published tables that come with quantgrid; third-party measurements."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from grid.advice.prediction import quants
from grid.advice.prediction.community import community_table
from grid.advice.prediction.observation import PROMPT, Observation, chip_facts
from grid.advice.prediction.rate_tables import known_chip, read_table
from grid.errors import InputError
from grid.hardware.chips import Chip, find_chip
from grid.results.imports.publications import PUBLISHED_FOLDER
from grid.units import GIB

LLAMA_CPP, MLX, TRANSFORMERS = "llamacpp", "mlx", "transformers"
_CHIP_COLUMNS = {"f16": "F16", "q8_0": "Q8_0", "q4_0": "Q4_0"}
_DEPTH = 64
"""Mean tokens of context while llama-bench generates its 128."""


class _Shape:
    """What a model's public configuration says: weights, and what a token reads of them."""

    def __init__(
        self, parameters: float, embedding: float, layers: int, kv: int, active: float | None = None
    ) -> None:
        self.parameters = parameters
        self.total = parameters if active else parameters - embedding
        self.unread = embedding  # elements of the table that tokens are looked up in
        self.layers = layers
        self.kv_bytes = kv  # for each token of context, all layers, 16 bits
        self.active = (active or parameters) - embedding


LLAMA2_7B = _Shape(6.738e9, 32000 * 4096, 32, 32 * 2 * 4096 * 2)
LLAMA3_8B = _Shape(8.030e9, 128256 * 4096, 32, 32 * 2 * 1024 * 2)
QWEN3_4B = _Shape(4.022e9, 0, 36, 36 * 2 * 1024 * 2)
QWEN3_30B_A3B = _Shape(30.53e9, 151936 * 2048, 48, 48 * 2 * 512 * 2, active=3.35e9)


@cache
def published_observations() -> tuple[Observation, ...]:
    """All of them, from every bundled table that has rates."""
    return (
        *chip_table(PUBLISHED_FOLDER / "llama2-7b-speed-by-chip.json"),
        *gguf_table(PUBLISHED_FOLDER / "llama3.1-8b-gguf-speed.json"),
        *_mlx_table(PUBLISHED_FOLDER / "mlx-m4max.json"),
        *_methods_table(PUBLISHED_FOLDER / "llama3.1-8b-gpu-methods.json"),
        *community_table(PUBLISHED_FOLDER / "community-speed-rows.json"),
    )


@cache
def published_origins() -> frozenset[str]:
    """What rows of these tables have as `origin` when they are imported into a store."""
    return frozenset(row.origin for row in published_observations())


def chip_table(path: Path) -> list[Observation]:
    """Rates of Llama-2-7B by chip: rows of chip, bandwidth_gb_s and {quant}_{rate}_tps.

    The bandwidth is the table's, clock and operations are the catalogue's where it knows the chip.
    Raises InputError where the file is not such a table.
    """
    data = read_table(path)
    observations: list[Observation] = []
    for row in data["rows"]:
        try:
            observations += _chip_rows(row, str(data.get("source", path.name)))
        except (KeyError, TypeError) as error:
            raise InputError(f"{path}: a row lacks {error}; see docs/prediction.md") from error
    return observations


def gguf_table(path: Path) -> list[Observation]:
    """Rates of Llama-3.1-8B by quant on a card whose name and bandwidth are not published."""
    data = read_table(path)
    return [
        Observation(
            group=data["hardware"],
            platform="cuda",
            engine=LLAMA_CPP,
            quant=row["quant"],
            weight_bytes=row["size_gib"] * GIB,
            read_bytes=row["size_gib"] * GIB
            - LLAMA3_8B.unread * row["bpw_file"] / 8
            + _DEPTH * LLAMA3_8B.kv_bytes,
            parameters=LLAMA3_8B.active,
            layers=LLAMA3_8B.layers,
            decode_tps=row["decode_tps"],
            prefill_tps=row["prefill_tps"],
            origin=data["source"],
            model=data["model"],
        )
        for row in data["rows"]
    ]


def _chip_rows(row: dict[str, Any], source: str) -> list[Observation]:
    bandwidth = row["bandwidth_gb_s"] * 1e9
    chip = known_chip(row["chip"], bandwidth)
    return [
        Observation(
            group=chip.name if chip else row["chip"],
            platform=row.get("platform") or (chip.platform if chip else _platform(row["chip"])),
            engine=LLAMA_CPP,
            quant=quant,
            weight_bytes=LLAMA2_7B.parameters * _llama2_bits(quant) / 8,
            read_bytes=LLAMA2_7B.active * _llama2_bits(quant) / 8 + _DEPTH * LLAMA2_7B.kv_bytes,
            parameters=LLAMA2_7B.active,
            layers=LLAMA2_7B.layers,
            **({} if chip is None else chip_facts(chip)) | {"bandwidth_bytes_s": bandwidth},
            decode_tps=row.get(f"{column}_decode_tps"),
            prefill_tps=row.get(f"{column}_prefill_tps"),
            origin=source,
            model="Llama-2-7B",
        )
        for column, quant in _CHIP_COLUMNS.items()
        if row.get(f"{column}_decode_tps") or row.get(f"{column}_prefill_tps")
    ]


def _llama2_bits(quant: str) -> float:
    """Q4_0 files keep the output matrix, a fiftieth of the weights, in Q6_K."""
    return {"F16": 16.0, "Q8_0": 8.5, "Q4_0": 4.54}[quant]


def _platform(name: str) -> str:
    words = name.lower()
    if "apple" in words:
        return "metal"
    return (
        "cuda" if any(maker in words for maker in ("nvidia", "rtx", "gtx", "tesla")) else "vulkan"
    )


def _mlx_table(path: Path) -> list[Observation]:
    data = read_table(path)
    chip = find_chip("M4 Max 40")
    shapes = {"Qwen3-4B-2507": QWEN3_4B, "Qwen3-30B-A3B": QWEN3_30B_A3B}
    return [
        _row_on_chip(
            chip,
            MLX,
            row["format"],
            quants.bits(row["format"]),
            shapes[row["model"]],
            row,
            data,
        )
        for row in data["rows"]
    ]


def _methods_table(path: Path) -> list[Observation]:
    data = read_table(path)
    chip = find_chip("A100 SXM4 80GB")
    head = 2 * LLAMA3_8B.unread  # the output matrix stays in 16 bits
    observations = []
    for row in data["rows"]:
        bits = quants.bits(row["method"])
        mean = (bits * (LLAMA3_8B.active - LLAMA3_8B.unread) + 8 * head) / LLAMA3_8B.active
        observations.append(
            _row_on_chip(chip, TRANSFORMERS, row["method"], mean, LLAMA3_8B, row, data)
        )
    return observations


def _row_on_chip(
    chip: Chip,
    engine: str,
    quant: str,
    bits: float,
    shape: _Shape,
    row: dict[str, Any],
    data: dict[str, Any],
) -> Observation:
    context = data.get("prompt_tokens", _DEPTH)
    return Observation(
        group=chip.name,
        platform=chip.platform,
        engine=engine,
        quant=quant,
        weight_bytes=shape.parameters * bits / 8,
        read_bytes=shape.active * bits / 8 + context * shape.kv_bytes,
        parameters=shape.active,
        layers=shape.layers,
        total_parameters=shape.total,
        prompt=data.get("prompt_tokens", PROMPT),
        **chip_facts(chip),
        decode_tps=row.get("decode_tps"),
        prefill_tps=row.get("prefill_tps"),
        origin=data["source"],
        model=row.get("model") or data["model"],
    )
