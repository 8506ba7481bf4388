"""What goes wrong in torch and transformers, as the contract's errors of one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from grid.errors import EngineError, GridError, OutOfMemory, Unsupported

_MEMORY = (
    "out of memory",
    "not enough memory",
    "can't allocate memory",
    "cannot allocate memory",
    "bad_alloc",
    "bad allocation",
)
_LONGEST = 300


def first_line(error: BaseException) -> str:
    """The first line of a message that says something, cut to a readable length."""
    lines = (line.strip() for line in str(error).splitlines())
    line = next((line for line in lines if line), type(error).__name__)
    return line if len(line) <= _LONGEST else line[: _LONGEST - 3] + "..."


def is_out_of_memory(error: BaseException) -> bool:
    """Whether torch, the CUDA runtime or Python could not get memory."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError | OSError) and any(word in text for word in _MEMORY)


@contextmanager
def computing(what: str) -> Iterator[None]:
    """Failures of a computation: OutOfMemory, Unsupported for what has no kernel, EngineError."""
    try:
        yield
    except GridError:
        raise
    except (NotImplementedError, ImportError) as error:
        raise Unsupported(f"{what}: no kernel for it here ({first_line(error)})") from error
    except (RuntimeError, ValueError, TypeError, IndexError, MemoryError, OSError) as error:
        if is_out_of_memory(error):
            raise OutOfMemory(f"{what}: out of memory ({first_line(error)})") from error
        raise EngineError(f"{what}: {type(error).__name__}: {first_line(error)}") from error


@contextmanager
def loading(what: str) -> Iterator[None]:
    """Failures of loading: OutOfMemory; Unsupported where the stack lacks what the checkpoint wants
    (a package, a device, a known configuration); EngineError for damaged files."""
    try:
        yield
    except GridError:
        raise
    except Exception as error:
        # Loaders of quantized weights raise whatever their packages raise.
        if is_out_of_memory(error):
            raise OutOfMemory(f"{what}: out of memory ({first_line(error)})") from error
        if isinstance(error, ImportError | ValueError | NotImplementedError | KeyError):
            raise Unsupported(f"{what} does not load: {first_line(error)}") from error
        raise EngineError(
            f"{what} does not load: {type(error).__name__}: {first_line(error)}"
        ) from error
