"""Differences between nodes that make measuring wrong: versions, code, clocks, the token."""

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
        for host, host_facts in facts.items()
        if host_facts is not first
        for line in _differences_of(host_facts, first, named)
    ]


def _differences_of(facts: Facts, head: Facts, named: str) -> list[str]:
    lines = []
    tokens = facts.token, head.token
    if facts.python != head.python:
        lines.append(
            f"Python {facts.python}, {named} has {head.python}: Ray takes no other patch version; "
            f"{_MEND}"
        )
    if facts.ray != head.ray:
        lines.append(f"Ray {facts.ray}, {named} has {head.ray}; {_MEND}")
    if facts.quantgrid != head.quantgrid:
        lines.append(f"quantgrid {facts.quantgrid}, {named} has {head.quantgrid}; {_MEND}")
    elif facts.code != head.code:
        lines.append(f"quantgrid's code is not that of {named}; {_MEND}")
    if all(token.exists for token in tokens) and len({t.fingerprint for t in tokens}) > 1:
        lines.append(f"another token than {named}; {_MEND}")
    lines += clock_line(facts.clock_offset_s - head.clock_offset_s, named)
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
