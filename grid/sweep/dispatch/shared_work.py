"""Decides when and how to divide anew the work that several profiles could do."""

from __future__ import annotations

from collections.abc import Mapping

from grid.sweep.dispatch.balance import balance
from grid.sweep.dispatch.cell_queues import CellGroup, EngineQueue
from grid.sweep.dispatch.policy import PolicyView, opening_s
from grid.sweep.dispatch.work import Work

RESOLVED_AFTER = 0.1
"""Part of the waiting work, or of a profile's nodes, that changes before it is divided anew: often
enough to follow what really happens, and some fifty times in a long sweep."""

PRICE = 10.0
"""How much dearer a second of a group gets for a profile with the length of its longest cell there,
in units of the mean time to the end: of groups that cost the same, slow nodes get short cells. It
stays so small that the sum of all work never decides against the end time (`THRIFT`)."""

LATEST = 4.0
"""A profile gets no cell that takes more than so many times what each node still has to do, where
another is faster. Less would leave the last work to the fast ones alone, more makes all wait for
a slow one (tried with `scripts/bench_dispatch.py`)."""

PRIOR_S = 300.0
"""Seconds for which a profile's estimates are believed as they are, when observed ones come in."""


class SharedWork:
    """The current division of the shared work."""

    def __init__(self, view: PolicyView) -> None:
        self._view = view
        self._left_s = -1.0
        self._node_counts: dict[str, int] = {}
        self._engine_count = 0
        self._estimated: dict[str, float] = {}
        self._observed: dict[str, float] = {}

    def observe_duration(self, profile: str, work: Work, seconds: float) -> None:
        """Record the real duration of a cell, by which estimates of the profile are scaled."""
        if seconds > 0:
            estimated = work.seconds[profile]
            self._estimated[profile] = self._estimated.get(profile, PRIOR_S) + estimated
            self._observed[profile] = self._observed.get(profile, PRIOR_S) + seconds

    def is_stale(self) -> bool:
        """Whether enough has changed since the last division."""
        nodes = self._view.nodes.count()
        if (
            nodes.keys() != self._node_counts.keys()
            or len(self._view.queues.engines) != self._engine_count
        ):
            return True
        if any(abs(n - self._node_counts[p]) > RESOLVED_AFTER * n for p, n in nodes.items()):
            return True
        return self._waiting_s() < (1 - RESOLVED_AFTER) * self._left_s

    def divide(self) -> None:
        """Divide what waits now among the profiles that have nodes."""
        view = self._view
        self._node_counts = view.nodes.count()
        self._engine_count = len(view.queues.engines)
        view.waiting.longest_first = sum(self._node_counts.values()) > 1
        groups: list[CellGroup] = []
        seconds: list[Mapping[str, float]] = []
        fixed: dict[str, float] = {}
        for engine in view.queues.engines.values():
            self._collect(engine, groups, seconds, fixed)
        view.waiting.set_quotas(self._quotas(groups, seconds, fixed) if groups else {})
        self._left_s = self._waiting_s()

    def _quotas(
        self,
        groups: list[CellGroup],
        seconds: list[Mapping[str, float]],
        fixed: Mapping[str, float],
    ) -> dict[int, dict[str, float]]:
        """Seconds that each profile is to take of each group."""
        total_s = sum(fixed.values()) + sum(min(at.values()) for at in seconds)
        mean_s = max(total_s / sum(self._node_counts.values()), 1e-9)
        pairs = list(zip(groups, seconds, strict=True))
        offered = [self._without_late_profiles(group, at, mean_s) for group, at in pairs]
        prices = [
            {p: 1.0 + PRICE * min(group.longest_s(p) / mean_s, 1.0) for p in at}
            for group, at in pairs
        ]
        shares = balance(offered, fixed, self._node_counts, prices=prices).shares
        return {g.order: _quota_s(g, share) for g, share in zip(groups, shares, strict=True)}

    def _waiting_s(self) -> float:
        return sum(self._view.waiting.left_s.values())

    def _collect(
        self,
        engine: EngineQueue,
        groups: list[CellGroup],
        seconds: list[Mapping[str, float]],
        fixed: dict[str, float],
    ) -> None:
        """Add the engine's groups to those to divide, or to what only one profile can do."""
        opened: set[str] = set()
        shared: list[tuple[CellGroup, list[str]]] = []
        for group in engine.groups.values():
            present = [p for p in group.profiles if p in self._node_counts] if group else []
            if len(present) > 1:
                shared.append((group, present))
            elif present:
                only = present[0]
                opened.add(only)
                fixed[only] = fixed.get(only, 0.0) + group.seconds[only] * self._scale(only)
        for profile in opened:
            fixed[profile] += self._opening_s(engine, profile)
        for group, present in shared:
            groups.append(group)
            seconds.append({p: self._seconds_at(engine, group, p, opened) for p in present})

    def _without_late_profiles(
        self, group: CellGroup, seconds: Mapping[str, float], mean_s: float
    ) -> Mapping[str, float]:
        """The group's seconds at the profiles where no cell of it would end late."""
        longest = {p: group.longest_s(p) * self._scale(p) for p in seconds}
        most = max(min(longest.values()), LATEST * mean_s)
        return {p: s for p, s in seconds.items() if longest[p] <= most}

    def _seconds_at(
        self, engine: EngineQueue, group: CellGroup, profile: str, opened: set[str]
    ) -> float:
        beside = 0.0 if profile in opened else self._opening_s(engine, profile)
        return group.seconds[profile] * self._scale(profile) + beside

    def _opening_s(self, engine: EngineQueue, profile: str) -> float:
        if self._view.waiting.batches_running.get((engine.key, profile)):
            return 0.0
        return opening_s(self._view, engine, profile)

    def _scale(self, profile: str) -> float:
        """Observed seconds for an estimated one."""
        return self._observed.get(profile, 1.0) / self._estimated.get(profile, 1.0)


def _quota_s(group: CellGroup, share: Mapping[str, float]) -> dict[str, float]:
    """What each profile may take of the group; all of it where the group is one profile's."""
    if len(share) == 1:
        return dict.fromkeys(share, float("inf"))
    return {profile: part * group.seconds[profile] for profile, part in share.items()}
