"""The file tree that a program sees: a Python, the system's libraries, four devices, a scratch."""

from __future__ import annotations

import os
import sys
import sysconfig
from pathlib import Path
from typing import TypedDict

PYTHON = "/python/bin/python3"
LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64")
DEVICES = ("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom")
PACKAGES = ("site-packages", "dist-packages")


class FileTree(TypedDict):
    """`binds`: (path here, path there), read-only. `links`: (path there, where it leads).
    `masks`: folders there that are covered by an empty one."""

    binds: list[tuple[str, str]]
    links: list[tuple[str, str]]
    masks: list[str]


def interpreter() -> Path:
    """The Python that started this one's environment, links resolved: the same version, with its
    standard library beside it."""
    return Path(getattr(sys, "_base_executable", sys.executable)).resolve()


def plan_tree() -> FileTree:
    """The tree, with this Python moved to /python so that its home, often a user's, is not there.

    Installed packages are covered: a program has the standard library and nothing else.
    """
    binds, links = [(str(interpreter()), PYTHON)], []
    for path in LIBRARIES:
        if os.path.islink(path):
            links.append((path, os.readlink(path)))
        elif os.path.isdir(path):
            binds.append((path, path))
    for name in ("lib", "lib64"):
        folder = Path(sys.base_prefix, name)
        if folder.is_dir() and not folder.is_symlink():
            binds.append((str(folder), f"/python/{name}"))
    binds += [(device, device) for device in DEVICES]
    return {"binds": binds, "links": links, "masks": [*_package_folders(binds)]}


def _package_folders(binds: list[tuple[str, str]]) -> list[str]:
    """Where installed packages would stand in the tree."""
    version = f"python{sysconfig.get_python_version()}"
    return [
        f"{there}/{python}/{packages}"
        for here, there in binds
        for python in ("python3", version)
        for packages in PACKAGES
        if Path(here, python, packages).is_dir()
    ]
