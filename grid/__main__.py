"""`grid` and `python -m grid`."""

from __future__ import annotations

import signal
import sys
from types import FrameType

INTERRUPTED = 130


def main() -> None:
    """Run the command line; a `GridError` is one line on standard error and its exit code."""
    from grid.cli import app
    from grid.errors import GridError

    signal.signal(signal.SIGTERM, _interrupt)  # a queue's or a system's stop ends us as Ctrl-C does
    try:
        code = app(standalone_mode=False)
    except GridError as error:
        sys.stderr.write(f"grid: {error}\n")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.stderr.write("grid: interrupted; rows so far are kept. The same command resumes.\n")
        sys.exit(INTERRUPTED)
    except Exception as error:
        sys.exit(_usage(error))
    sys.exit(code or 0)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _usage(error: Exception) -> int:
    """Exit code of a wrong command line, shown as one line; any other error is a defect."""
    import click

    if isinstance(error, click.ClickException):
        sys.stderr.write(f"grid: {error.format_message()} Try `grid --help`.\n")
        return 2
    if isinstance(error, click.Abort):
        return INTERRUPTED
    raise error


if __name__ == "__main__":
    main()
