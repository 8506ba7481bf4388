"""What goes wrong in vLLM, as the contract's errors of one line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from grid.errors import EngineError, GridError, OutOfMemory, Unsupported

_MEMORY = (
    "out of memory",
    "not enough memory",
    "can't allocate memory",
    "cannot allocate memory",
    "bad_alloc",
    "available memory on node",
    "free memory on device",
    "no available memory for the cache blocks",
    "larger than the available kv cache memory",
)
_KERNEL = re.compile(r"'(_C\w*|_OpNamespace)'.* has no attribute '(\w+)'")
_EMPTY_KERNEL = re.compile(r"(_C\w*)::(\w+)\(\) expected at most 0 argument")
"""An operation that is declared in every build and filled in some."""
_LONGEST = 300


def first_line(error: BaseException) -> str:
    """What an error says, on one line of readable length; of a list of validation errors the text
    of the first."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    for at, line in enumerate(lines):
        _, found, said = line.partition("Value error, ")
        if found:
            lines = [said.partition(" [type=")[0], *lines[at + 1 :]]
            break
    text = lines[0] if lines else type(error).__name__
    if text.endswith(":"):  # a list of reasons follows
        text = f"{text} {'; '.join(lines[1:])}".strip()
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."


def is_out_of_memory(error: BaseException) -> bool:
    """Whether vLLM, torch, the CUDA runtime or Python could not get memory."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    text = str(error).lower()
    return any(word in text for word in _MEMORY)


def lacking(error: BaseException) -> str:
    """What the build lacks on this machine; empty where the error is of another kind."""
    kernel = _KERNEL.search(str(error)) or _EMPTY_KERNEL.search(str(error))
    if isinstance(error, AttributeError | RuntimeError) and kernel:
        return f"this build has no kernel {kernel[2]} for this machine"
    if isinstance(error, NotImplementedError | ImportError):
        return first_line(error)
    return ""


@contextmanager
def loading(what: str) -> Iterator[None]:
    """Failures of loading: OutOfMemory; Unsupported where vLLM, its build or the machine lacks what
    the checkpoint wants; EngineError for the rest, such as damaged files."""
    try:
        yield
    except GridError:
        raise
    except Exception as error:  # loaders and validators raise whatever their packages raise
        if is_out_of_memory(error):
            raise OutOfMemory(f"{what} does not load: {first_line(error)}") from error
        if isinstance(error, ValueError | AssertionError | KeyError):
            raise Unsupported(f"{what} does not load: {first_line(error)}") from error
        if reason := lacking(error):
            raise Unsupported(f"{what} does not load: {reason}") from error
        kind = type(error).__name__
        raise EngineError(f"{what} does not load: {kind}: {first_line(error)}") from error


@contextmanager
def computing(what: str) -> Iterator[None]:
    """Failures of a computation: OutOfMemory, Unsupported for what has no kernel, EngineError."""
    try:
        yield
    except GridError:
        raise
    except Exception as error:  # whatever a kernel or the scheduler raises is the engine's failure
        if is_out_of_memory(error):
            raise OutOfMemory(f"{what}: {first_line(error)}") from error
        if reason := lacking(error):
            raise Unsupported(f"{what}: {reason}") from error
        raise EngineError(f"{what}: {type(error).__name__}: {first_line(error)}") from error
