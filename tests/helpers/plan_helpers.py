"""What the plan's tests share: a node, and a plan from a sweep file over the fake backend."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import grid_fake

from grid.backend import Backend
from grid.hardware.node import Node
from grid.plan import Plan, expand, load_sweep
from grid.units import GIB

NODE = Node(
    name="n1",
    system="Linux",
    chip="Test CPU",
    cores=2,
    memory_bytes=8 * GIB,
    bandwidth_bytes_s=12e9,
    cpu_kind="cpu-avx2",
)
FAKE: Mapping[str, Backend] = {"fake": grid_fake.backend}


def sweep_file(folder: Path, text: str) -> Path:
    """Write s.toml, which asks for the fake backend, beside x.fake (16 bits) and t.txt."""
    if not (folder / "x.fake").exists():
        grid_fake.write(folder / "x.fake")
    (folder / "t.txt").write_text("the cat sat on the mat. " * 500)
    path = folder / "s.toml"
    path.write_text('backends = ["fake"]\n' + text)
    return path


def plan_of(
    folder: Path, text: str, node: Node = NODE, backends: Mapping[str, Backend] = FAKE
) -> Plan:
    return expand(load_sweep(sweep_file(folder, text)), backends, node)
