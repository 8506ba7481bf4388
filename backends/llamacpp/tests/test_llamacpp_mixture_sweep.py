"""A whole sweep of a mixture of experts: quantized, measured in everything, and advised on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from llamacpp_families import config_of
from llamacpp_random import tokenizer
from llamacpp_synthetic import write_model

import grid as quantgrid
from grid.models.gguf.inventory_config import from_config

pytestmark = pytest.mark.engine

SWEEP = """
name = "mixture"
backends = ["llamacpp"]
quants = ["F16", "Q4_K_M"]
[[models]]
source = "Tiny-12M-A5M-F16.gguf"
[options.llamacpp]
threads = 1
[speed]
prompt = [16]
generate = [8]
repetitions = 2
[memory]
context = 128
[quality]
text = "ref:heldout"
context = 64
chunks = 2
"""


def grid(folder: Path, *arguments: str) -> str:
    """`grid ...` in a folder with a cache of its own; its output."""
    environment = {**os.environ, "QUANTGRID_CACHE": str(folder / "cache")}
    done = subprocess.run(
        [sys.executable, "-m", "grid", *arguments],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A mixture of Qwen3's architecture, 2 of 6 experts in each of 8 layers, after a sweep."""
    folder = tmp_path_factory.mktemp("mixture-sweep")
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer(320)))
    config = {**config_of("qwen3_moe"), "num_experts_per_tok": 2}
    inventory, model = from_config(config)
    write_model(folder / "Tiny-12M-A5M-F16.gguf", config, inventory, model, vocabulary=folder)
    (folder / "sweep.toml").write_text(SWEEP)
    plan = grid(folder, "plan", "sweep.toml")
    assert "11.2M parameters, 4.82M for a token: 2 of 6 experts in 8 layers" in plan
    grid(folder, "sweep", "sweep.toml", "--store", "rows", "--here", "--executor", "inline")
    return folder


def rows(folder: Path) -> list[dict[str, Any]]:
    return quantgrid.open(folder / "rows").attempts().to_pylist()


def test_nothing_of_a_mixture_is_refused(folder: Path) -> None:
    assert {row["status"] for row in rows(folder)} == {"ok"}
    measures = {(row["quant"], row["measure"]) for row in rows(folder)}
    wanted = {"memory", "prefill", "decode", "quality"}
    assert measures >= {(quant, measure) for quant in ("F16", "Q4_K_M") for measure in wanted}


def test_every_row_says_what_a_token_uses(folder: Path) -> None:
    for row in rows(folder):
        assert (row["parameters"], row["active_parameters"]) == (11_191_552, 4_818_176)
        assert (row["experts"], row["experts_used"], row["expert_layers"]) == (6, 2, 8)
        parts = json.loads(row["weight_parts"])
        stored = sum(map(sum, parts["layers"])) + parts["output"] + parts["lookup"]
        assert stored == pytest.approx(row["artifact_bytes"], rel=0.01)


def test_its_divergence_and_perplexity_are_measured(folder: Path) -> None:
    table = quantgrid.open(folder / "rows").query(
        "SELECT quant, name, max(value) AS value FROM results "
        "WHERE name IN ('kld_mean', 'perplexity') GROUP BY quant, name"
    )
    figures = {(row["quant"], row["name"]): row["value"] for row in table.to_pylist()}
    assert 0 < figures["Q4_K_M", "kld_mean"] < 0.1
    assert figures["Q4_K_M", "perplexity"] == pytest.approx(figures["F16", "perplexity"], rel=0.05)


def test_advice_and_frontier_know_it(folder: Path) -> None:
    data = json.loads(grid(folder, "frontier", "--store", "rows", "--json"))
    (of_class,) = data.values()
    points = of_class["frontiers"][0]["points"]
    variant = next(point for point in points if point["quant"] == "Q4_K_M")
    assert variant["active_parameters"] == 4_818_176
    assert variant["experts"]["count"] == 6
    advice = json.loads(
        grid(folder, "recommend", "--store", "rows", "--chip", "RTX 4090", "--json")
    )
    assert advice["pick"]["figures"]["decode rate"]["evidence"]["kind"] == "predicted"
