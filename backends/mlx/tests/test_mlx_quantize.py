"""Checkpoints that MLX's quantizer makes."""

from __future__ import annotations

import importlib.util
import json
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from grid_mlx import backend
from grid_mlx.recipes import SCHEMES

from grid.errors import EngineError, Unsupported

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("mlx_lm") is None, reason="mlx-lm is not installed here"
)

IDS = [0, 17, 258, 80, 3, 99, 200, 261, 45, 45, 12, 7]


@pytest.mark.parametrize("recipe", sorted(SCHEMES))
def test_every_recipe_has_the_bits_that_it_says_and_the_size_predicted(
    folder: Path, tmp_path: Path, recipe: str
) -> None:
    backend.quantize(folder, recipe, tmp_path / "m", 1)
    inspection = backend.inspect(tmp_path / "m")
    assert inspection.quant == recipe
    assert inspection.facts.bpw_layer == backend.recipes()[recipe].bits
    assert backend.predicted_bytes(folder, recipe) == pytest.approx(
        inspection.facts.bytes, rel=1e-3
    )


def test_more_bits_come_nearer_to_the_16_bit_model(
    folder: Path, tmp_path: Path, load_engine: Any
) -> None:
    with load_engine(folder) as engine:
        truth = engine.logits(IDS)
    away = []
    for bits in (2, 4, 8):
        path = tmp_path / str(bits)
        backend.quantize(folder, f"mlx-{bits}bit-g64", path, 1)
        with load_engine(path) as engine:
            away.append(float(np.abs(engine.logits(IDS) - truth).mean()))
    assert away[0] > 2 * away[1] > 10 * away[2] > 0


def test_the_same_weights_give_the_same_bytes(
    four_bits: Path, folder: Path, tmp_path: Path
) -> None:
    backend.quantize(folder, "mlx-4bit-g64", tmp_path / "again", 2)
    first, second = (
        {path.name: path.read_bytes() for path in target.iterdir()}
        for target in (four_bits, tmp_path / "again")
    )
    assert first == second


def test_the_tokenizer_comes_along(four_bits: Path, folder: Path) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json"):
        assert (four_bits / name).read_bytes() == (folder / name).read_bytes()


def test_rows_that_are_no_multiple_of_the_group_are_unsupported(
    folder: Path, tmp_path: Path
) -> None:
    odd = _narrow(folder, tmp_path / "odd")
    with pytest.raises(Unsupported, match="rows of 96 weights, no multiple of the group of 64"):
        backend.quantize(odd, "mlx-4bit-g64", tmp_path / "out", 1)
    assert [path.name for path in tmp_path.iterdir()] == ["odd"]


def _narrow(folder: Path, target: Path) -> Path:
    """A model of one layer of width 96 with made-up weights."""
    mx, utils = import_module("mlx.core"), import_module("mlx.utils")
    llama = import_module("mlx_lm.models.llama")
    config = json.loads((folder / "config.json").read_text())
    config |= {"hidden_size": 96, "intermediate_size": 96, "num_hidden_layers": 1}
    model = llama.Model(llama.ModelArgs.from_dict(config))
    target.mkdir()
    (target / "config.json").write_text(json.dumps(config))
    weights = {
        name: array.astype(mx.float16) for name, array in utils.tree_flatten(model.parameters())
    }
    mx.save_safetensors(str(target / "model.safetensors"), weights)
    return target


@pytest.fixture
def routed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Llamas want their heads at 8 bits in groups of 64, as mixtures of experts their routers."""

    def chosen(name: str, module: Any) -> bool | dict[str, int]:
        return {"group_size": 64, "bits": 8} if name == "lm_head" else True

    llama = import_module("mlx_lm.models.llama")
    monkeypatch.setattr(llama.Model, "quant_predicate", property(lambda _: chosen), raising=False)


@pytest.mark.usefixtures("routed")
@pytest.mark.parametrize("recipe", ["mlx-4bit-g64", "mlx-8bit-g32", "mlx-mxfp4"])
def test_a_recipe_that_would_come_out_as_a_mixture_is_unsupported(
    folder: Path, tmp_path: Path, recipe: str
) -> None:
    with pytest.raises(Unsupported, match=r"keeps lm_head .* at 8 bits in groups of 64") as caught:
        backend.quantize(folder, recipe, tmp_path / "out", 1)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("routed")
def test_layers_that_a_model_wants_as_the_recipe_has_them_are_no_mixture(
    folder: Path, tmp_path: Path
) -> None:
    backend.quantize(folder, "mlx-8bit-g64", tmp_path / "out", 1)
    assert backend.inspect(tmp_path / "out").quant == "mlx-8bit-g64"


def test_a_quantized_source_is_refused(four_bits: Path, tmp_path: Path) -> None:
    with pytest.raises(Unsupported, match="already quantized; start from its 16-bit weights"):
        backend.quantize(four_bits, "mlx-2bit-g64", tmp_path / "out", 1)
    assert not list(tmp_path.iterdir())


def test_an_existing_target_is_not_overwritten(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("kept")
    with pytest.raises(EngineError, match="mine is there already"):
        backend.quantize(folder, "mlx-4bit-g64", tmp_path / "mine", 1)
    assert (tmp_path / "mine").read_text() == "kept"


def test_a_folder_without_weights_says_so(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "config.json").write_bytes((folder / "config.json").read_bytes())
    with pytest.raises(EngineError, match="mlx-4bit-g64 of empty cannot be made: "):
        backend.quantize(tmp_path / "empty", "mlx-4bit-g64", tmp_path / "out", 1)
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]


def test_quantizing_prints_nothing(
    folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    backend.quantize(folder, "mlx-mxfp4", tmp_path / "out", 1)
    assert capfd.readouterr() == ("", "")
