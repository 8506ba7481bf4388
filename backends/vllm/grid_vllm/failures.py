"""What goes wrong in vLLM, as the contract's errors of one line."""

from __future__ import annotations

import re
from contextlib import AbstractContextManager

from grid.backend import (
    EngineError,
    OutOfMemory,
    Unsupported,
    is_out_of_memory,
    translate_errors,
)
from grid.backend.failures import MEMORY_PHRASES, shorten

_MEMORY = (
    *MEMORY_PHRASES,
    "available memory on node",
    "free memory on device",
    "no available memory for the cache blocks",
    "larger than the available kv cache memory",
)
_KERNEL = re.compile(r"'(_C\w*|_OpNamespace)'.* has no attribute '(\w+)'")
_EMPTY_KERNEL = re.compile(r"(_C\w*)::(\w+)\(\) expected at most 0 argument")
"""An operation that is declared in every build and filled in some."""


def first_line(error: BaseException) -> str:
    """What an error says, on one line of readable length; of a list of validation errors the text
    of the first."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    for at, line in enumerate(lines):
        _, separator, reason = line.partition("Value error, ")
        if separator:
            lines = [reason.partition(" [type=")[0], *lines[at + 1 :]]
            break
    text = lines[0] if lines else type(error).__name__
    if text.endswith(":"):  # a list of reasons follows
        text = f"{text} {'; '.join(lines[1:])}".strip()
    return shorten(text)


def missing_kernel(error: BaseException) -> str:
    """What the build lacks on this machine; empty where the error is of another kind."""
    kernel = _KERNEL.search(str(error)) or _EMPTY_KERNEL.search(str(error))
    if isinstance(error, AttributeError | RuntimeError) and kernel:
        return f"this build has no kernel {kernel[2]} for this machine"
    if isinstance(error, NotImplementedError | ImportError):
        return first_line(error)
    return ""


def loading(what: str) -> AbstractContextManager[None]:
    """Failures of loading: OutOfMemory; Unsupported where vLLM, its build or the machine lacks what
    the checkpoint wants; EngineError for the rest, such as damaged files."""
    return translate_errors(f"{what} does not load", _loading_error)


def computing(what: str) -> AbstractContextManager[None]:
    """Failures of a computation: OutOfMemory, Unsupported for what has no kernel, EngineError."""
    return translate_errors(what, _computing_error)


def _loading_error(what: str, error: Exception) -> EngineError:
    refused = isinstance(error, ValueError | AssertionError | KeyError)
    if refused and not is_out_of_memory(error, _MEMORY, (Exception,)):
        return Unsupported(f"{what}: {first_line(error)}")
    return _computing_error(what, error)


def _computing_error(what: str, error: Exception) -> EngineError:
    if is_out_of_memory(error, _MEMORY, (Exception,)):
        return OutOfMemory(f"{what}: {first_line(error)}")
    if reason := missing_kernel(error):
        return Unsupported(f"{what}: {reason}")
    return EngineError(f"{what}: {type(error).__name__}: {first_line(error)}")
