"""What must be alike on all nodes before a cell is measured: versions, code, clocks, the token."""

from __future__ import annotations

from collections.abc import Mapping

from grid.cluster.facts import Facts

CLOCK_S = 60.0
"""Seconds that a clock may be off: beyond it the order of rows from several nodes is wrong."""

_MEND = "`grid cluster down`, then `up`, brings them together"


def differences(facts: Mapping[str, Facts], head: str) -> list[str]:
    """A line for each thing in which a host is not as the head; hosts in the order given.

    `facts` are by host; where `head` is not among them, hosts are compared with the first.
    """
    if not facts:
        return []
    first = facts.get(head) or next(iter(facts.values()))
    named = "the head" if head in facts else next(iter(facts))
    return [
        f"{host}: {line}"
        for host, one in facts.items()
        if one is not first
        for line in _against(one, first, named)
    ]


def _against(one: Facts, first: Facts, named: str) -> list[str]:
    lines = []
    if one.python != first.python:
        lines.append(
            f"Python {one.python}, {named} has {first.python}: Ray takes no other patch version; "
            f"{_MEND}"
        )
    if one.ray != first.ray:
        lines.append(f"Ray {one.ray}, {named} has {first.ray}; {_MEND}")
    if one.quantgrid != first.quantgrid:
        lines.append(f"quantgrid {one.quantgrid}, {named} has {first.quantgrid}; {_MEND}")
    elif one.code != first.code:
        lines.append(f"quantgrid's code is not that of {named}; {_MEND}")
    if one.token.there and first.token.there and one.token.fingerprint != first.token.fingerprint:
        lines.append(f"another token than {named}; {_MEND}")
    lines += clock_line(one.clock_offset_s - first.clock_offset_s, named)
    return lines


def clock_line(offset_s: float, named: str) -> list[str]:
    """What to say of a clock that is `offset_s` seconds ahead; nothing where that is little."""
    if abs(offset_s) < CLOCK_S:
        return []
    way = "ahead of" if offset_s > 0 else "behind"
    return [
        f"the clock is {abs(offset_s) / 60:.0f} min {way} {named}'s; switch time synchronisation "
        "on (timedatectl set-ntp true)"
    ]
