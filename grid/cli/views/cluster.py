"""Tables of a cluster's hosts."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from grid.cli.views.console import console, print_json, table
from grid.cluster.facts import Facts
from grid.cluster.status import ClusterStatus, HostStatus
from grid.units import format_bytes


def print_facts(facts: Mapping[str, Facts]) -> None:
    """The hosts by address, as they came up."""
    rows = [(address, host.name, host.hardware_class) for address, host in facts.items()]
    console().print(table(("host", "node", "hardware class"), rows, wrap=(2,), names=(0, 1)))


def print_status(status: ClusterStatus, as_json: bool) -> None:
    """Every host of a cluster, and what somebody should look at."""
    if as_json:
        print_json({**msgspec.to_builtins(status), "exit_code": status.exit_code})
        return
    out = console()
    heads = ("host", "role", "ssh", "alive", "node", "clock", "disk")
    out.print(table(heads, [_row(host) for host in status.hosts], right=(5, 6), names=(0, 4)))
    rows = [
        (host.address, facts.python, facts.ray, facts.quantgrid, facts.hardware_class)
        for host in status.hosts
        if (facts := host.facts) is not None
    ]
    if rows:
        out.print()
        columns = ("host", "Python", "Ray", "quantgrid", "hardware class")
        out.print(table(columns, rows, wrap=(4,), names=(0,)))
    for line in status.warnings:
        out.print(f"warning: {line}")


def _row(host: HostStatus) -> tuple[str, ...]:
    state = (host.address, host.role, _yes_or_no(host.answers), _yes_or_no(host.alive))
    facts = host.facts
    if facts is None:
        return (*state, *("-",) * 3)
    free = f"{format_bytes(facts.free_bytes)} free"
    return (*state, facts.name, f"{facts.clock_offset_s:+.1f} s", free)


def _yes_or_no(value: bool) -> str:
    return "yes" if value else "no"
