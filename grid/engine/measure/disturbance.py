"""What else used the machine during a repetition: found by what the system counts, not by whether
the repetition was slow, so that leaving a disturbed one out chooses nothing by its result."""

from __future__ import annotations

import time
from dataclasses import dataclass

from grid.engine.measure.process import own_cpu_s
from grid.engine.measure.thread_watch import ThreadWatch
from grid.hardware.cgroup import Cgroups

MIN_CORE_S = 0.5
"""Seconds of core time from which a share of it means something: the system counts in steps of
10 ms."""

LOST = 0.05
"""Share of the time that the engine wanted to compute, and waited, from which it was disturbed."""

BUSY = 0.2
"""Share of the machine that other programs used, from which it was disturbed."""

PAGE_READS = 20
"""Pages read from the disk in a repetition from which it was disturbed: memory was short."""


@dataclass(frozen=True, slots=True)
class Disturbance:
    """Shares (0..1) of time that a repetition lost or others used; 0 where the system does not say.

    `waited`: of the time that the engine's threads wanted to compute, what they waited for a core;
    `stolen`: of the machine's core time, what its hypervisor gave to others; `stopped`: of the
    duration, what a CPU quota stopped it; `others`: of the machine's core time, what other programs
    used. `page_reads` are pages read from the disk.
    """

    waited: float = 0.0
    stolen: float = 0.0
    stopped: float = 0.0
    others: float = 0.0
    page_reads: int = 0

    @property
    def lost(self) -> float:
        """Share of its time that the engine lost, at least."""
        return min(0.95, max(self.waited, self.stolen, self.stopped))

    @property
    def disturbed(self) -> bool:
        return self.lost > LOST or self.others > BUSY or self.page_reads > PAGE_READS

    @property
    def reason(self) -> str:
        """What disturbed it most, in words; empty where nothing did."""
        if self.stopped > LOST and self.stopped == self.lost:
            return f"the container's CPU limit stopped the engine {self.stopped:.0%} of the time"
        if self.stolen > LOST and self.stolen == self.lost:
            return f"the host of this virtual machine took {self.stolen:.0%} of its CPU time"
        if self.waited > LOST:
            return f"the engine waited {self.waited:.0%} of its time for a core that others used"
        if self.others > BUSY:
            return f"other programs used {self.others:.0%} of the machine"
        if self.page_reads > PAGE_READS:
            return f"{self.page_reads} pages were read from the disk: memory was short"
        return ""


@dataclass(frozen=True, slots=True)
class _Counters:
    """What the system has counted so far: seconds, and pages."""

    at: float
    computed: float
    waited: float
    core: float
    idle: float
    own: float
    stolen: float
    stopped: float
    page_reads: int


class DisturbanceWatch:
    """Counts from its construction on."""

    def __init__(self) -> None:
        self._cgroups = Cgroups()
        self._threads = ThreadWatch()
        self._start = self._read()

    def read(self) -> Disturbance:
        """What happened since construction, or since the last read."""
        before, now = self._start, self._read()
        self._start = now
        core = now.core - before.core
        wall = max(now.at - before.at, 1e-9)
        waited, computed = now.waited - before.waited, now.computed - before.computed
        of_core = 1 / core if core >= MIN_CORE_S else 0.0
        busy = core - (now.idle - before.idle) - (now.own - before.own)
        return Disturbance(
            waited=_share(waited / (waited + computed)) if waited + computed > 0 else 0.0,
            stolen=_share((now.stolen - before.stolen) * of_core),
            stopped=_share((now.stopped - before.stopped) / wall),
            others=_share(busy * of_core),
            page_reads=max(0, now.page_reads - before.page_reads),
        )

    def _read(self) -> _Counters:
        import psutil

        times = psutil.cpu_times()
        computed, waited = self._threads.read()
        return _Counters(
            at=time.perf_counter(),
            computed=computed,
            waited=waited,
            core=sum(times[:8]),
            idle=times.idle + getattr(times, "iowait", 0.0),
            own=own_cpu_s(),
            stolen=getattr(times, "steal", 0.0),
            stopped=self._cgroups.throttled_s(),
            page_reads=_page_reads(),
        )


def others_share(seconds: float) -> float:
    """Share of the machine that other programs use now, watched for so long while this rests."""
    import psutil

    before, own = psutil.cpu_times(), own_cpu_s()
    time.sleep(seconds)
    now, own = psutil.cpu_times(), own_cpu_s() - own
    core = sum(now[:8]) - sum(before[:8])
    idle = now.idle - before.idle + getattr(now, "iowait", 0.0) - getattr(before, "iowait", 0.0)
    return _share(1 - (idle + own) / core) if core > 0 else 0.0


def _page_reads() -> int:
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_majflt


def _share(value: float) -> float:
    return max(0.0, min(1.0, value))
