"""A backend for tests: a real plugin with a real file format, whose engine is a table of bigrams.

The same file and options give the same numbers on every machine, so tests can ask for exact ones.
Write a model with `write(path, ...)` and name it in a sweep:

    backends = ["fake"]
    [[models]]
    source = "x.fake"           # or "ref:small"
    quants = ["F16", "Q8", "Q4", "Q2"]

The vocabulary is the 256 bytes and a BOS (256). The next token's logits depend on the last token
alone: log counts of byte pairs in `engine.PROSE`, plus noise of standard deviation 5 x 2^-bits
below 16 bits, so that fewer bits are measurably worse on such a text.

Options, all with a harmless default:

* `threads`, `batch`: change nothing but a rounding-sized perturbation where `batch` is not 8;
  `noise_options` sets it to 1.
* `crash_on`, `hang_on`, `oom_on`, `unsupported_on`: comma-separated engine calls (`load`, `resize`,
  `encode`, `logits`, `score`, `prefill`, `step`, `generate`) that abort the process, block for
  ever, raise OutOfMemory, raise Unsupported.
* `fail_quant`: comma-separated quants to which these failures are confined; empty: all.
* `allocate_mib`: memory that the loaded engine really holds, MiB.
* `cell_s`: seconds that each cell sleeps besides, a float; it computes nothing meanwhile.

The recipe `BROKEN` fails with an EngineError whenever it is made.
"""

from grid_fake.backend import FakeBackend
from grid_fake.file import RECIPES, FakeFile, write

backend = FakeBackend()

__all__ = ["RECIPES", "FakeBackend", "FakeFile", "backend", "write"]
