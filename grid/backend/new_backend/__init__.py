"""Starts a new backend: writes a folder with a complete toy, whose parts the author replaces.

`template` holds a backend called `myengine`; a new one is a copy under another name.
`docs/plugins.md` explains its files.
"""

from __future__ import annotations

import os
import re
import shutil
from importlib.resources import files
from pathlib import Path

from grid.backend.registry import backend, names
from grid.errors import InputError

_NAME = re.compile(r"[a-z][a-z0-9]*(?:[-_][a-z0-9]+)*")
_TEMPLATE = "myengine"
_FILES = {
    "pyproject.toml": "pyproject.toml",
    "plugin.py": "grid_{module}/__init__.py",
    "runtime.txt": "grid_{module}/runtime.txt",
    "test_plugin.py.txt": "test_{module}.py",
}
"""File of the template -> file of the folder."""


def new_backend(name: str, folder: Path | None = None) -> str:
    """Make a backend called `name` in `folder` (default: ./quantgrid-NAME); returns what was made
    and what to do next, a line each.

    Raises InputError, one line, for a name that cannot be one or is taken, and for a folder that
    holds something or cannot be written.
    """
    _check_name(name)
    target = Path(f"quantgrid-{_dashed_name(name)}") if folder is None else folder.expanduser()
    paths = _write_files(name, target)
    return "\n".join([f"made {path}" for path in paths] + ["", *_next_steps(name, target)])


def contents(name: str) -> dict[str, str]:
    """The files of a backend called `name`: path in its folder -> text."""
    template = files(__name__) / "template"
    texts = {}
    for source, path in _FILES.items():
        text = (template / source).read_text(encoding="utf-8")
        texts[path.format(module=_module_name(name))] = _rename(text, name)
    return texts


def _rename(text: str, name: str) -> str:
    text = text.replace(f"quantgrid-{_TEMPLATE}", f"quantgrid-{_dashed_name(name)}")
    text = text.replace(f"grid_{_TEMPLATE}", f"grid_{_module_name(name)}")
    return text.replace(_TEMPLATE, name)


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        tidy = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_0123456789")
        hint = f" Try {tidy!r}." if _NAME.fullmatch(tidy) else ""
        raise InputError(
            f"{name!r} cannot be a backend's name: it takes small letters and digits, with - or _ "
            f"between them, and begins with a letter.{hint}"
        )
    for installed in names():
        if _module_name(installed) == _module_name(name):
            raise InputError(f"a backend {installed!r} is installed already; choose another name")
        if name in _formats(installed):
            raise InputError(f"{name!r} is a format that {installed!r} reads; choose another name")


def _formats(name: str) -> frozenset[str]:
    try:
        return backend(name).formats
    except InputError:  # it does not import, which is no concern of a new one
        return frozenset()


def _write_files(name: str, target: Path) -> list[Path]:
    """The files, all of them or none."""
    existed = target.exists()
    if existed and (not target.is_dir() or any(target.iterdir())):
        raise InputError(f"{target} is there already and holds something; name another folder")
    paths = []
    try:
        for path, text in contents(name).items():
            file = target / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
            paths.append(file)
    except OSError as error:
        _remove(target, keep=existed)
        raise InputError(f"{error.filename or target}: {error.strerror or error}") from None
    return paths


def _remove(target: Path, *, keep: bool) -> None:
    """What was begun, in a folder that was empty or not there before."""
    if not keep:
        shutil.rmtree(target, ignore_errors=True)
        return
    for path in target.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def _next_steps(name: str, target: Path) -> list[str]:
    module = f"grid_{_module_name(name)}/__init__.py"
    return [
        "next:",
        f"    cd {os.fspath(target)}",
        "    uv pip install -e .      # or: pip install -e .",
        "    pytest                   # the toy keeps to the contract; so must what replaces it",
        "    grid backends            # it is there",
        f"then fill in {module}; docs/plugins.md of quantgrid shows how",
        "",
    ]


def _module_name(name: str) -> str:
    return name.replace("-", "_")


def _dashed_name(name: str) -> str:
    return name.replace("_", "-")
