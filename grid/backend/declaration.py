"""A base for declarations, and the facts that they read of the packages of their engine.

A backend is any object with the members of `grid.backend.Backend`; this class saves the lines that
most of them share.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from grid.backend.contract import Availability, Capability, Recipe
from grid.models.artifact import Inspection


class Declaration:
    """A backend that makes no weights and reads folders in Hugging Face's layout, until a subclass
    says otherwise."""

    name: str
    formats: frozenset[str]
    capabilities: frozenset[Capability]
    speed_only: frozenset[str] = frozenset({"threads"})
    runtime: Path | None = None

    @property
    def install_command(self) -> str:
        """What mends an environment that lacks the engine."""
        return f"uv pip install -r {self.runtime}"

    def unavailable(self, reason: str, mend: str = "") -> Availability:
        """The answer of `probe` where the engine cannot run; `mend` is `install_command` unless
        another command helps."""
        return Availability(ready=False, reason=reason, mend=mend or self.install_command)

    def inspect(self, path: Path) -> Inspection:
        from grid.models.checkpoint.inspection import inspect

        return inspect(path)

    def recipes(self) -> Mapping[str, Recipe]:
        return {}

    def quantizer(self) -> str:
        return ""


def pinned_version(runtime: Path, package: str) -> str:
    """The version of a package in a file of exact pins, such as runtime.txt. Raises StopIteration
    where the file does not pin it."""
    lines = runtime.read_text(encoding="utf-8").splitlines()
    pin = next(line for line in lines if line.startswith(f"{package}=="))
    return pin.partition("==")[2].split()[0]


def package_version(package: str, runtime: Path) -> str:
    """The version of a package as it is installed here, else as `runtime` pins it: a quantizer has
    one name where it runs and where it is planned for."""
    try:
        return version(package)
    except PackageNotFoundError:
        return pinned_version(runtime, package)
