"""Queues of waiting cells, by engine and by the profiles that may run them."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Sequence

from grid.sweep.dispatch.work import Work

_Row = tuple[tuple[int, ...], int, Work]


class CellGroup:
    """Waiting cells of an engine that may run at the same profiles, all exclusive or all shared."""

    __slots__ = (
        "_longest",
        "_rows",
        "_shortest",
        "engine",
        "exclusive",
        "order",
        "profiles",
        "seconds",
    )

    def __init__(self, engine: str, exclusive: bool, profiles: tuple[str, ...], order: int) -> None:
        self.engine = engine
        self.exclusive = exclusive
        self.profiles = profiles
        self.order = order
        self.seconds = dict.fromkeys(self.profiles, 0.0)
        """Sum over what waits, at each profile."""
        self._longest: dict[str, float] = {}
        self._shortest: dict[str, float] = {}
        self._rows: list[_Row] = []

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Work]:
        """By rank; equal ranks as they came."""
        return (row[2] for row in self._rows)

    def longest_s(self, profile: str) -> float:
        """Seconds of the longest cell that waits."""
        seconds = self._longest.get(profile)
        if seconds is None:
            seconds = max((row[2].seconds[profile] for row in self._rows), default=0.0)
            self._longest[profile] = seconds
        return seconds

    def shortest_s(self, profile: str) -> float:
        """Seconds of the shortest cell that waits."""
        seconds = self._shortest.get(profile)
        if seconds is None:
            seconds = min((row[2].seconds[profile] for row in self._rows), default=0.0)
            self._shortest[profile] = seconds
        return seconds

    @property
    def head(self) -> tuple[tuple[int, ...], int]:
        """The sort key of the first cell."""
        return self._rows[0][:2]

    def insert(self, work: Work, number: int) -> None:
        insort(self._rows, (work.rank, number, work))
        for profile, seconds in work.seconds.items():
            self.seconds[profile] += seconds
        self._longest.clear()
        self._shortest.clear()

    def remove(self, work: Work, number: int) -> None:
        at = bisect_left(self._rows, (work.rank, number))
        del self._rows[at]
        for profile, seconds in work.seconds.items():
            self.seconds[profile] -= seconds
            if seconds >= self._longest.get(profile, 0.0):
                self._longest.pop(profile, None)
            if seconds <= self._shortest.get(profile, seconds):
                self._shortest.pop(profile, None)
        if not self._rows:
            self.seconds = dict.fromkeys(self.profiles, 0.0)  # no sum of rounding errors stays


class EngineQueue:
    """The waiting cells of one engine."""

    __slots__ = ("_by_profile", "artifact", "groups", "key", "order")

    def __init__(self, key: str, artifact: str, order: int) -> None:
        self.key = key
        self.artifact = artifact
        self.order = order
        self.groups: dict[tuple[bool, tuple[str, ...]], CellGroup] = {}
        self._by_profile: dict[str, list[CellGroup]] = {}

    def groups_at(self, profile: str) -> Sequence[CellGroup]:
        """Groups, perhaps empty ones, that may run at the profile."""
        return self._by_profile.get(profile, ())

    @property
    def profiles(self) -> Iterable[str]:
        return self._by_profile

    def add(self, group: CellGroup) -> None:
        self.groups[group.exclusive, group.profiles] = group
        for profile in group.profiles:
            self._by_profile.setdefault(profile, []).append(group)


class CellQueues:
    """The queues of all engines."""

    def __init__(self) -> None:
        self.engines: dict[str, EngineQueue] = {}
        self.works: dict[str, Work] = {}
        """All cells that were ever added."""
        self.waiting: dict[str, CellGroup] = {}
        """The group that each waiting cell is in."""
        self.groups: list[CellGroup] = []
        self._number: dict[str, int] = {}

    def insert(self, work: Work) -> CellGroup:
        """Queue the cell by its rank among its engine's cells."""
        number = self._number.setdefault(work.cell_id, len(self._number))
        self.works[work.cell_id] = work
        engine = self.engines.get(work.engine)
        if engine is None:
            engine = EngineQueue(work.engine, work.artifact, len(self.engines))
            self.engines[work.engine] = engine
        kind = (work.exclusive, tuple(sorted(work.seconds)))
        group = engine.groups.get(kind)
        if group is None:
            group = CellGroup(work.engine, *kind, order=len(self.groups))
            engine.add(group)
            self.groups.append(group)
        group.insert(work, number)
        self.waiting[work.cell_id] = group
        return group

    def remove(self, cell_id: str) -> CellGroup:
        """Take the cell out of its queue. Raises KeyError where it does not wait."""
        group = self.waiting.pop(cell_id)
        group.remove(self.works[cell_id], self._number[cell_id])
        return group


class Ranking:
    """Names by weight, the heaviest first; equal weights by the order given."""

    def __init__(self) -> None:
        self._rows: list[tuple[float, int, str]] = []
        self._row: dict[str, tuple[float, int, str]] = {}

    def __iter__(self) -> Iterator[tuple[str, float]]:
        return ((name, -weight) for weight, _, name in self._rows)

    def set(self, name: str, weight: float, order: int) -> None:
        row = (-weight, order, name)
        if self._row.get(name) == row:
            return
        self.discard(name)
        self._row[name] = row
        insort(self._rows, row)

    def discard(self, name: str) -> None:
        row = self._row.pop(name, None)
        if row is not None:
            del self._rows[bisect_left(self._rows, row)]
