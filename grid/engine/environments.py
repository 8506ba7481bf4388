"""One ready environment per backend runtime, platform and Python, made once, in the cache folder.

An engine's process runs in the environment of its backend: this interpreter, where it has what the
backend's requirements file pins; else a virtual environment of just that, made by uv. The folder's
name is a hash of all that decides its content, and a marker file, written last, says that it is
whole: what lacks the marker was not made to the end and is made again.
"""

from __future__ import annotations

import platform
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.metadata import PackageNotFoundError, entry_points, version
from importlib.util import find_spec
from pathlib import Path

import msgspec

from grid.backend import ENTRY_POINT_GROUP, Availability, Backend
from grid.backend.registry import backend
from grid.cache import cache_dir, write_atomically
from grid.engine import messages
from grid.engine.process import EngineProcess
from grid.engine.venv import make_venv
from grid.errors import EngineError, InputError
from grid.hardware.node import Node
from grid.models.identity import digest

CORE = ("msgspec", "numpy", "psutil")
"""What the engine's process itself imports, beside the engine."""

COUNTS_ENERGY = {"cuda": "nvidia-ml-py", "metal": "zeus-apple-silicon"}
"""What reads the energy of an accelerator, by the first part of its kind."""

PROBE_TIMEOUT_S = 600.0
"""The first import of a large stack from a cold disk."""

CPU = "cpu"

_MARKER = "environment.json"


class Interpreter(msgspec.Struct, frozen=True, kw_only=True):
    """A Python that has a backend's engine; `imports` is the folder that makes this package and the
    plugins importable there, None where they are already."""

    python: str
    imports: str | None = None


THIS_INTERPRETER = Interpreter(python=sys.executable)
"""The present interpreter."""


class Marker(msgspec.Struct, frozen=True, kw_only=True):
    """What is written into an environment when it is whole."""

    requirements: str
    python: str
    made_s: float
    bytes: int


def requirements_of(plugin: Backend, node: Node) -> Path | None:
    """The requirements file of a backend for a node: `runtime-cpu.txt`, where the backend has one
    and the node no accelerator, else its `runtime`. Raises InputError where that is not there."""
    if plugin.runtime is None:
        return None
    cpu_only = plugin.runtime.with_name("runtime-cpu.txt")
    requirements = cpu_only if cpu_only.is_file() and not node.accelerators else plugin.runtime
    if not requirements.is_file():
        raise InputError(
            f"backend {plugin.name}: its {requirements} is not there; install it again"
        )
    return requirements


def find_interpreter(name: str, node: Node) -> Interpreter | None:
    """The interpreter of a backend's environment; None where that is still to be made."""
    requirements = requirements_of(backend(name), node)
    if requirements is None or _is_satisfied_here(requirements):
        return THIS_INTERPRETER
    return find_tool(requirements, node)


def find_tool(requirements: Path, node: Node | None = None) -> Interpreter | None:
    """The interpreter of an environment of just these requirements; None where it is not made."""
    folder = _folder(requirements, node)
    if _marker(folder) is None:
        return None
    return Interpreter(python=str(_python(folder)), imports=str(_imports()))


def ensure_environment(
    name: str, node: Node, say: Callable[[str], None] = lambda line: None, rebuild: bool = False
) -> Interpreter:
    """The interpreter of a backend's environment, which is made where there is none, or `rebuild`.

    Two processes that want the same environment wait for one another. Raises EngineError, one line
    with the installer's last words, where it cannot be made; what was begun is removed.
    """
    present = None if rebuild else find_interpreter(name, node)
    if present is not None:
        return present
    requirements = requirements_of(backend(name), node)
    if requirements is None or (rebuild and _is_satisfied_here(requirements)):
        return THIS_INTERPRETER
    return ensure_tool(name, requirements, say, node, rebuild)


def ensure_tool(
    name: str,
    requirements: Path,
    say: Callable[[str], None] = lambda line: None,
    node: Node | None = None,
    rebuild: bool = False,
) -> Interpreter:
    """The interpreter of an environment of just these requirements, for a tool that is no backend
    too; `node` where its accelerators decide the packages. As `ensure_environment` else."""
    present = None if rebuild else find_tool(requirements, node)
    if present is not None:
        return present
    folder = _folder(requirements, node)
    try:
        with _lock(folder):
            if rebuild or _marker(folder) is None:
                _build(name, folder, requirements, _core(node), say)
    except OSError as error:
        reason = error.strerror or error
        raise EngineError(f"no environment for {name}: {error.filename}: {reason}") from error
    return Interpreter(python=str(_python(folder)), imports=str(_imports()))


