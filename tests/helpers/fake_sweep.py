"""A sweep of the tests' own backend, and the type of the fixture that runs the command line."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

Run = Callable[..., "subprocess.CompletedProcess[str]"]

FAKE_SWEEP = """
name = "toy"
backends = ["fake"]
quants = ["F16", "Q8", "Q4", "Q2"]
[[models]]
source = "toy.fake"
[speed]
prompt = [64]
generate = [16]
[latency]
prompt = 16
generate = 16
[quality]
text = "ref:heldout"
context = 64
chunks = 4
[tasks]
source = "ref:items"
items = 20
"""
