"""The installed backends as a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from grid.backend import Availability
from grid.backend.registry import backend, shown_names
from grid.cli.views.console import console, print_json, table
from grid.engine.environments import availability
from grid.errors import InputError
from grid.hardware.node import Node

INSTALL = "grid backends install"


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
            state_text(name, state),
            ", ".join(state["capabilities"]),
        )
        for name, state in states.items()
    ]
    heads = ("backend", "formats", "version", "devices", "state", "capabilities")
    out = console()
    out.print(table(heads, rows, wrap=range(1, 6), optional=(5, 3)))
    print_how_to_install(states)


def print_how_to_install(states: Mapping[str, dict[str, Any]]) -> None:
    """A line that says how, where a backend is not installed yet."""
    if any(is_installable(name, state) for name, state in states.items()):
        console().print(f"\nA sweep installs the backends that it needs. Now: {INSTALL} NAME")


def state_text(name: str, state: dict[str, Any], version: str = "") -> str:
    """The state of a backend, the same in all tables: `ready`, with its version where no column has
    that, and a note if there is one; `not installed`, which a sweep mends by itself; `does not run
    here` and why."""
    if state["ready"]:
        ready = f"ready: {version}" if version else "ready"
        return f"{ready}; {state['reason']}" if state["reason"] else ready
    if is_installable(name, state):
        return "not installed"
    return f"does not run here: {state['reason'] or 'it does not say why'}"


def is_installable(name: str, state: dict[str, Any]) -> bool:
    """Its environment is not made yet, which a sweep does by itself."""
    return not state["ready"] and state["mend"] == f"{INSTALL} {name}"


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
