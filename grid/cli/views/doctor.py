"""`grid doctor` in a terminal: the machine, its backends, and what to mend."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from grid.backend.registry import shown_names
from grid.cache import cache_dir, free_bytes
from grid.cli.views.backends import (
    is_installable,
    print_how_to_install,
    state_of,
    state_text,
)
from grid.cli.views.console import console, pairs, print_json
from grid.hardware.energy import EnergySource, Scope, energy_sources, scope_of
from grid.hardware.node import Node
from grid.units import GIB, format_bytes

LEAST_FREE_BYTES = 5 * GIB
"""Less room than this on the cache's disk is worth a warning: a backend's environment takes it."""

PROBES_AT_ONCE = 4


class Problem(NamedTuple):
    """Something to mend, and the command or the step that does it."""

    what: str
    mend: str


class Checkup(NamedTuple):
    """A machine, its backends by name as `state_of` gives them, and the room for its cache."""

    node: Node
    backends: dict[str, dict[str, Any]]
    cache: Path
    free_bytes: int
    energy: dict[Scope, Sequence[EnergySource]]

    @classmethod
    def of(cls, node: Node) -> Checkup:
        """Of this machine; each backend is asked in its own environment."""
        names = shown_names()
        with ThreadPoolExecutor(PROBES_AT_ONCE) as pool:
            states = list(pool.map(lambda name: state_of(name, node), names))
        folder = cache_dir()
        by_name = dict(zip(names, states, strict=True))
        return cls(node, by_name, folder, free_bytes(folder), _energy_of(node))

    @property
    def is_usable(self) -> bool:
        """Whether some backend is ready, or can be installed."""
        return any(
            state["ready"] or is_installable(name, state) for name, state in self.backends.items()
        )

    @property
    def problems(self) -> list[Problem]:
        """Backends that do not run although they are installed, and a full disk."""
        problems = [
            Problem(f"{name}: {state['reason']}", state["mend"])
            for name, state in self.backends.items()
            if not state["ready"] and not is_installable(name, state) and state["mend"]
        ]
        if self.free_bytes < LEAST_FREE_BYTES:
            room = f"{format_bytes(self.free_bytes)} free for {self.cache}"
            problems.append(Problem(room, "free some, or set QUANTGRID_CACHE to another disk"))
        return problems


def _energy_of(node: Node) -> dict[Scope, Sequence[EnergySource]]:
    """What counts the energy of the CPU and of the accelerators, by scope."""
    kinds = {"cpu", *(accelerator.kind.partition("-")[0] for accelerator in node.accelerators)}
    return {scope: energy_sources(scope) for scope in sorted(map(scope_of, kinds))}


def show_checkup(checkup: Checkup, as_json: bool = False) -> None:
    """Print what was found, or give it as JSON."""
    if as_json:
        print_json(_plain(checkup))
        return
    _print_machine(checkup)
    _print_backends(checkup)
    _print_problems(checkup)


def _print_machine(checkup: Checkup) -> None:
    node = checkup.node
    bandwidth = f"{node.bandwidth_bytes_s / 1e9:.3g} GB/s"
    rows = [
        ("name", f"{node.name}, {node.system}"),
        ("chip", f"{node.chip}, {node.cores} cores ({node.cpu_kind})"),
        *(("accelerator", f"{a.name}, {format_bytes(a.memory_bytes)}") for a in node.accelerators),
        ("memory", f"{format_bytes(node.memory_bytes)}, copied at {bandwidth}"),
        ("class", node.hardware_class),
        *(("energy", _energy_text(*entry)) for entry in checkup.energy.items()),
        ("cache", f"{checkup.cache}, {format_bytes(checkup.free_bytes)} free"),
    ]
    if node.overridden:
        rows.append(("node.toml", f"sets {', '.join(node.overridden)}"))
    _print_part("Machine", rows)


def _energy_text(scope: Scope, sources: Sequence[EnergySource]) -> str:
    """`cpu-package: package-0, package-1`, or why nothing is read, and what allows it."""
    names = [counter.name for source in sources for counter in source.counters]
    if names:
        return f"{scope}: {', '.join(names)}"
    lacks = "; ".join(source.lack for source in sources)
    mends = " or ".join(source.mend for source in sources if source.mend)
    return f"{scope} cannot be read: {lacks}" + (f". Try: {mends}" if mends else "")


def _print_backends(checkup: Checkup) -> None:
    states = checkup.backends.items()
    rows = [(name, state_text(name, state, state["version"])) for name, state in states]
    _print_part("\nBackends", rows)
    print_how_to_install(checkup.backends)


def _print_problems(checkup: Checkup) -> None:
    problems = checkup.problems
    rows = [(f"{place}.", f"{p.what}. Try: {p.mend}") for place, p in enumerate(problems, 1)]
    _print_part("\nTo mend" if problems else "\nNothing to mend", rows)


def _print_part(title: str, rows: Sequence[tuple[str, str]]) -> None:
    console().print(title, style="bold")
    if rows:
        console().print(pairs([(f"  {name}", text) for name, text in rows]))


def _plain(checkup: Checkup) -> dict[str, Any]:
    node = checkup.node
    return {
        "machine": {
            **msgspec.structs.asdict(node),
            "hardware_class": node.hardware_class,
            "short_name": node.short_name,
        },
        "backends": checkup.backends,
        "energy": {
            scope: [
                {
                    "source": source.name,
                    "counters": [counter.name for counter in source.counters],
                    "reason": source.lack,
                    "mend": source.mend,
                }
                for source in sources
            ]
            for scope, sources in checkup.energy.items()
        },
        "cache": {"folder": str(checkup.cache), "free_bytes": checkup.free_bytes},
        "problems": [problem._asdict() for problem in checkup.problems],
        "usable": checkup.is_usable,
    }
