"""A node's report of itself, which planning for it takes."""

from __future__ import annotations

import platform
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType

import msgspec

from grid.backend import HasConverter
from grid.backend.registry import backend
from grid.cache import cache_dir, why_unwritable
from grid.engine.environments import (
    CPU,
    THIS_INTERPRETER,
    device_of,
    engine_version,
    find_interpreter,
    why_unavailable,
)
from grid.hardware.node import Node
from grid.hardware.probe import available_memory, probe_node
from grid.models.identity import digest
from grid.sweep.artifacts.eviction import most_room


class BackendState(msgspec.Struct, frozen=True, kw_only=True):
    """A backend on a node: why it cannot run (empty where it can), where it computes, its engine's
    version (empty where its environment is still to be made), and whether it has an environment of
    its own: None where it runs in the node's own interpreter, else whether that is made."""

    obstacle: str = ""
    device: str = CPU
    version: str = ""
    environment: bool | None = None


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A node with all that planning for it takes. `clock` is its time in seconds since the epoch,
    `code` a hash of this package's source, `disk` the ids of the artifacts that it keeps."""

    node: Node
    free_bytes: int
    backends: dict[str, BackendState]
    converters: dict[str, bool] = {}
    """Of the converters of those backends that have an environment of their own, whether it is
    made."""
    broken: tuple[str, ...] = ()
    """Backends whose environment could not be made."""
    disk: tuple[str, ...] = ()
    disk_room: int | None = None
    """Bytes that artifacts could take on its disk, those of others that may go included."""
    system: str = ""
    python: str = ""
    ray: str = ""
    quantgrid: str = ""
    code: str = ""
    clock: float = 0.0

    @property
    def profile(self) -> str:
        """What nodes of one plan have in common: the hardware class, and what their backends
        compute with. Equal profiles get equal cells."""
        node = self.node
        states = {
            name: (state.obstacle, state.device) for name, state in sorted(self.backends.items())
        }
        devices = [accelerator.kind for accelerator in node.accelerators]
        key = digest("profile", node.hardware_class, node.cpu_kind, devices, node.system, states)
        return f"{node.hardware_class} {key[:8]}"


def report(
    backends: Iterable[str],
    broken: Mapping[str, str] = MappingProxyType({}),
    node: Node | None = None,
) -> Report:
    """This machine's report; `broken` has the reason for each backend whose environment could not
    be made."""
    backends, node = list(backends), node or probe_node()
    return Report(
        node=node,
        free_bytes=available_memory(),
        backends={name: _state(name, node, broken.get(name, "")) for name in backends},
        converters=dict(_converters(backends, node)),
        broken=tuple(sorted(broken)),
        disk=_kept_artifacts(),
        disk_room=most_room(),
        system=platform.platform(),
        python=platform.python_version(),
        ray=version("ray"),
        quantgrid=version("quantgrid"),
        code=code_digest(backends),
        clock=time.time(),
    )


def with_disks_of(own: Report, twins: Sequence[Report]) -> Report:
    """A report with the room of the roomiest disk among the nodes of its profile, itself included,
    and with what any of them keeps: a plan is for all of them, and one full disk skips nothing."""
    rooms = [twin.disk_room for twin in twins]
    known_rooms = [room for room in rooms if room is not None]
    return msgspec.structs.replace(
        own,
        disk_room=max(known_rooms) if len(known_rooms) == len(rooms) else None,
        disk=tuple(sorted({name for twin in twins for name in twin.disk})),
    )


def code_digest(backends: Iterable[str] = ()) -> str:
    """Hash of the source of this package and of these backends: nodes that run another one would
    give other rows."""
    modules = {type(backend(name)).__module__.partition(".")[0] for name in backends}
    return _source_digest(tuple(sorted({"grid", *modules})))


@cache
def _source_digest(modules: tuple[str, ...]) -> str:
    sources = []
    for module in modules:
        root = Path(str(sys.modules[module].__file__)).parent
        files = sorted(root.rglob("*.py"))
        sources += [(module, str(f.relative_to(root)), f.read_bytes().hex()) for f in files]
    return digest("code", sources)[:12]


def _state(name: str, node: Node, broken: str) -> BackendState:
    interpreter = find_interpreter(name, node)
    return BackendState(
        obstacle=broken or why_unwritable() or why_unavailable(name, node),
        device=device_of(name, node),
        version=engine_version(name, node),
        environment=None if interpreter == THIS_INTERPRETER else interpreter is not None,
    )


def _converters(backends: Iterable[str], node: Node) -> Iterator[tuple[str, bool]]:
    for name in backends:
        plugin = backend(name)
        if isinstance(plugin, HasConverter):
            interpreter = find_interpreter(plugin.converter, node)
            if interpreter != THIS_INTERPRETER:
                yield plugin.converter, interpreter is not None


def _kept_artifacts() -> tuple[str, ...]:
    folder = cache_dir() / "artifacts"
    if not folder.is_dir():
        return ()
    return tuple(sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith(".")))
