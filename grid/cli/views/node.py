"""This machine as a table."""

from __future__ import annotations

import msgspec

from grid.cli.views.console import console, pairs, print_json
from grid.hardware.node import Node
from grid.units import format_bytes


def show_node(node: Node, as_json: bool = False) -> None:
    """The machine as its rows describe it."""
    if as_json:
        print_json({**msgspec.structs.asdict(node), "hardware_class": node.hardware_class})
        return
    rows = [
        ("node", node.name),
        ("system", node.system),
        ("chip", node.chip),
        ("cores", str(node.cores)),
        ("memory", format_bytes(node.memory_bytes)),
        ("copy bandwidth", f"{node.bandwidth_bytes_s / 1e9:.3g} GB/s"),
        ("last-level cache", format_bytes(node.llc_bytes)),
        ("device kind", node.device_kind),
        ("hardware class", node.hardware_class),
    ]
    rows += [(f"accelerator {n}", a.name) for n, a in enumerate(node.accelerators)]
    rows += [("from node.toml", ", ".join(node.overridden))] if node.overridden else []
    console().print(pairs(rows))
