"""Places as the board knows them: what runs there, what they hold, and whether to trust them."""

from __future__ import annotations

from collections.abc import Mapping

from grid.sweep.dispatch.work import Assignment, Place, Work

MAX_ENGINES_FAILED = 3
"""Engines of which no cell ended well here while they work elsewhere: one or two may be the
engine's own whim, three have only the node in common."""

MAX_DEATHS = 3
"""Times in a row that a place went away without one cell done in between."""


class Batch:
    """An assignment that runs. `pending` are its cells without an end, in their order."""

    __slots__ = ("assignment", "device_bytes", "host_bytes", "pending")

    def __init__(self, assignment: Assignment, works: Mapping[str, Work]) -> None:
        self.assignment = assignment
        self.pending = dict.fromkeys(assignment.cells)
        cells = [works[cell_id] for cell_id in assignment.cells]
        self.host_bytes = max((work.host_bytes for work in cells), default=0)
        self.device_bytes = max((work.device_bytes for work in cells), default=0)


class Seat:
    """A place that is present. `engine` is the one that it opened last."""

    __slots__ = ("batches", "disk", "engine", "failed", "place")

    def __init__(self, place: Place) -> None:
        self.place = place
        self.engine = ""
        self.disk = set(place.disk)
        self.batches: dict[str, Batch] = {}
        self.failed: dict[str, None] = {}
        """Engines whose every cell failed here, since the last cell that ended well."""

    def room(self) -> tuple[int, int]:
        """Bytes of the host and of the device that no running batch was given."""
        batches = self.batches.values()
        return (
            self.place.host_bytes - sum(batch.host_bytes for batch in batches),
            self.place.device_bytes - sum(batch.device_bytes for batch in batches),
        )

    @property
    def alone(self) -> bool:
        """True while an exclusive batch runs."""
        return any(batch.assignment.exclusive for batch in self.batches.values())


class Places:
    """Who is present, and who was set aside."""

    def __init__(self) -> None:
        self.seats: dict[str, Seat] = {}
        self.aside: dict[str, str] = {}
        self.usable: dict[str, dict[str, Seat]] = {}
        """Present and not set aside, by profile and name."""
        self._deaths: dict[str, int] = {}
        self._doubtful: dict[str, Seat] = {}
        """Places with enough failed engines to ask whether it is the place."""
        self._works_at: dict[str, dict[str, None]] = {}
        """Places where an engine had a cell that ended well, by engine."""
        self._got: set[str] = set()
        """Artifacts that some place had on its disk."""
        self._makers: dict[str, str] = {}
        """The place that was first to need an artifact which nobody had, by artifact."""

    def made_elsewhere(self, artifact: str) -> bool:
        """Whether a place makes the artifact now, so that others would have to wait for it."""
        return artifact in self._makers

    def made(self, artifact: str) -> bool:
        """Whether some place has, or had, the artifact."""
        return artifact in self._got

    def need(self, name: str, artifact: str) -> None:
        """The place begins what needs the artifact."""
        if artifact not in self._got:
            self._makers.setdefault(artifact, name)

    def observe(self, name: str, artifact: str) -> None:
        """The artifact is on the place's disk."""
        self._got.add(artifact)
        self._makers.pop(artifact, None)
        if name in self.seats:
            self.seats[name].disk.add(artifact)

    def count(self) -> dict[str, int]:
        """Usable places by profile, of those profiles that have any."""
        return {profile: len(seats) for profile, seats in self.usable.items() if seats}

    def able(self, work: Work, but: str = "") -> bool:
        """Whether some usable place, other than `but`, could run the cell."""
        return any(
            name != but and fits(work, seat.place)
            for profile in work.seconds
            for name, seat in self.usable.get(profile, {}).items()
        )

    def join(self, place: Place) -> bool:
        """False where the place was set aside before. Raises ValueError where it is there."""
        if place.name in self.seats:
            raise ValueError(f"{place.name} is there; it has to leave before it can join")
        seat = Seat(place)
        self.seats[place.name] = seat
        for artifact in place.disk:
            self.observe(place.name, artifact)
        if place.name in self.aside:
            return False
        self.usable.setdefault(place.profile, {})[place.name] = seat
        return True

    def leave(self, name: str, reason: str) -> list[Batch]:
        """The batches that ran there."""
        seat = self.seats.pop(name, None)
        if seat is None:
            return []
        self.usable.get(seat.place.profile, {}).pop(name, None)
        self._doubtful.pop(name, None)
        self._makers = {key: maker for key, maker in self._makers.items() if maker != name}
        self._deaths[name] = self._deaths.get(name, 0) + 1
        if self._deaths[name] >= MAX_DEATHS:
            why = f"lost {MAX_DEATHS} times in a row with no cell done in between: {reason}"
            self.aside.setdefault(name, why)
        return list(seat.batches.values())

    def ended(self, seat: Seat, engine: str, ok: bool) -> None:
        """Learn from a cell that ended well, or failed, whether the place works."""
        name = seat.place.name
        at = self._works_at.setdefault(engine, {})
        if ok:
            at[name] = None
            seat.failed.clear()
            self._deaths.pop(name, None)
            self._doubtful.pop(name, None)
        elif name not in at:
            seat.failed[engine] = None
            if len(seat.failed) >= MAX_ENGINES_FAILED:
                self._doubtful[name] = seat

    def forgive(self, name: str, engine: str) -> None:
        """What failed of the engine there fails elsewhere too."""
        if name in self.seats:
            self.seats[name].failed.pop(engine, None)

    def distrust(self) -> list[str]:
        """Set aside the places where too many engines failed that work elsewhere, as far as another
        place can do all that they could; the names of those."""
        found = []
        for name, seat in list(self._doubtful.items()):
            engines = [engine for engine in seat.failed if self._works_at[engine]]
            if len(engines) >= MAX_ENGINES_FAILED and self._replaceable(seat):
                del self._doubtful[name]
                del self.usable[seat.place.profile][name]
                self.aside[name] = f"{len(engines)} engines failed here that work on other nodes"
                found.append(name)
        return found

    def _replaceable(self, seat: Seat) -> bool:
        return any(
            other is not seat
            and other.place.host_bytes >= seat.place.host_bytes
            and other.place.device_bytes >= seat.place.device_bytes
            for other in self.usable[seat.place.profile].values()
        )


def fits(work: Work, place: Place) -> bool:
    """Whether the place, empty, has the memory."""
    return work.host_bytes <= place.host_bytes and work.device_bytes <= place.device_bytes
