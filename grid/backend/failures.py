"""What an engine's packages raise, as the contract's errors of one line.

def loading(what):
    return translate_errors(what, _loading_error)

def _loading_error(what, error):
    if is_out_of_memory(error):
        return out_of_memory(what, error)
    return EngineError(f"{what} does not load: {first_line(error)}")
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from grid.errors import EngineError, GridError, OutOfMemory

MEMORY_PHRASES = (
    "out of memory",
    "not enough memory",
    "can't allocate memory",
    "cannot allocate memory",
    "bad_alloc",
    "bad allocation",
)
"""How torch, the CUDA runtime, C++ and the system say that there is no memory, in lower case."""

LONGEST_LINE = 300
"""Characters of an engine's own text that a line of ours quotes."""


@contextmanager
def translate_errors(
    what: str, translate: Callable[[str, Exception], EngineError | None]
) -> Iterator[None]:
    """Raise what `translate(what, error)` makes of an exception. Errors of the grid pass as they
    are, and so does an exception of which it makes None."""
    try:
        yield
    except GridError:
        raise
    except Exception as error:  # engines raise whatever their packages raise
        translated = translate(what, error)
        if translated is None:
            raise
        raise translated from error


def first_line(error: BaseException) -> str:
    """The first line of a message that says something, cut to a readable length; the exception's
    type where it says nothing."""
    lines = (line.strip() for line in str(error).splitlines())
    return shorten(next((line for line in lines if line), type(error).__name__))


def shorten(line: str) -> str:
    """At most LONGEST_LINE characters of a line."""
    return line if len(line) <= LONGEST_LINE else line[: LONGEST_LINE - 3] + "..."


def is_out_of_memory(
    error: BaseException,
    phrases: tuple[str, ...] = MEMORY_PHRASES,
    kinds: tuple[type[BaseException], ...] = (RuntimeError, OSError),
) -> bool:
    """Whether memory was asked for in vain: Python's MemoryError, torch's OutOfMemoryError, or one
    of `kinds` whose text has one of `phrases`."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    text = str(error).lower()
    return isinstance(error, kinds) and any(phrase in text for phrase in phrases)


def out_of_memory(what: str, error: BaseException) -> OutOfMemory:
    """The contract's error for memory that `what` did not get."""
    return OutOfMemory(f"{what}: out of memory ({first_line(error)})")
