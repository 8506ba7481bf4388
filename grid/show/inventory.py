"""What is here: this node, and the installed backends."""

from __future__ import annotations

import msgspec

from grid.node import Node
from grid.registry import backends
from grid.show.console import console, print_json, table
from grid.units import format_bytes


def show_node(node: Node, as_json: bool = False) -> None:
    """The machine as its rows will say it."""
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
    console().print(table(("", ""), rows))


def show_backends(node: Node, as_json: bool = False) -> None:
    """Installed backends with their state on this machine."""
    found = {name: (one, one.probe(node)) for name, one in backends().items()}
    if as_json:
        print_json(
            {
                name: {
                    "formats": sorted(one.formats),
                    "capabilities": sorted(one.capabilities),
                    **msgspec.structs.asdict(state),
                }
                for name, (one, state) in found.items()
            }
        )
        return
    rows = [
        (
            name,
            ", ".join(sorted(one.formats)),
            state.version or "-",
            "ready" if state.ready else f"not ready: {state.reason}; try: {state.mend}",
            ", ".join(sorted(one.capabilities)),
        )
        for name, (one, state) in found.items()
    ]
    console().print(table(("backend", "formats", "version", "state", "capabilities"), rows))
