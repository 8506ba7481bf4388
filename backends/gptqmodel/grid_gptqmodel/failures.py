"""What goes wrong in GPTQModel and the retired packages, as the contract's errors of one line."""

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


def loading_with_kernel(what: str, kernel: str) -> AbstractContextManager[None]:
    """GPTQModel raises what it likes; a kernel that does not fit is unsupported."""

    def translate(what: str, error: Exception) -> EngineError:
        if is_out_of_memory(error):
            return out_of_memory(what, error)
        kinds = ImportError | ValueError | NotImplementedError | KeyError | TypeError
        line = f"{what} does not load with kernel {kernel}: {first_line(error)}"
        return Unsupported(line) if isinstance(error, kinds) else EngineError(line)

    return translate_errors(what, translate)


def loading_retired(what: str) -> AbstractContextManager[None]:
    """The retired packages say in no way whose fault it was: OutOfMemory, or Unsupported."""

    def translate(what: str, error: Exception) -> EngineError:
        if is_out_of_memory(error):
            return out_of_memory(what, error)
        return Unsupported(f"{what} does not load: {first_line(error)}")

    return translate_errors(what, translate)


def quantizing(recipe: str, source: str) -> AbstractContextManager[None]:
    """Failures of making `recipe` of the folder `source`. What the disk refuses passes as it is."""

    def translate(recipe: str, error: Exception) -> EngineError | None:
        if isinstance(error, OSError):
            return None
        if is_out_of_memory(error):
            return out_of_memory(recipe, error)
        line = f"{type(error).__name__}: {first_line(error)}"
        return EngineError(f"{recipe} of {source} cannot be made: {line}")

    return translate_errors(recipe, translate)
