"""What goes wrong in torch and transformers, as the contract's errors of one line."""

from __future__ import annotations

from contextlib import AbstractContextManager

from grid.backend import (
    EngineError,
    Unsupported,
    first_line,
    is_out_of_memory,
    out_of_memory,
    translate_errors,
)


def computing(what: str) -> AbstractContextManager[None]:
    """Failures of a computation: OutOfMemory, Unsupported for what has no kernel, EngineError."""
    return translate_errors(what, _computing_error)


def _computing_error(what: str, error: Exception) -> EngineError | None:
    if isinstance(error, NotImplementedError | ImportError):
        return Unsupported(f"{what}: no kernel for it here ({first_line(error)})")
    if not isinstance(
        error, RuntimeError | ValueError | TypeError | IndexError | MemoryError | OSError
    ):
        return None
    if is_out_of_memory(error):
        return out_of_memory(what, error)
    return EngineError(f"{what}: {type(error).__name__}: {first_line(error)}")


def loading(what: str) -> AbstractContextManager[None]:
    """Failures of loading: OutOfMemory; Unsupported where the stack lacks what the checkpoint wants
    (a package, a device, a known configuration); EngineError for damaged files."""
    return translate_errors(what, _loading_error)


def _loading_error(what: str, error: Exception) -> EngineError:
    if is_out_of_memory(error):
        return out_of_memory(what, error)
    if isinstance(error, ImportError | ValueError | NotImplementedError | KeyError):
        return Unsupported(f"{what} does not load: {first_line(error)}")
    return EngineError(f"{what} does not load: {type(error).__name__}: {first_line(error)}")
