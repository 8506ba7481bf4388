"""How much of a sweep is inside the engine, over a model of 1B parameters made for it.

    python scripts/bench_overhead.py [--layers 16] [--keep FOLDER]

Writes an F16 GGUF with random weights (speed does not depend on their values), sweeps a few of its
quants through Ray, and prints the share of the time between the first and the last cell that was
inside engine calls, and the driver's peak memory.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import gguf
import numpy as np

from grid.cells.texts import read_text

WIDTH, INNER, HEADS, KV_HEADS, VOCABULARY = 2048, 8192, 32, 8, 32_000

SWEEP = """
quants = ["Q8_0", "Q4_K_M", "Q4_0"]
[[models]]
source = "big-F16.gguf"
[speed]
prompt = [128]
generate = [16]
repetitions = 5
[latency]
prompt = 64
generate = 16
[memory]
context = 512
[quality]
text = "text.txt"
context = 128
chunks = 8
[tasks]
items = 4
[budget]
cell_timeout = "15min"
"""


def write_model(path: Path, layers: int) -> int:
    """A Llama of 16 layers has 1.1e9 parameters; returns their number."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("big")
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    writer.add_context_length(4096)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(layers)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    _add_vocabulary(writer)
    narrow = WIDTH // HEADS * KV_HEADS
    matrices = {"token_embd": (VOCABULARY, WIDTH), "output": (VOCABULARY, WIDTH)}
    norms = ["output_norm"]
    for layer in range(layers):
        name = f"blk.{layer}."
        matrices |= {
            f"{name}attn_q": (WIDTH, WIDTH),
            f"{name}attn_k": (narrow, WIDTH),
            f"{name}attn_v": (narrow, WIDTH),
            f"{name}attn_output": (WIDTH, WIDTH),
            f"{name}ffn_gate": (INNER, WIDTH),
            f"{name}ffn_up": (INNER, WIDTH),
            f"{name}ffn_down": (WIDTH, INNER),
        }
        norms += [f"{name}attn_norm", f"{name}ffn_norm"]
    for name in norms:
        writer.add_tensor(f"{name}.weight", np.ones(WIDTH, np.float32))
    random = np.random.default_rng(1)
    block = (random.standard_normal(VOCABULARY * WIDTH, np.float32) / WIDTH**0.5).astype(np.float16)
    for name, shape in matrices.items():
        writer.add_tensor(f"{name}.weight", block[: shape[0] * shape[1]].reshape(shape))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return sum(rows * columns for rows, columns in matrices.values()) + WIDTH * len(norms)


def _add_vocabulary(writer: gguf.GGUFWriter) -> None:
    """Bytes and filler, as SentencePiece with byte fallback has them."""
    pieces = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    kinds = [gguf.TokenType.UNKNOWN] + [gguf.TokenType.CONTROL] * 2 + [gguf.TokenType.BYTE] * 256
    filler = VOCABULARY - len(pieces)
    pieces += [f"▁filler{number}" for number in range(filler)]
    kinds += [gguf.TokenType.NORMAL] * filler
    writer.add_tokenizer_model("llama")
    writer.add_token_list(pieces)
    writer.add_token_scores([-float(number) for number in range(VOCABULARY)])
    writer.add_token_types(kinds)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)


def sweep(folder: Path) -> None:
    """Run the sweep as a user would and print its own figures."""
    (folder / "s.toml").write_text(SWEEP)
    (folder / "text.txt").write_text(read_text("ref:heldout").text)
    command = [sys.executable, "-m", "grid", "sweep", "s.toml", "--store", "rows", "--json"]
    environment = {**os.environ, "QUANTGRID_CACHE": str(folder / "cache")}
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        events = [json.loads(line) for line in running.stdout]
    done = events[-1]
    print(f"exit code {running.returncode}; {done['measured']} cells, {done['failed']} failed")
    print(f"inside the engine: {done['engine_share']:.1%} of {done['span_s']:.0f} s")
    print(f"driver's peak memory: {done['driver_peak_bytes'] / 2**20:.0f} MiB")


def main() -> None:
    """Make the model unless it is there, then sweep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--layers", type=int, default=16)
    parser.add_argument("--keep", type=Path, help="folder to work in and keep")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        parameters = write_model(folder / "big-F16.gguf", arguments.layers)
        print(f"{parameters / 1e9:.2f}e9 parameters")
        sweep(folder)


if __name__ == "__main__":
    main()
