"""Makes a virtual environment of a requirements file with uv, under the user's own pip settings."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from grid.models.packages.uv import run_uv, uv_settings

_INDEX_SETTINGS = (
    "UV_TORCH_BACKEND",
    "UV_FIND_LINKS",
    "UV_DEFAULT_INDEX",
    "UV_INDEX_URL",
    "UV_INDEX",
    "UV_EXTRA_INDEX_URL",
)
"""Any of these set: the user has said where packages come from, torch included."""


class Directives(NamedTuple):
    """What a requirements file asks of its installation in lines at its top:

    `# uv: --no-deps` (more arguments of `uv pip install`), `# env: NAME=value` (for the build).
    """

    arguments: tuple[str, ...]
    variables: Mapping[str, str]


def directives(requirements: str) -> Directives:
    """The directives in the text of a requirements file. Only its leading comments count."""
    arguments: list[str] = []
    variables: dict[str, str] = {}
    for line in requirements.splitlines():
        if not line.startswith("#"):
            break
        key, _, value = line.removeprefix("#").strip().partition(":")
        if key == "uv":
            arguments += value.split()
        elif key == "env":
            name, _, setting = value.strip().partition("=")
            variables[name] = setting
    return Directives(tuple(arguments), variables)


def make_venv(
    folder: Path, requirements: Path, extra: tuple[str, ...], say: Callable[[str], None]
) -> None:
    """A new environment in `folder` with what `requirements` pins and the `extra` requirements.

    `say` hears the installer's lines as they come. Raises EngineError with its last lines.
    """
    header = directives(requirements.read_text())
    settings = {**uv_settings(os.environ), **header.variables}
    python = folder / "bin" / "python"
    run_uv(["venv", "--python", sys.executable, str(folder)], folder.parent, settings, say)
    install = ["pip", "install", "--python", str(python), "-r", str(requirements)]
    if not any(settings.get(place) for place in _INDEX_SETTINGS):
        # Of torch's builds the one for this machine's driver, instead of gigabytes of CUDA.
        install += ["--torch-backend", "auto"]
    run_uv([*install, *header.arguments, *extra], folder.parent, settings, say)
