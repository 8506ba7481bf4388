"""Made-up models: how fast they are written beside dd, in how much memory, and how large.

    python scripts/bench_synthetic.py [FOLDER] [MODEL] [QUANT] [PAIRS]

Writes the file and has dd write as many zeros, in turns, each synced to the disk; prints the ratio
of times, predicted and real bytes, and the peak of memory. Then it streams llama-70b at Q4_K_M
through the writer to a sink that only counts, which is what the writer takes without a disk.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

from grid.models.synthetic import SyntheticFile, find_synthetic

BLOCK = 4 * 2**20


class CountingSink:
    """Takes bytes and keeps their number."""

    def __init__(self) -> None:
        self.bytes = 0

    def write(self, content: bytes | memoryview) -> int:
        self.bytes += len(content)
        return len(content)


def synthetic_file(source: str, quant: str) -> SyntheticFile:
    model = find_synthetic(source)
    return SyntheticFile(f"synthetic-{model.like}", model.config, quant)


def written_seconds(file: SyntheticFile, path: Path) -> float:
    """Seconds to write and sync the file."""
    start = time.perf_counter()
    with path.open("wb") as stream:
        file.write(stream)
        stream.flush()
        os.fsync(stream.fileno())
    return time.perf_counter() - start


def dd_seconds(size: int, path: Path) -> float:
    """Seconds in which dd writes and syncs as many bytes."""
    start = time.perf_counter()
    command = ["dd", "if=/dev/zero", f"of={path}", f"bs={BLOCK}", f"count={-(-size // BLOCK)}"]
    subprocess.run([*command, "conv=fsync"], check=True, capture_output=True)
    return time.perf_counter() - start


def peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def compare_with_dd(file: SyntheticFile, folder: Path, pairs: int) -> None:
    path = folder / "synthetic.gguf"
    ratios = []
    for _ in range(pairs):
        ours = written_seconds(file, path)
        real = path.stat().st_size
        path.unlink()
        theirs = dd_seconds(file.file_bytes, path)
        path.unlink()
        ratios.append(ours / theirs)
        rate = file.file_bytes / ours / 1e6
        print(
            f"{real / 1e9:.2f} GB in {ours:.1f} s ({rate:.0f} MB/s), dd {theirs:.1f} s, ratio "
            f"{ratios[-1]:.2f}; predicted {file.file_bytes}, real {real} bytes"
        )
    print(f"median ratio {statistics.median(ratios):.2f}; peak {peak_bytes() / 2**20:.0f} MiB")


def stream_70b() -> None:
    file = synthetic_file("synthetic:llama-70b", "Q4_K_M")
    sink, start = CountingSink(), time.perf_counter()
    file.write(sink)
    seconds = time.perf_counter() - start
    print(
        f"llama-70b Q4_K_M, to a counting sink with its SHA-256: predicted {file.file_bytes}, "
        f"written {sink.bytes} in {seconds:.0f} s ({sink.bytes / seconds / 1e6:.0f} MB/s); peak "
        f"{peak_bytes() / 2**20:.0f} MiB"
    )


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    source = sys.argv[2] if len(sys.argv) > 2 else "synthetic:llama-8b"
    quant = sys.argv[3] if len(sys.argv) > 3 else "Q4_K_M"
    pairs = int(sys.argv[4]) if len(sys.argv) > 4 else 3
    compare_with_dd(synthetic_file(source, quant), folder, pairs)
    stream_70b()


if __name__ == "__main__":
    main()
