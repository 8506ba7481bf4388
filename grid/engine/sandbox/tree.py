"""The file tree that a program sees: a Python with the shared libraries it loads, four devices, and
a scratch folder. Nothing else of this machine's folders is in it."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import NamedTuple

PYTHON = "/python/bin/python3"
DEVICES = ("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom")
PACKAGES = ("site-packages", "dist-packages")

_LIST_LIBRARIES = """
import ctypes, os, sys
folders = [path for path in sys.path if path.endswith("lib-dynload") and os.path.isdir(path)]
for name in [name.split(".")[0] for path in folders for name in os.listdir(path)]:
    if "test" not in name and "tkinter" not in name:
        try:
            __import__(name)
        except Exception:
            pass  # a program could not import it either
try:
    ctypes.CDLL("libgcc_s.so.1")  # the C library loads it when a thread is cancelled
except OSError:
    pass
class Object(ctypes.Structure):
    _fields_ = (("address", ctypes.c_void_p), ("name", ctypes.c_char_p))
def show(item, size, data):
    print(os.fsdecode(item.contents.name or b""))
    return 0
kind = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(Object), ctypes.c_size_t, ctypes.c_void_p
)
ctypes.CDLL(None).dl_iterate_phdr(kind(show), None)
"""
"""Names of all that the dynamic linker has loaded once every extension module is imported."""


class FileTree(NamedTuple):
    """`binds`: (path here, path there), read-only. `masks`: folders there that are covered by an
    empty one."""

    binds: list[tuple[str, str]]
    masks: list[str]


def interpreter() -> Path:
    """The Python that this one's environment was made of, links resolved."""
    return Path(getattr(sys, "_base_executable", sys.executable)).resolve()


def linker_environment() -> dict[str, str]:
    """What of the environment this Python needs to find its own libraries."""
    return {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ}


def plan_tree() -> FileTree:
    """The tree. Python stands in /python, so that the folder it is installed in, often in a user's
    home, does not show. Installed packages are covered: a program has the standard library."""
    source = sysconfig.get_path("stdlib")
    bases = dict.fromkeys(("base", "platbase", "installed_base", "installed_platbase"), "/python")
    target = sysconfig.get_path("stdlib", vars=bases)
    return FileTree(
        binds=[
            (str(interpreter()), PYTHON),
            (source, target),
            *_libraries(source),
            *((device, device) for device in DEVICES),
        ],
        masks=[f"{target}/{name}" for name in PACKAGES if Path(source, name).is_dir()],
    )


def _libraries(standard_library: str) -> list[tuple[str, str]]:
    """Shared libraries: Python's own beside it, as it may name them by where it stands itself, the
    dynamic linker, which programs name by its path, where it stands here, and the system's in /lib.
    Raises OSError where this Python cannot list them."""
    done = subprocess.run(
        [str(interpreter()), "-I", "-S", "-c", _LIST_LIBRARIES],
        env=linker_environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or [f"exit status {done.returncode}"]
        raise OSError(f"it cannot list its libraries: {last[0]}")
    paths = [os.path.abspath(name) for name in done.stdout.splitlines() if "/" in name]
    return [
        (path, _place(Path(path))) for path in paths if not path.startswith(f"{standard_library}/")
    ]


def _place(library: Path) -> str:
    """Where a shared library stands in the tree."""
    if library.name.startswith("ld"):
        return str(library)
    if library.is_relative_to(sys.base_prefix) and sys.base_prefix != "/usr":
        return f"/python/{library.relative_to(sys.base_prefix)}"
    return f"/lib/{library.name}"
