"""The present nodes: what runs there, what is on their disks, and whether to trust them."""

from __future__ import annotations

from collections.abc import Mapping

from grid.sweep.dispatch.work import Assignment, NodeSpec, Work

MAX_ENGINES_FAILED = 3
"""Engines of which no cell ended well here while they work elsewhere: one or two may be the
engine's own whim, three have only the node in common."""

MAX_DEATHS = 3
"""Times in a row that a node went away without one cell done in between."""


class Batch:
    """A running assignment. `pending` are its unfinished cells, in their order."""

    __slots__ = ("assignment", "device_bytes", "host_bytes", "pending")

    def __init__(self, assignment: Assignment, works: Mapping[str, Work]) -> None:
        self.assignment = assignment
        self.pending = dict.fromkeys(assignment.cells)
        cells = [works[cell_id] for cell_id in assignment.cells]
        self.host_bytes = max((work.host_bytes for work in cells), default=0)
        self.device_bytes = max((work.device_bytes for work in cells), default=0)


class NodeSlot:
    """A present node with its running batches. `engine` is the one that it opened last."""

    __slots__ = ("batches", "disk", "engine", "failed", "spec")

    def __init__(self, spec: NodeSpec) -> None:
        self.spec = spec
        self.engine = ""
        self.disk = set(spec.disk)
        self.batches: dict[str, Batch] = {}
        self.failed: dict[str, None] = {}
        """Engines whose every cell failed here, since the last cell that ended well."""

    def free_memory(self) -> tuple[int, int]:
        """Bytes of the host and of the device that no running batch was given."""
        batches = self.batches.values()
        return (
            self.spec.host_bytes - sum(batch.host_bytes for batch in batches),
            self.spec.device_bytes - sum(batch.device_bytes for batch in batches),
        )

    @property
    def runs_exclusive(self) -> bool:
        """True while an exclusive batch runs."""
        return any(batch.assignment.exclusive for batch in self.batches.values())


class NodeSlots:
    """The nodes that are present, and those that were set aside."""

    def __init__(self) -> None:
        self.present: dict[str, NodeSlot] = {}
        self.set_aside: dict[str, str] = {}
        self.usable: dict[str, dict[str, NodeSlot]] = {}
        """Present and not set aside, by profile and name."""
        self._deaths: dict[str, int] = {}
        self._suspects: dict[str, NodeSlot] = {}
        """Nodes with enough failed engines to ask whether it is the node."""
        self._works_at: dict[str, dict[str, None]] = {}
        """Nodes where an engine had a cell that ended well, by engine."""
        self._available: set[str] = set()
        """Artifacts that some node had on its disk."""
        self._makers: dict[str, str] = {}
        """The node that was first to need an artifact which nobody had, by artifact."""

    def is_being_made(self, artifact: str) -> bool:
        """Whether a node makes the artifact now, so that others would have to wait for it."""
        return artifact in self._makers

    def was_available(self, artifact: str) -> bool:
        """Whether some node has, or had, the artifact."""
        return artifact in self._available

    def note_need(self, name: str, artifact: str) -> None:
        """The node begins a batch that needs the artifact."""
        if artifact not in self._available:
            self._makers.setdefault(artifact, name)

    def note_artifact(self, name: str, artifact: str) -> None:
        """The artifact is on the node's disk."""
        self._available.add(artifact)
        self._makers.pop(artifact, None)
        if name in self.present:
            self.present[name].disk.add(artifact)

    def count(self) -> dict[str, int]:
        """Usable nodes by profile, of those profiles that have any."""
        return {profile: len(slots) for profile, slots in self.usable.items() if slots}

    def can_run(self, work: Work, except_node: str = "") -> bool:
        """Whether some usable node, other than `except_node`, could run the cell."""
        return any(
            name != except_node and fits(work, node.spec)
            for profile in work.seconds
            for name, node in self.usable.get(profile, {}).items()
        )

    def join(self, spec: NodeSpec) -> bool:
        """Add the node; False where it was set aside before. Raises ValueError where it is
        present."""
        if spec.name in self.present:
            raise ValueError(f"{spec.name} is there; it has to leave before it can join")
        node = NodeSlot(spec)
        self.present[spec.name] = node
        for artifact in spec.disk:
            self.note_artifact(spec.name, artifact)
        if spec.name in self.set_aside:
            return False
        self.usable.setdefault(spec.profile, {})[spec.name] = node
        return True

    def leave(self, name: str, reason: str) -> list[Batch]:
        """Remove the node; returns the batches that ran there."""
        node = self.present.pop(name, None)
        if node is None:
            return []
        self.usable.get(node.spec.profile, {}).pop(name, None)
        self._suspects.pop(name, None)
        self._makers = {key: maker for key, maker in self._makers.items() if maker != name}
        self._deaths[name] = self._deaths.get(name, 0) + 1
        if self._deaths[name] >= MAX_DEATHS:
            why = f"lost {MAX_DEATHS} times in a row with no cell done in between: {reason}"
            self.set_aside.setdefault(name, why)
        return list(node.batches.values())

    def note_end(self, node: NodeSlot, engine: str, ok: bool) -> None:
        """Record whether a cell of the engine ended well on the node."""
        name = node.spec.name
        at = self._works_at.setdefault(engine, {})
        if ok:
            at[name] = None
            node.failed.clear()
            self._deaths.pop(name, None)
            self._suspects.pop(name, None)
        elif name not in at:
            node.failed[engine] = None
            if len(node.failed) >= MAX_ENGINES_FAILED:
                self._suspects[name] = node

    def forgive(self, name: str, engine: str) -> None:
        """Do not hold the engine's failures against the node: it fails elsewhere too."""
        if name in self.present:
            self.present[name].failed.pop(engine, None)

    def set_suspects_aside(self) -> list[str]:
        """Set aside nodes where too many engines failed that work elsewhere, as far as another node
        can run all that they could. Returns their names."""
        names = []
        for name, node in list(self._suspects.items()):
            engines = [engine for engine in node.failed if self._works_at[engine]]
            if len(engines) >= MAX_ENGINES_FAILED and self._replaceable(node):
                del self._suspects[name]
                del self.usable[node.spec.profile][name]
                self.set_aside[name] = (
                    f"{len(engines)} engines failed here that work on other nodes"
                )
                names.append(name)
        return names

    def _replaceable(self, node: NodeSlot) -> bool:
        return any(
            candidate is not node
            and candidate.spec.host_bytes >= node.spec.host_bytes
            and candidate.spec.device_bytes >= node.spec.device_bytes
            for candidate in self.usable[node.spec.profile].values()
        )


def fits(work: Work, spec: NodeSpec) -> bool:
    """Whether the empty node has enough memory."""
    return work.host_bytes <= spec.host_bytes and work.device_bytes <= spec.device_bytes
