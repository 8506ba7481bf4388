"""`python -m grid_fake FILE --context N`: continues each line of standard input by one token."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from grid_fake import file
from grid_fake.backend import DEFAULTS
from grid_fake.engine import FakeEngine


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m grid_fake")
    parser.add_argument("weights", type=Path)
    parser.add_argument("--context", type=int, required=True)
    parser.add_argument("--sessions", type=int, default=1)
    flags = parser.parse_args()
    engine = FakeEngine(file.read(flags.weights), DEFAULTS)
    engine.resize(flags.context)
    for line in sys.stdin:
        ((_, token),) = engine.generate([engine.encode(line)], 1, True, 0)
        sys.stdout.buffer.write(engine.decode([token]) + b"\n")


if __name__ == "__main__":
    main()
