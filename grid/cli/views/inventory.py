"""What is here: this node, and the installed backends."""

from __future__ import annotations

from typing import Any

import msgspec

from grid.backend import Availability
from grid.backend.registry import backend, names
from grid.cli.views.console import console, print_json, table
from grid.engine.environments import availability
from grid.errors import InputError
from grid.hardware.node import Node
from grid.units import format_bytes

WIDE = 120
"""Columns of a terminal from which the capabilities fit too."""


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
    rows += [("from node.toml", ", ".join(node.overridden))] if node.overridden else []
    console().print(table(("", ""), rows))


def show_backends(node: Node, as_json: bool = False) -> None:
    """Installed backends with their state on this machine; one that breaks spares the others."""
    found = {name: _told(name, node) for name in names()}
    if as_json:
        print_json(found)
        return
    rows = [
        (
            name,
            ", ".join(told["formats"]),
            told["version"] or "-",
            ", ".join(told["devices"]) or "-",
            _state(told),
            ", ".join(told["capabilities"]),
        )
        for name, told in found.items()
    ]
    heads = ("backend", "formats", "version", "devices", "state", "capabilities")
    out = console()
    shown = len(heads) if out.width >= WIDE else len(heads) - 1
    lines = [row[:shown] for row in rows]
    out.print(table(heads[:shown], lines, wrap=range(1, shown)))
    unmade = [name for name, told in found.items() if told["mend"].endswith(f"install {name}")]
    if unmade:
        out.print("a sweep makes the environments that it needs; now: grid backends install NAME")


def _state(told: dict[str, Any]) -> str:
    if told["ready"]:
        return f"ready; {told['reason']}" if told["reason"] else "ready"
    if told["mend"].startswith("grid backends install "):
        return str(told["reason"])
    mend = f"; try: {told['mend']}" if told["mend"] else ""
    return f"{told['reason']}{mend}"


def _told(name: str, node: Node) -> dict[str, Any]:
    """What a backend declares and how it is, as plain data."""
    try:
        one = backend(name)
        formats, capabilities = sorted(one.formats), sorted(one.capabilities)
        state = availability(name, node)
    except InputError as error:
        formats, capabilities = [], []
        state = Availability(ready=False, reason=str(error), mend="update or uninstall it")
    fields = {"formats": formats, "capabilities": capabilities}
    return {**fields, **msgspec.structs.asdict(state)}
