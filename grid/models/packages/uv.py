"""uv, the installer, under the user's own settings of pip: where packages come from."""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from grid.errors import EngineError

_TWINS = {
    "PIP_INDEX_URL": ("UV_DEFAULT_INDEX", "UV_INDEX_URL"),
    "PIP_EXTRA_INDEX_URL": ("UV_INDEX", "UV_EXTRA_INDEX_URL"),
    "PIP_FIND_LINKS": ("UV_FIND_LINKS",),
    "PIP_TRUSTED_HOST": ("UV_INSECURE_HOST",),
    "PIP_CERT": ("SSL_CERT_FILE",),
    "PIP_DEFAULT_TIMEOUT": ("UV_HTTP_TIMEOUT",),
}
"""Settings of pip -> the same of uv, which does not read pip's; the first one is set where the user
has set none of them."""

_LAST_LINES = 3


def uv_settings(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment for uv: the user's own, and what pip's settings say where uv's say nothing.

    pip separates several places by spaces, uv those of UV_FIND_LINKS by commas.
    """
    settings = dict(environ)
    for pip, twins in _TWINS.items():
        value = environ.get(pip, "").strip()
        if value and not any(environ.get(twin) for twin in twins):
            settings[twins[0]] = _for_uv(pip, value)
            if pip == "PIP_EXTRA_INDEX_URL":
                # pip takes the best of all indexes, uv of the first that has the package
                settings.setdefault("UV_INDEX_STRATEGY", "unsafe-best-match")
    for name in ("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME"):
        settings.pop(name, None)
    return settings


def _for_uv(pip: str, value: str) -> str:
    """Several places on one line, folders absolute: uv runs elsewhere."""
    places = [os.path.abspath(place) if os.path.exists(place) else place for place in value.split()]
    return ("," if pip == "PIP_FIND_LINKS" else " ").join(places)


def find_uv() -> str:
    """Path of the uv that came with this package, else of one that is installed. Raises
    EngineError."""
    try:
        import uv

        return os.fspath(uv.find_uv_bin())
    except (ImportError, FileNotFoundError):
        path = shutil.which("uv")
    if path is None:
        raise EngineError("uv is not installed, which fetches packages; try: pip install uv")
    return path


_running: set[subprocess.Popen[str]] = set()
"""Installers that a thread waits for: a process that ends does not wait for its threads."""


def _end(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.kill()
        process.wait()
    _running.discard(process)


@atexit.register
def _end_all() -> None:
    for process in list(_running):
        _end(process)


def run_uv(
    command: Sequence[str], folder: Path, settings: Mapping[str, str], say: Callable[[str], None]
) -> None:
    """Run uv in a folder. `say` hears its lines as they come. Raises EngineError with the last."""
    lines: list[str] = []
    process = subprocess.Popen(
        [find_uv(), *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=dict(settings),
        cwd=folder,  # in a project's folder uv would take that project's constraints
        text=True,
        errors="replace",
    )
    _running.add(process)
    try:
        assert process.stdout is not None
        for line in process.stdout:
            text = " ".join(line.split())
            if text and not text.startswith("Using "):  # which Python: a path, at every call
                lines.append(text)
                say(text)
        code = process.wait()
    finally:
        _end(process)
    if code:
        last = " / ".join(lines[-_LAST_LINES:])[-600:]
        raise EngineError(f"the installer failed (exit code {code}): {last}")