def availability(name: str, node: Node) -> Availability:
    """Whether a backend runs here. Where its environment is made, the engine in it is asked, once;
    where it is not, that is the reason, and `mend` the command that makes it."""
    plugin = backend(name)
    interpreter = find_interpreter(name, node)
    if interpreter is None:
        whole = (
            "half made"
            if _folder(_require_requirements(plugin, node), node).exists()
            else "not made yet"
        )
        return Availability(
            ready=False, reason=f"environment {whole}", mend=f"grid backends install {name}"
        )
    if interpreter != THIS_INTERPRETER:
        return _probe_in_environment(name, node, interpreter)
    try:
        return plugin.probe(node)
    except Exception as error:  # a plugin's defect is its own state, not everybody's end
        reason = f"its probe failed: {' '.join(str(error).split())}"
        return Availability(ready=False, reason=reason, mend="update or uninstall it")


def why_unavailable(name: str, node: Node) -> str:
    """Why no cell of a backend can run; empty where it is ready or its environment is still to be
    made, which a sweep does by itself."""
    if find_interpreter(name, node) is None:
        return ""
    state = availability(name, node)
    if state.ready:
        return ""
    mend = f"; try: {state.mend}" if state.mend else ""
    return f"{name} does not run here: {state.reason or 'it does not say why'}{mend}"


def device_of(name: str, node: Node) -> str:
    """The device that a backend computes on at a node, as it names it: the first of its devices
    that is not the CPU where the node has an accelerator, else `cpu`.

    An environment that is still to be made is taken to use the accelerator.
    """
    if not node.accelerators:
        return CPU
    if find_interpreter(name, node) is None:
        return node.accelerators[0].kind.partition("-")[0]
    devices = availability(name, node).devices
    return next((device for device in devices if device != CPU), CPU)


def engine_version(name: str, node: Node) -> str:
    """Version of a backend's engine here; empty where its environment is not made."""
    return "" if find_interpreter(name, node) is None else availability(name, node).version


def _require_requirements(plugin: Backend, node: Node) -> Path:
    requirements = requirements_of(plugin, node)
    assert requirements is not None
    return requirements


def _is_satisfied_here(requirements: Path) -> bool:
    """True where this interpreter has each pinned package at its pinned version."""
    from packaging.requirements import InvalidRequirement, Requirement

    for line in requirements.read_text().splitlines():
        written = line.partition("#")[0].strip()
        if not written:
            continue
        try:
            wanted = Requirement(written)
            if wanted.marker is not None and not wanted.marker.evaluate():
                continue
            if not wanted.specifier.contains(version(wanted.name), prereleases=True):
                return False
        except (InvalidRequirement, PackageNotFoundError):
            return False
    return True


def _folder(requirements: Path, node: Node | None) -> Path:
    """The environment's folder: the plugin's package, for people, and a hash of all that decides
    the content."""
    accelerators = () if node is None else node.accelerators
    key = digest(
        "environment",
        requirements.read_text(),
        [_pin(name) for name in _core(node)],
        platform.system(),
        platform.machine(),
        platform.python_version_tuple()[:2],
        sorted({device.kind.partition("-")[0] for device in accelerators}),  # builds differ
    )
    return cache_dir() / "environments" / f"{requirements.parent.name}-{key[:16]}"


def _core(node: Node | None) -> tuple[str, ...]:
    """What goes into an environment beside the engine; accelerators take a reader of theirs."""
    kinds = {device.kind.partition("-")[0] for device in node.accelerators} if node else set()
    return (*CORE, *(COUNTS_ENERGY[kind] for kind in sorted(kinds & COUNTS_ENERGY.keys())))


def _pin(name: str) -> str:
    """The version that is here; numpy and what drivers go with are the stack's to choose."""
    free = name == "numpy" or name in COUNTS_ENERGY.values()
    return name if free else f"{name}=={version(name)}"


def _python(folder: Path) -> Path:
    return folder / "bin" / "python"


def _marker(folder: Path) -> Marker | None:
    try:
        marker = msgspec.json.decode((folder / _MARKER).read_bytes(), type=Marker)
    except (OSError, msgspec.MsgspecError):
        return None
    return marker if _python(folder).exists() else None


