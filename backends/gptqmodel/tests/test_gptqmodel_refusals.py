"""What cannot be made or run is refused with one line, before anything heavy is imported."""

from __future__ import annotations

import json
import shutil
from itertools import chain
from pathlib import Path

import msgspec
import pytest
from grid_gptqmodel import awq, gptq
from grid_gptqmodel.calibration import pieces
from grid_gptqmodel.declaration import GptqModel
from grid_gptqmodel.loading import check_complete
from grid_gptqmodel.recipes import form_of
from grid_gptqmodel.source import Source

from grid.backend import Calibration
from grid.errors import EngineError, Unsupported
from grid.hardware.node import Node


def write_matrix(path: Path, name: str, height: int, width: int) -> None:
    """A safetensors file with one matrix of zeros."""
    size = 2 * height * width
    entry = {"dtype": "F16", "shape": [height, width], "data_offsets": [0, size]}
    header = json.dumps({name: entry}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(size))


def test_a_calibration_set_is_wanted(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(Unsupported, match="gptq-w4g128 needs a calibration set"):
        gptq.quantize(folder, "gptq-w4g128", tmp_path / "x", 1)
    assert not any(tmp_path.iterdir())


def test_pieces_are_cut_one_after_the_other(folder: Path, calibration: Calibration) -> None:
    short = pieces(calibration, folder)
    assert [len(piece) for piece in short] == [128] * 16
    longer = msgspec.structs.replace(calibration, tokens=256, samples=8)
    assert [*chain(*pieces(longer, folder))] == [*chain(*short)]


def test_a_short_text_gives_fewer_pieces(folder: Path, calibration: Calibration) -> None:
    many = msgspec.structs.replace(calibration, samples=10_000)
    assert 16 < len(pieces(many, folder)) < 10_000


def test_a_text_without_a_whole_piece_is_an_error(
    folder: Path, calibration: Calibration, tmp_path: Path
) -> None:
    path = tmp_path / "short.txt"
    path.write_text("Too short.", encoding="utf-8")
    short = msgspec.structs.replace(calibration, path=str(path))
    with pytest.raises(EngineError, match=r"short.txt has \d+ tokens, fewer than one piece of 128"):
        pieces(short, folder)


def test_a_text_that_is_not_there_is_an_error(folder: Path, calibration: Calibration) -> None:
    missing = msgspec.structs.replace(calibration, path="/no/such/text")
    with pytest.raises(EngineError, match="calibration text /no/such/text cannot be read"):
        pieces(missing, folder)


def test_pieces_longer_than_the_model_knows_are_refused(
    folder: Path, calibration: Calibration, tmp_path: Path
) -> None:
    long = msgspec.structs.replace(calibration, tokens=2048)
    with pytest.raises(Unsupported, match="2048 tokens are longer than the 1024 that small"):
        gptq.quantize(folder, "gptq-w4g128", tmp_path / "x", 1, long)


def test_a_quantized_folder_is_not_quantized_again(
    declaring: Path, calibration: Calibration, tmp_path: Path
) -> None:
    with pytest.raises(Unsupported, match="16-bit safetensors; declaring is gptq"):
        gptq.quantize(declaring, "gptq-w4g128", tmp_path / "x", 1, calibration)


def test_groups_that_do_not_divide_a_layer_are_refused(folder: Path, tmp_path: Path) -> None:
    narrow = tmp_path / "narrow"
    shutil.copytree(folder, narrow)
    write_matrix(narrow / "model.safetensors", "model.layers.0.mlp.down_proj.weight", 256, 736)
    message = "736 columns are no multiple of the group of 128; gptq-w4g32 works"
    with pytest.raises(Unsupported, match=message):
        Source(narrow, form_of("gptq", "gptq-w4g128"))
    assert Source(narrow, form_of("gptq", "gptq-w4g32")).dtype == "float16"


@pytest.mark.parametrize(("backend", "fitting"), [(gptq, "gptq-w4g64"), (awq, "awq-w4g64")])
def test_groups_that_do_not_divide_a_layer_are_known_from_headers(
    folder: Path, tmp_path: Path, backend: GptqModel, fitting: str
) -> None:
    narrow = tmp_path / "narrow"
    shutil.copytree(folder, narrow)
    write_matrix(narrow / "model.safetensors", "model.layers.0.self_attn.q_proj.weight", 576, 576)
    with pytest.raises(Unsupported, match=f"the group of 128; {fitting} works"):
        backend.predicted_bytes(narrow, fitting.replace("g64", "g128"))
    assert backend.predicted_bytes(narrow, fitting) < 576 * 576 * 2


def test_awq_takes_multiples_of_64_outputs(folder: Path, tmp_path: Path) -> None:
    """GPTQModel ends its process by an assertion where they are not."""
    narrow = tmp_path / "narrow"
    shutil.copytree(folder, narrow)
    write_matrix(narrow / "model.safetensors", "model.layers.0.mlp.down_proj.weight", 160, 320)
    with pytest.raises(Unsupported, match=r"160 rows of .*down_proj\.weight are no multiple of 64"):
        awq.predicted_bytes(narrow, "awq-w4g64")
    assert gptq.predicted_bytes(narrow, "gptq-w4g64") > 0


def test_a_folder_without_weights_is_an_engine_error(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(EngineError, match=str(tmp_path)):
        Source(tmp_path, form_of("gptq", "gptq-w4g128"))


@pytest.mark.parametrize(
    ("field", "value", "complaint"),
    [
        ("bits", 7, "gptq of 7 bits; there are 2, 3, 4 and 8"),
        ("group_size", 100, "gptq with groups of 100"),
        ("quant_method", "gptx", "unknown quant_method 'gptx'"),
    ],
)
def test_a_wrong_quantization_is_one_line(
    declaring: Path, node: Node, field: str, value: object, complaint: str
) -> None:
    path = declaring / "config.json"
    config = json.loads(path.read_text())
    config["quantization_config"][field] = value
    path.write_text(json.dumps(config))
    with (
        pytest.raises(Unsupported, match=complaint) as caught,
        gptq.load(declaring, "cpu", gptq.options({}, node)),
    ):
        pass
    assert "\n" not in str(caught.value)


def test_the_other_methods_checkpoint_is_refused(declaring: Path, node: Node) -> None:
    with (
        pytest.raises(Unsupported, match="declaring is gptq-w4g128; awq runs awq"),
        awq.load(declaring, "cpu", awq.options({}, node)),
    ):
        pass


def test_routers_of_experts_stay_unpacked_whatever_their_height(
    folder: Path, tmp_path: Path
) -> None:
    """A router has as few outputs as there are experts, and no method packs it."""
    source = tmp_path / "experts"
    shutil.copytree(folder, source)
    (source / "model.safetensors").unlink()
    name = "model.layers.0.mlp.gate.weight"
    write_matrix(source / "model.safetensors", name, 8, 128)
    write_matrix(source / "model-experts.safetensors", name.replace("gate", "up_proj"), 128, 128)
    (source / "model.safetensors.index.json").write_text(
        json.dumps(
            {
                "weight_map": {
                    name: "model.safetensors",
                    name.replace("gate", "up_proj"): "model-experts.safetensors",
                }
            }
        )
    )
    assert Source(source, form_of("gptq", "gptq-w4g128")).dtype == "float16"


class _Layers:
    """As much of a model as is asked for its tensors' names."""

    config = None

    def __init__(self, *names: str) -> None:
        self._names = names

    def state_dict(self) -> dict[str, None]:
        return dict.fromkeys(self._names)


def test_tensors_that_kernels_make_are_not_missed_in_a_checkpoint(tmp_path: Path) -> None:
    layer = "model.layers.0.mlp.up_proj"
    write_matrix(tmp_path / "model.safetensors", f"{layer}.qweight", 32, 32)
    check_complete(tmp_path, _Layers(f"{layer}.qweight", f"{layer}.input_perm"))
    for missing in (f"{layer}.scales", "model.layers.0.mixer.A_log"):
        with pytest.raises(EngineError, match=missing):
            check_complete(tmp_path, _Layers(f"{layer}.qweight", missing))
