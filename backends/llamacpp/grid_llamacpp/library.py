"""The linked llama.cpp: loaded once a process, its log kept instead of printed."""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
import sys
import types
from collections import deque
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from grid.backend import EngineError, OutOfMemory, Unsupported

PACKAGE = "llama-cpp-python"
_MODULE = "llama_cpp"
_CONTINUED = 5
_MEMORY_WORDS = (
    "failed to allocate",
    "unable to allocate",
    "bad_alloc",
    "out of memory",
    "cannot allocate memory",
    "failed to initialize the memory",
    "failed to mmap",
    "failed to map",
)
_UNSUPPORTED_WORDS = (
    "unknown model architecture",
    "requires flash_attn",
    "requires flash attention",
    "requires an imatrix",
    "is not supported",
    "not supported by",
    "unsupported",
    "unknown pre-tokenizer",
)


class Log:
    """The engine's last lines, oldest first; `mark` and `since` cut out those of one call."""

    def __init__(self, api: Any) -> None:
        self._lines: deque[str] = deque(maxlen=2000)
        self._count = 0
        self._api = api
        self._callback = api.llama_log_callback(lambda level, text, _: self.write(level, text))
        self._listen()

    def _listen(self) -> None:
        self._api.llama_log_set(self._callback, ctypes.c_void_p(0))

    def write(self, level: int, text: bytes) -> None:
        line = text.decode("utf-8", errors="replace")
        if level == _CONTINUED and self._lines:
            self._lines[-1] += line
            return
        self._lines.append(line)
        self._count += 1

    def mark(self) -> int:
        # The engine has one listener in a process; importing the whole package takes its place.
        self._listen()
        return self._count

    def since(self, mark: int) -> list[str]:
        new = min(self._count - mark, len(self._lines))
        return [line.strip() for line in list(self._lines)[len(self._lines) - new :]]


class Library:
    """Functions and constants of `llama.h` as `api`, and the log."""

    def __init__(self, api: Any) -> None:
        self.api = api
        self.log = Log(api)
        api.llama_backend_init()
        self.cdll = api._lib
        self.cdll.llama_version.restype = ctypes.c_char_p

    @property
    def version(self) -> str:
        """`llama-cpp-python 0.3.36 (llama.cpp 0.5.0)`: the engine's version in results."""
        return f"{PACKAGE} {package_version()} (llama.cpp {self.cdll.llama_version().decode()})"

    @property
    def features(self) -> str:
        """What the library was compiled to use here: instruction sets and accelerators."""
        text: str = self.api.llama_print_system_info().decode()
        return " ".join(part.strip().replace(" = 1", "") for part in text.split("|")).strip()

    def error(self, what: str, mark: int) -> EngineError:
        """The error that the log since `mark` tells of, as one line that begins with `what`."""
        lines = self.log.since(mark)
        text = " ".join(lines).lower()
        complaint = _last_complaint(lines)
        message = f"{what}: {complaint}" if complaint else what
        if any(word in text for word in _MEMORY_WORDS):
            return OutOfMemory(message)
        if any(word in complaint.lower() for word in _UNSUPPORTED_WORDS):
            return Unsupported(message)
        return EngineError(message)


def _last_complaint(lines: list[str]) -> str:
    words = ("error", "fail", "invalid", "unknown", "require", "unable", "not ", "cannot")
    telling = [line for line in lines if any(word in line.lower() for word in words)]
    # The outermost caller only repeats that loading failed; the line before it says why.
    specific = [line for line in telling if not line.startswith("llama_model_load_from_file_impl")]
    return (specific or telling or [""])[-1][:300]


def folder() -> Path | None:
    """Where the package is installed, None where it is not; imports nothing."""
    spec = importlib.util.find_spec(_MODULE)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations)))


def package_version() -> str | None:
    """Version of the installed distribution, None where there is none; imports nothing."""
    try:
        return version(PACKAGE)
    except PackageNotFoundError:
        return None


@cache
def library() -> Library:
    """The library, loaded at first use. Raises EngineError where it is missing or broken.

    Only the package's binding module is imported: the package itself pulls in a chat server's
    needs (templates, grammars) and takes several times as long.
    """
    where = folder()
    if where is None:
        raise EngineError(f"{PACKAGE} is not installed in this environment")
    package = types.ModuleType(_MODULE)
    package.__path__ = [str(where)]
    whole = sys.modules.get(_MODULE)
    sys.modules.setdefault(_MODULE, package)
    try:
        api = importlib.import_module(f"{_MODULE}.llama_cpp")
    except (OSError, RuntimeError, AttributeError, ImportError) as error:
        raise EngineError(f"{PACKAGE} is installed but does not load: {error}") from error
    finally:
        if whole is None:
            del sys.modules[_MODULE]
    return Library(api)
