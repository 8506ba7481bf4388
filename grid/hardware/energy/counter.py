"""What a counter of energy is, whoever makes it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, Protocol

Scope = Literal["gpu", "cpu-package", "dram", "soc"]
"""What a counter counts: a whole card with its memory, a whole processor package, the memory
modules apart, a whole system on a chip. Joules of unlike scopes never compare."""


class EnergyUnreadable(Exception):
    """Why energy cannot be read, one line."""


class EnergyCounter(Protocol):
    """`name` is unique on the machine, such as `package-0`; `error` is the share by which its
    joules may be wrong by themselves, 0 where its maker states none; `update_s` how often it is
    brought up to date, 0 where that is for its reader to see. Who reads it less often than every
    `longest_gap_s` seconds loses joules."""

    name: str
    scope: Scope
    error: float
    update_s: float
    longest_gap_s: float

    def joules(self) -> float:
        """Joules since some fixed time; never falls. Raises EnergyUnreadable."""
        ...

    def used_bytes(self) -> int | None:
        """Bytes of memory in use on the card; None of what is no card, or does not say."""
        ...

    def others_reason(self) -> str:
        """What else the counter counts now, in words; empty where nothing is known to."""
        ...


class EnergySource(NamedTuple):
    """The counters of one kind; where there are none, `lack` says why, and `mend` what allows it,
    if anything does."""

    name: str
    counters: Sequence[EnergyCounter] = ()
    lack: str = ""
    mend: str = ""
