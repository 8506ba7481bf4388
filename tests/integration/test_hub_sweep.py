"""A model of a hub measured by its name, from a hub that stands on the loopback."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hub_server import HubServer

import grid as quantgrid
from grid.models import bundled

Command = Callable[..., subprocess.CompletedProcess[str]]

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(
        importlib.util.find_spec("llama_cpp") is None, reason="llama-cpp-python is not installed"
    ),
]

SWEEP = """
measures = ["quality"]
quants = ["F16", "Q4_0"]
[[models]]
{model}
[quality]
context = 128
chunks = 2
"""


@pytest.fixture(scope="module")
def ladder(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Real GGUF files of the smallest model: 16 bits and two quants."""
    from grid_llamacpp import backend

    folder = tmp_path_factory.mktemp("ladder")
    whole = folder / "small-F16.gguf"
    backend.quantize(bundled.size_dir("small"), "F16", whole, 2)
    for quant in ("Q8_0", "Q4_0"):
        backend.quantize(whole, quant, folder / f"small-{quant}.gguf", 2)
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.gguf"))}


@pytest.fixture
def hub(ladder: dict[str, bytes]) -> Iterator[HubServer]:
    folder = bundled.size_dir("small")
    with HubServer() as server:
        server.add("owner/small-GGUF", ladder)
        server.add("owner/small", {path.name: path.read_bytes() for path in folder.iterdir()})
        yield server


@pytest.fixture
def grid(hub: HubServer, tmp_path: Path) -> Command:
    """The command line with that hub, and caches of its own."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    environ |= {
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(tmp_path / "hf"),
        "HF_HUB_DISABLE_XET": "1",
        "QUANTGRID_CACHE": str(tmp_path / "cache"),
    }

    def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "grid", *arguments],
            cwd=tmp_path,
            env={**environ, **variables},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return run


def statuses(folder: Path) -> dict[str, str]:
    final = quantgrid.open(folder / "results").final().to_pylist()
    return {row["quant"]: row["status"] for row in final}


def sweep(folder: Path, grid: Command, model: str, **variables: str) -> str:
    (folder / "s.toml").write_text(SWEEP.format(model=model))
    done = grid("sweep", "s.toml", "--executor", "inline", **variables)
    return done.stdout + done.stderr


def test_the_plan_of_a_repository_is_its_ladder_and_fetches_headers_only(
    grid: Command, hub: HubServer, ladder: dict[str, bytes]
) -> None:
    done = grid("plan", "hf:owner/small-GGUF")
    assert done.returncode == 0, done.stderr
    assert all(f" {quant} " in done.stdout for quant in ("F16", "Q8_0", "Q4_0"))
    fetched = [request for request in hub.requests if "/resolve/" in request.path]
    assert fetched
    assert all(request.stop is not None for request in fetched if request.method == "GET")


def test_files_of_a_repository_are_fetched_and_compared_with_its_16_bits(
    grid: Command, tmp_path: Path
) -> None:
    model = 'files = ["hf:owner/small-GGUF/*.gguf"]\nreference = "hf:owner/small-GGUF/F16"'
    printed = sweep(tmp_path, grid, model)
    assert statuses(tmp_path) == {"F16": "ok", "Q8_0": "ok", "Q4_0": "ok"}, printed
    rows = quantgrid.open(tmp_path / "results").frame()
    divergence = {row.quant: row.kld_mean for row in rows.itertuples() if row.kld_mean > 0}
    assert divergence["Q8_0"] < divergence["Q4_0"]


def test_16_bit_weights_of_a_repository_are_quantized_here(grid: Command, tmp_path: Path) -> None:
    printed = sweep(tmp_path, grid, 'source = "hf:owner/small"')
    assert statuses(tmp_path) == {"F16": "ok", "Q4_0": "ok"}, printed


def test_fetched_weights_are_measured_without_the_hub(
    grid: Command, hub: HubServer, tmp_path: Path
) -> None:
    model = 'source = "hf:owner/small"'
    sweep(tmp_path, grid, model)
    hub.requests.clear()
    printed = sweep(tmp_path, grid, model + '\nquants = ["Q8_0"]', HF_HUB_OFFLINE="1")
    assert statuses(tmp_path)["Q8_0"] == "ok", printed
    assert hub.requests == []


def test_a_corrupt_file_of_the_hub_is_an_error_row_with_its_name(
    grid: Command, hub: HubServer, tmp_path: Path
) -> None:
    model = 'files = ["hf:owner/small-GGUF/Q8_0", "hf:owner/small-GGUF/Q4_0"]'
    (tmp_path / "s.toml").write_text(SWEEP.format(model=model))
    assert grid("plan", "s.toml").returncode == 0  # headers are known from now on
    hub.corrupt.add("small-Q8_0.gguf")
    printed = sweep(tmp_path, grid, model)
    assert statuses(tmp_path) == {"Q8_0": "error", "Q4_0": "ok"}, printed
    assert "small-Q8_0.gguf" in printed


def test_a_projector_is_no_model_and_no_reference(
    grid: Command, hub: HubServer, ladder: dict[str, bytes]
) -> None:
    files = {
        "mmproj-small-F16.gguf": ladder["small-F16.gguf"],
        "small-fp16.gguf": ladder["small-F16.gguf"],
        "small-Q4_0.gguf": ladder["small-Q4_0.gguf"],
    }
    hub.add("owner/small-VL-GGUF", files)
    done = grid("plan", "hf:owner/small-VL-GGUF", "--json")
    assert done.returncode == 0, done.stderr
    assert not any("mmproj" in request.path for request in hub.requests)
    assert " quality" in grid("plan", "hf:owner/small-VL-GGUF").stdout


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("hf:owner/nothing", "owner/nothing"),
        ("hf:owner/small-GGUF/Q3_K_M", "Q3_K_M"),
        ("hf:owner/small@v9", "v9"),
    ],
)
def test_an_unknown_repository_file_or_revision_is_refused_in_one_line(
    grid: Command, tmp_path: Path, name: str, message: str
) -> None:
    done = grid("sweep", name)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "results").exists()
