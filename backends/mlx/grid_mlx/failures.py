"""What MLX and its model classes raise, as the contract's errors of one line."""

from __future__ import annotations

from contextlib import AbstractContextManager

from grid.backend import EngineError, OutOfMemory, Unsupported, translate_errors
from grid.backend.failures import LONGEST_LINE

_MEMORY_WORDS = ("unable to allocate", "insufficient memory", "out of memory", "maximum allowed")
_UNSUPPORTED_WORDS = ("not supported", "unsupported", "nyi", "custom module")
_KINDS = (
    RuntimeError, ValueError, TypeError, KeyError, AttributeError, IndexError, AssertionError,
    OSError, ImportError, NotImplementedError,
)  # fmt: skip


def evaluating(what: str) -> AbstractContextManager[None]:
    """Failures of loading and of evaluation: OutOfMemory, Unsupported, EngineError."""
    return translate_errors(what, _translate)


def _translate(what: str, error: Exception) -> EngineError | None:
    line = f"{what}: {one_line(error)}"
    if isinstance(error, MemoryError):
        return OutOfMemory(line)
    if not isinstance(error, _KINDS):
        return None
    text = str(error).lower()
    if any(word in text for word in _MEMORY_WORDS):
        return OutOfMemory(line)
    if isinstance(error, NotImplementedError) or any(word in text for word in _UNSUPPORTED_WORDS):
        return Unsupported(line)
    return EngineError(line)


def one_line(error: BaseException) -> str:
    """An exception's text without breaks, at most 300 characters; its type where that says more."""
    text = " ".join(str(error).split())[:LONGEST_LINE]
    if isinstance(error, KeyError):
        return f"{text} is missing"
    return text or type(error).__name__
