"""What MLX cannot load or hold: one line each, of the right kind; and what a cell will take."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from grid_mlx import backend
from limited_memory import resize_beyond_memory

from grid.cells.workload import Memory
from grid.errors import EngineError, Unsupported
from grid.hardware.node import Node
from grid.models.artifact import Artifact
from grid.models.bundled import tokenizer_path
from grid.testing.fixtures import copy_folder

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("mlx_lm") is None, reason="mlx-lm is not installed here"
)

IDS = [0, 17, 258, 80, 3]


def test_a_tokenizer_a_folder_up_is_not_taken(
    folder: Path, tmp_path: Path, load_engine: Any
) -> None:
    bare = copy_folder(folder, tmp_path / "m")
    (bare / "tokenizer.json").unlink()
    (tmp_path / "tokenizer.json").write_bytes(tokenizer_path().read_bytes())
    with pytest.raises(EngineError, match="tokenizer"), load_engine(bare):
        pass


def test_the_engine_prints_nothing(
    folder: Path, load_engine: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    with load_engine(folder) as engine:
        engine.logits(IDS)
    assert capfd.readouterr() == ("", "")


def test_an_unknown_model_type_is_unsupported(
    folder: Path, tmp_path: Path, load_engine: Any
) -> None:
    wrong = copy_folder(folder, tmp_path / "m", model_type="llamb")
    with (
        pytest.raises(Unsupported, match="model type 'llamb' is unknown to mlx"),
        load_engine(wrong),
    ):
        pass


def test_a_models_own_code_is_not_run(folder: Path, tmp_path: Path, load_engine: Any) -> None:
    wrong = copy_folder(folder, tmp_path / "m", model_file="own.py")
    (wrong / "own.py").write_text("raise SystemExit('it ran')")
    with pytest.raises(Unsupported, match="custom module"), load_engine(wrong):
        pass


@pytest.mark.parametrize("field", ["hidden_size", "num_hidden_layers", "vocab_size"])
def test_weights_of_another_shape_than_the_config_says_are_one_line(
    folder: Path, tmp_path: Path, load_engine: Any, field: str
) -> None:
    value = json.loads((folder / "config.json").read_text())[field]
    wrong = copy_folder(folder, tmp_path / "m", **{field: 2 * value})
    with pytest.raises(EngineError, match="m does not load: ") as caught, load_engine(wrong):
        pass
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_a_config_without_a_needed_field_says_which(
    folder: Path, tmp_path: Path, load_engine: Any
) -> None:
    wrong = copy_folder(folder, tmp_path / "m")
    config = json.loads((wrong / "config.json").read_text())
    del config["hidden_size"]
    (wrong / "config.json").write_text(json.dumps(config))
    with pytest.raises(EngineError, match="hidden_size"), load_engine(wrong):
        pass


@pytest.mark.parametrize("length", [0, 40, 100_000])
def test_damaged_weights_are_an_engine_error(
    folder: Path, tmp_path: Path, load_engine: Any, length: int
) -> None:
    wrong = copy_folder(folder, tmp_path / "m")
    content = (wrong / "model.safetensors").read_bytes()
    (wrong / "model.safetensors").write_bytes(content[:length])
    with pytest.raises(EngineError, match="m does not load: "), load_engine(wrong):
        pass


@pytest.mark.skipif(sys.platform != "linux", reason="no GPU of Apple's is certain on Linux only")
def test_a_gpu_that_is_not_there_is_unsupported(folder: Path, node: Node) -> None:
    with (
        pytest.raises(Unsupported, match="device 'metal'"),
        backend.load(folder, "metal", backend.options({}, node)),
    ):
        pass


def test_options_of_an_accelerator_are_not_computed_on_the_cpu(folder: Path, apple: Node) -> None:
    with (
        pytest.raises(Unsupported, match="ask for an accelerator, the node gave the CPU"),
        backend.load(folder, "cpu", backend.options({}, apple)),
    ):
        pass


@pytest.mark.skipif(sys.platform != "linux", reason="limits of private memory are Linux's")
def test_a_cache_that_does_not_fit_is_out_of_memory_and_a_smaller_one_still_works(
    folder: Path,
) -> None:
    first, second = resize_beyond_memory("grid_mlx", folder)
    assert first.startswith("no context of 800000 tokens: ")
    assert second == "3"


PEAK = """
import json, sys
from pathlib import Path
from grid_mlx import backend
path, options, context = Path(sys.argv[1]), json.loads(sys.argv[2]), int(sys.argv[3])
with backend.load(path, "cpu", options) as engine:
    engine.resize(context)
    engine.prefill([5] * (context - 1))
    engine.step(5)
status = Path("/proc/self/status").read_text()
print(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="peaks are read from /proc")
@pytest.mark.parametrize(("weights", "dtype"), [("folder", "float32"), ("four_bits", "float32")])
def test_needs_are_at_least_the_peak_and_at_most_twice_it(
    weights: str, dtype: str, request: Any, node: Node
) -> None:
    path: Path = request.getfixturevalue(weights)
    options = backend.options({"dtype": dtype}, node)
    command = [sys.executable, "-c", PEAK, str(path), json.dumps(options), "1024"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    inspection = backend.inspect(path)
    kind = "mlx" if weights == "four_bits" else "safetensors"
    artifact = Artifact(
        model=inspection.model, format=kind, quant=inspection.quant, facts=inspection.facts
    )
    needs = backend.needs(artifact, inspection.facts.bytes, options, Memory(1024))
    assert 1024 * int(done.stdout) < needs.host_bytes < 2 * 1024 * int(done.stdout)
