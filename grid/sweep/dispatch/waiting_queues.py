"""Engines with waiting cells, ordered for each profile as a free node should consider them."""

from __future__ import annotations

from collections.abc import Iterable

from grid.sweep.dispatch.cell_queues import CellGroup, CellQueues, EngineQueue, Ranking
from grid.sweep.dispatch.work import Costs

FILL = 0.01
"""Of two engines whose longest cells are alike, the one with more to do in all comes first."""

_UNWANTED = -1.0
"""Instead of seconds: cells wait, but they are other profiles' to do."""
_NOTHING = -2.0
"""Instead of seconds: no cell waits."""


class WaitingQueues:
    """The waiting cells as each profile sees them.

    An engine is *fresh* where no batch of it runs, *open* where one does, and *spare* where what
    waits was given to other profiles.
    """

    def __init__(self, queues: CellQueues, costs: Costs) -> None:
        self.fresh: dict[str, Ranking] = {}
        self.open: dict[str, Ranking] = {}
        self.spare: dict[str, dict[str, None]] = {}
        self.left_s: dict[str, float] = {}
        """Seconds that wait for the profile, over all its nodes."""
        self.batches_running: dict[tuple[str, str], int] = {}
        """Batches that run, by engine and profile."""
        self.longest_first = True
        """Else engines come in the order in which they were given."""
        self.costs = costs
        self._queues = queues
        self._quota: dict[int, dict[str, float]] = {}
        self._demand: dict[tuple[str, str], float] = {}

    def is_for(self, group: CellGroup, profile: str) -> bool:
        """Whether the profile is to take cells of the group."""
        if not group:
            return False
        allowed = self._quota.get(group.order)
        return allowed is None or allowed.get(profile, 0.0) > 0

    def demand_s(self, engine: str, profile: str) -> float:
        """Seconds of the engine that wait for the profile."""
        return max(self._demand.get((engine, profile), 0.0), 0.0)

    def has_work(self, engine: str, profile: str) -> bool:
        """Whether cells of the engine wait for the profile."""
        return self._demand.get((engine, profile), _NOTHING) >= 0

    def longest_s(self, engine: EngineQueue, profile: str) -> float:
        """Seconds of the engine's longest cell that waits for the profile."""
        groups = (g for g in engine.groups_at(profile) if self.is_for(g, profile))
        return max((g.longest_s(profile) for g in groups), default=0.0)

    def set_quotas(self, allowed: dict[int, dict[str, float]]) -> None:
        """Let each profile take so many seconds of a group, by the group's order; a group that is
        not named is everybody's."""
        self._quota = allowed
        for engine in self._queues.engines.values():
            self.relist(engine, engine.profiles)

    def use_quota(self, group: CellGroup, profile: str, seconds: float) -> None:
        """The profile took so much of the group."""
        allowed = self._quota.get(group.order)
        if allowed is not None and profile in allowed:
            allowed[profile] -= seconds

    def relist(self, engine: EngineQueue, profiles: Iterable[str]) -> None:
        """Bring the lists up to date after the engine's cells, batches or shares changed."""
        for profile in profiles:
            demand = self._measure(engine, profile)
            change = max(demand, 0.0) - self.demand_s(engine.key, profile)
            self.left_s[profile] = self.left_s.get(profile, 0.0) + change
            self._demand[engine.key, profile] = demand
            self._list(engine, profile, demand)

    def _measure(self, engine: EngineQueue, profile: str) -> float:
        """Seconds that wait for the profile; `_UNWANTED` or `_NOTHING` where no such cells do."""
        total, kind = 0.0, _NOTHING
        for group in engine.groups_at(profile):
            if self.is_for(group, profile):
                kind = 0.0
                allowed = self._quota.get(group.order)
                seconds = group.seconds[profile]
                total += seconds if allowed is None else min(seconds, allowed[profile])
            elif group:
                kind = max(kind, _UNWANTED)
        return max(total, 0.0) if kind == 0.0 else kind

    def _list(self, engine: EngineQueue, profile: str, demand: float) -> None:
        key = engine.key
        fresh = self.fresh.setdefault(profile, Ranking())
        opened = self.open.setdefault(profile, Ranking())
        spare = self.spare.setdefault(profile, {})
        runs = self.batches_running.get((key, profile), 0) > 0
        longest = self.longest_s(engine, profile) if self.longest_first and demand >= 0 else 0.0
        if demand >= 0 and not runs:
            weight = longest + FILL * demand if self.longest_first else 0.0
            fresh.set(key, weight, engine.order)
        else:
            fresh.discard(key)
        if demand >= 0 and runs:
            opened.set(key, longest, engine.order)
        else:
            opened.discard(key)
        if demand == _UNWANTED:
            spare[key] = None
        else:
            spare.pop(key, None)
