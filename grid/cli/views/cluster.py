"""`grid cluster`: what it says while it works, and a cluster as a table."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from grid.cli.views.console import console, print_json, table
from grid.cluster import commands
from grid.cluster.config import CLUSTER_FILE, Cluster, load
from grid.cluster.facts import Facts
from grid.cluster.remote.head import Head
from grid.cluster.remote.runs import Run
from grid.cluster.status import HostStatus, Status, status_of
from grid.errors import GridError
from grid.units import format_bytes


def up(file: str | Path = CLUSTER_FILE) -> int:
    """Bring a cluster up; 0 where every host is there and alike, else 1."""
    ended = commands.up(load(file), _say)
    nodes = [_row(address, one) for address, one in ended.facts.items()]
    console().print(table(("host", "node", "hardware class"), nodes, wrap=(2,)))
    for address, why in ended.missing.items():
        _say(f"{address}: missing: {why}")
    for line in ended.differing:
        _say(line)
    return 0 if ended.whole else 1


def status(file: str | Path = CLUSTER_FILE, as_json: bool = False) -> int:
    """Show every host of a cluster and what to look at; the exit code of `Status`."""
    found = status_of(load(file))
    if as_json:
        print_json({**msgspec.to_builtins(found), "exit_code": found.exit_code})
        return found.exit_code
    _print_status(found)
    return found.exit_code


def down(file: str | Path = CLUSTER_FILE) -> int:
    """Take a cluster down; 0 where every host was stopped, else 1."""
    cluster = load(file)
    commands.ready_to_start(cluster)
    for run in _running(cluster):
        _say(f"run {run.id}, {run.sweep} of {run.machine}, ends with it; the same sweep resumes")
    return 1 if commands.down(cluster, _say) else 0


def _running(cluster: Cluster) -> list[Run]:
    """What runs on the head; nothing where that cannot be asked."""
    try:
        found = Head(commands.located(cluster).head).runs()
    except GridError:
        return []
    return [one.run for one in found if one.state == "running"]


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def _row(address: str, facts: Facts) -> tuple[str, str, str]:
    return address, facts.name, facts.hardware_class


def _print_status(found: Status) -> None:
    out = console()
    heads = ("host", "role", "ssh", "alive", "node", "clock", "disk")
    out.print(table(heads, [_status_row(one) for one in found.hosts]))
    known = [(one.address, one.facts) for one in found.hosts if one.facts is not None]
    if known:
        rows = [(at, f.python, f.ray, f.quantgrid, f.hardware_class) for at, f in known]
        out.print()
        out.print(table(("host", "Python", "Ray", "quantgrid", "hardware class"), rows, wrap=(4,)))
    for line in found.warnings:
        out.print(f"warning: {line}", markup=False, soft_wrap=True)


def _status_row(one: HostStatus) -> tuple[str, ...]:
    known = (one.address, one.role, _yes(one.answers), _yes(one.alive))
    facts = one.facts
    if facts is None:
        return (*known, *("-",) * 3)
    return (
        *known,
        facts.name,
        f"{facts.clock_offset_s:+.1f} s",
        f"{format_bytes(facts.free_bytes)} free",
    )


def _yes(value: bool) -> str:
    return "yes" if value else "no"
