"""The installed backends as a table."""

from __future__ import annotations

from typing import Any

import msgspec

from grid.backend import Availability
from grid.backend.registry import backend, shown_names
from grid.cli.views.console import console, print_json, table
from grid.engine.environments import availability
from grid.errors import InputError
from grid.hardware.node import Node


def show_backends(node: Node, as_json: bool = False) -> None:
    """Installed backends with their state on this machine; one that breaks spares the others."""
    states = {name: state_of(name, node) for name in shown_names()}
    if as_json:
        print_json(states)
        return
    rows = [
        (
            name,
            " ".join(state["formats"]),
            state["version"] or "-",
            ", ".join(state["devices"]) or "-",
            _state_text(state),
            ", ".join(state["capabilities"]),
        )
        for name, state in states.items()
    ]
    heads = ("backend", "formats", "version", "devices", "state", "capabilities")
    out = console()
    out.print(table(heads, rows, wrap=range(1, 6), optional=(5, 3)))
    if any(state["mend"].endswith(f"install {name}") for name, state in states.items()):
        out.print("A sweep installs the backends that it needs. Now: grid backends install NAME")


def _state_text(state: dict[str, Any]) -> str:
    if state["ready"]:
        return f"ready; {state['reason']}" if state["reason"] else "ready"
    if state["mend"].startswith("grid backends install "):
        return str(state["reason"])
    mend = f"; try: {state['mend']}" if state["mend"] else ""
    return f"{state['reason']}{mend}"


def state_of(name: str, node: Node) -> dict[str, Any]:
    """A backend's formats, capabilities and availability, as plain data."""
    try:
        plugin = backend(name)
        formats, capabilities = sorted(plugin.formats), sorted(plugin.capabilities)
        state = availability(name, node)
    except InputError as error:
        formats, capabilities = [], []
        state = Availability(ready=False, reason=str(error), mend="update or uninstall it")
    fields = {"formats": formats, "capabilities": capabilities}
    return {**fields, **msgspec.structs.asdict(state)}
