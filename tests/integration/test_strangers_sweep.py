"""The whole job on a stranger's really trained model and real stories."""

from __future__ import annotations

from pathlib import Path

import pytest
from fake_sweep import Run
from llama2c import convert

import grid as quantgrid

DATA = Path(__file__).parents[2].parent / "shared" / "data"

SWEEP = """
quants = ["F16", "Q8_0", "Q5_1", "Q4_0"]
[[models]]
source = "stories-F16.gguf"
[speed]
prompt = [128]
generate = [32]
depth = [0, 128]
[memory]
context = 256
[quality]
text = "{text}"
context = 256
chunks = 40
"""


@pytest.mark.ray
@pytest.mark.engine
@pytest.mark.skipif(not DATA.is_dir(), reason="the real inputs in ../shared/data are not here")
def test_a_trained_model_keeps_its_loss_at_8_bits_and_loses_at_4(tmp_path: Path, grid: Run) -> None:
    model = DATA / "models" / "stories260K"
    convert(model / "stories260K.bin", model / "tok512.bin", tmp_path / "stories-F16.gguf")
    stories = (DATA / "eval" / "tinystories_train_sample.txt").read_text(encoding="utf-8")
    text = tmp_path / "stories.txt"
    text.write_text(stories.replace("<|endoftext|>\n", ""))  # a mark, no part of the stories
    (tmp_path / "s.toml").write_text(SWEEP.format(text=text))
    done = grid("sweep", "s.toml", "--store", "rows", timeout=400)
    assert done.returncode == 0, done.stderr
    results = quantgrid.open(tmp_path / "rows")
    assert set(results.final().column("status").to_pylist()) <= {"ok", "skipped"}
    values = {
        (row["quant"], row["name"]): row["value"]
        for row in results.query(
            "SELECT quant, name, max(value) AS value FROM results "
            "WHERE measure = 'quality' GROUP BY quant, name"
        ).to_pylist()
    }
    # Chunks cut through stories; the beginnings of stories alone are test_strangers_loss's.
    assert 0.6 < values["F16", "bits_per_byte"] < 1.2
    assert values["Q8_0", "bits_per_byte"] == pytest.approx(
        values["F16", "bits_per_byte"], rel=0.01
    )
    assert values["Q4_0", "bits_per_byte"] > 1.01 * values["Q8_0", "bits_per_byte"]
    assert values["Q8_0", "kld_mean"] < values["Q5_1", "kld_mean"] < values["Q4_0", "kld_mean"]