def _build(
    name: str,
    folder: Path,
    requirements: Path,
    core: Sequence[str],
    say: Callable[[str], None],
) -> None:
    start = time.monotonic()
    older = folder.with_name(f".{folder.name}.old")
    shutil.rmtree(older, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    if _marker(folder) is not None:
        folder.rename(older)  # it works: it is there again if this fails
    shutil.rmtree(folder, ignore_errors=True)
    try:
        make_venv(folder, requirements, tuple(_pin(package) for package in core), say)
        marker = Marker(
            requirements=requirements.read_text(),
            python=platform.python_version(),
            made_s=time.monotonic() - start,
            bytes=_size(folder),
        )
        write_atomically(folder / _MARKER, msgspec.json.encode(marker))
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)
        if older.exists():
            older.rename(folder)
        if isinstance(error, EngineError):
            raise EngineError(f"no environment for {name}: {error}") from error
        raise
    shutil.rmtree(older, ignore_errors=True)


def _size(folder: Path) -> int:
    """Bytes of the files, as if none were shared with uv's own cache."""
    files = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return sum(path.stat().st_size for path in files)


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    from filelock import FileLock

    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_name(f".{folder.name}.lock")):
        yield


def _imports() -> Path:
    """A folder with links to this package and the plugins, and nothing else: an environment finds
    them there, and none of this interpreter's other packages comes before its own."""
    points = sorted(entry_points(group=ENTRY_POINT_GROUP), key=lambda point: point.name)
    modules = {"grid", *(point.module.partition(".")[0] for point in points)}
    places = {name: place for name in sorted(modules) if (place := _place(name)) is not None}
    listed = "".join(f"{point.name} = {point.value}\n" for point in points)
    key = digest("imports", sorted((n, str(p)) for n, p in places.items()), listed)
    folder = cache_dir() / "environments" / f"imports-{key[:16]}"
    declared = folder / "quantgrid_plugins-0.dist-info"
    if not (declared / "entry_points.txt").exists():
        folder.mkdir(parents=True, exist_ok=True)
        for place in places.values():
            _link(folder / place.name, place)
        write_atomically(declared / "METADATA", b"Metadata-Version: 2.1\nName: quantgrid-plugins\n")
        content = f"[{ENTRY_POINT_GROUP}]\n{listed}".encode()
        write_atomically(declared / "entry_points.txt", content)
    return folder


def _place(module: str) -> Path | None:
    """The folder or file of a top-level module; None where it is not installed."""
    spec = find_spec(module)
    if spec is None:
        return None
    if spec.submodule_search_locations:
        return Path(next(iter(spec.submodule_search_locations)))
    return Path(spec.origin) if spec.origin else None


def _link(link: Path, target: Path) -> None:
    temporary = link.with_name(f".{link.name}.{time.monotonic_ns()}")
    temporary.symlink_to(target)
    temporary.replace(link)


def _probe_in_environment(name: str, node: Node, interpreter: Interpreter) -> Availability:
    """A backend's answer in its own environment; kept there, since an import takes long."""
    folder = Path(interpreter.python).parents[1]
    devices = [(device.name, device.kind) for device in node.accelerators]
    key = digest("probe", name, devices, _code_of(name))
    answer_file = folder / f"probe-{key[:16]}.json"
    with suppress(OSError, msgspec.MsgspecError):  # not probed yet, or damaged
        return msgspec.json.decode(answer_file.read_bytes(), type=Availability)
    try:
        with EngineProcess(interpreter.python, interpreter.imports) as process:
            reply = process.ask(messages.Probe(backend=name, node=node), PROBE_TIMEOUT_S)
    except EngineError as error:
        mend = f"grid backends install --rebuild {name}"
        return Availability(ready=False, reason=f"its engine does not import: {error}", mend=mend)
    assert isinstance(reply, messages.Probed)
    if reply.availability.ready:
        with suppress(OSError):  # a cache that takes nothing costs a question each time, no more
            write_atomically(answer_file, msgspec.json.encode(reply.availability))
    return reply.availability


def _code_of(name: str) -> str:
    """Hash of a plugin's own modules: what another version of it says is asked anew."""
    place = _place(type(backend(name)).__module__.partition(".")[0])
    if place is None:
        return ""
    files = sorted(place.rglob("*.py")) if place.is_dir() else [place]
    return digest("code", [file.read_text(errors="replace") for file in files])
