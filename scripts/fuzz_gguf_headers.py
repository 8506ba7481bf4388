"""Reads mutated GGUF headers with everything that reads headers: each must give a result or one
line of error, in little time and memory.

    python scripts/fuzz_gguf_headers.py [COUNT] [SEED]

Prints how many were refused, the slowest, and the growth of memory; exits with 1 where a reader
crashed, hung, or asked for much memory. The limits hold for the process: 256 MiB of address space
beside what it starts with, and 2 s of computing for one header.
"""

from __future__ import annotations

import random
import resource
import signal
import struct
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from grid.errors import GridError
from grid.models.gguf.inspection import inspect_headers, read_all_headers
from grid.models.gguf.inventory import from_headers
from grid.models.gguf.predict import metadata_bytes_of, predict
from grid.models.gguf.reader import read_header
from grid.models.gguf.tokens import read_tokens
from grid.models.synthetic import SyntheticFile, synthetic_models

SPARE_BYTES = 256 * 2**20
LIMIT_S = 2.0
SMALL: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 16,
    "vocab_size": 300,
    "num_experts": 4,
    "num_local_experts": 4,
    "moe_intermediate_size": 32,
}
EXTREMES = (0, 1, 2, 3, 255, 2**16, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**63 - 1, 2**63, 2**64 - 1)


class Hung(BaseException):
    """A reader took longer than the limit."""


def seeds() -> list[tuple[bytes, int]]:
    """A header of each family, and the size of its file."""
    by_kind = {str(model.config["model_type"]): model.config for model in synthetic_models()}
    files = [SyntheticFile("small", {**config, **SMALL}, "F16") for config in by_kind.values()]
    return [(file.header, file.file_bytes) for file in files]


def mutate(header: bytes, others: list[tuple[bytes, int]], chance: random.Random) -> bytes:
    """The header with one to four faults."""
    content = bytearray(header)
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        at = chance.randrange(max(len(content), 1))
        length = chance.choice((1, 4, 8, 24, 200))
        match chance.randrange(8):
            case 0:
                content[at : at + 1] = bytes([content[at] ^ (1 << chance.randrange(8))])
            case 1:
                content[at : at + length] = chance.randbytes(length)
            case 2:
                value = chance.choice((*EXTREMES, len(header), len(header) * 2))
                content[at : at + 8] = struct.pack("<Q", value)
            case 3:
                content[at : at + 4] = struct.pack("<I", chance.choice(EXTREMES) % 2**32)
            case 4:
                del content[at : at + length]
            case 5:
                content[at:at] = content[max(0, at - length) : at]
            case 6:
                del content[at:]
            case 7:
                donor = chance.choice(others)[0]
                content[at:] = donor[chance.randrange(len(donor)) :]
        if not content:
            break
    return bytes(content)


def read_everything(path: Path) -> None:
    """All that reads headers."""
    header = read_header(path)
    headers = read_all_headers(header)
    inspect_headers(headers, "")
    read_tokens(path, (0, 1, 299, 2**40))
    inventory, model = from_headers(headers)
    predict(inventory, model, "Q4_K_M", metadata_bytes=metadata_bytes_of(headers))


def attempt(path: Path, read: Callable[[Path], None]) -> str:
    """How reading it ended."""
    signal.setitimer(signal.ITIMER_VIRTUAL, LIMIT_S)
    try:
        read(path)
    except GridError as error:
        return "refused" if "\n" not in str(error) else f"crash: several lines: {error!r}"
    except Hung:
        return "crash: hung"
    except Exception as error:
        return f"crash: {error!r}"[:200]
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    return "read"


def hang(*_: object) -> None:
    raise Hung


def fuzz(count: int, seed: int, folder: Path) -> Counter[str]:
    """Outcomes of so many mutated headers; prints each crash with its number."""
    chance = random.Random(seed)
    originals = seeds()
    outcomes: Counter[str] = Counter()
    path = folder / "mutated.gguf"
    for number in range(count):
        header, size = chance.choice(originals)
        content = mutate(header, originals, chance)
        with path.open("wb") as file:
            file.write(content)
            file.truncate(max(size, len(content)) if chance.random() < 0.9 else len(content))
        outcome = attempt(path, read_everything)
        outcomes[outcome.partition(":")[0]] += 1
        if outcome.startswith("crash"):
            print(f"{number}: {outcome}")
            (folder / f"crash-{number}.gguf").write_bytes(content)
    return outcomes


def main() -> int:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    signal.signal(signal.SIGVTALRM, hang)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "whole.gguf")
        header, size = seeds()[0]
        path.write_bytes(header.ljust(size, b"\0"))
        read_everything(path)  # imports everything, before memory is limited
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + SPARE_BYTES,) * 2)
        before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
        outcomes = fuzz(count, seed, Path(folder))
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        seconds = time.perf_counter() - start
    print(
        f"{count} headers in {seconds:.0f} s: {outcomes['read']} read, {outcomes['refused']} "
        f"refused, {outcomes['crash']} crashed or hung; memory grew by {grown:.1f} MiB"
    )
    return 1 if outcomes["crash"] else 0


if __name__ == "__main__":
    sys.exit(main())
