"""`grid` and `python -m grid`."""

from __future__ import annotations

import os
import sys
from typing import Any, NoReturn

INTERRUPTED = 130
NO_HOME = (
    "no home folder: HOME is not set, or a path begins with ~ and a user who is not known; "
    "set HOME, or write the whole path"
)


def main() -> None:
    """Run the command line and exit with its code.

    A user's mistake is one line on standard error, and so is output that cannot be written; any
    other exception is a defect and keeps its traceback.
    """
    from grid.cli.standard_streams import guarded_streams

    with guarded_streams():
        _run()


def _run() -> None:
    from typer.exceptions import Abort, TyperException

    from grid.cli import command_line
    from grid.engine.interrupts import listen
    from grid.errors import ClusterLost, GridError

    listen()
    reported = False
    try:
        code = command_line(args=sys.argv[1:], prog_name="grid", standalone_mode=False)
    except ClusterLost as error:
        _exit_at_once(_report(str(error), error.exit_code))
    except GridError as error:
        code, reported = _report(str(error), error.exit_code), True
    except TyperException as error:
        code = _report(_explain(error), 2)
    except RuntimeError as error:
        if "home directory" not in str(error):  # as pathlib and platformdirs say it
            raise
        code = _report(NO_HOME, 2)
    except (KeyboardInterrupt, Abort):
        code = INTERRUPTED  # typer itself makes this of an interrupt while a command runs
    if code == INTERRUPTED and not reported:
        hint = (
            "; rows so far are kept, the same command resumes" if "sweep" in sys.argv[1:2] else ""
        )
        _report(f"interrupted{hint}", INTERRUPTED)
    sys.exit(code or 0)


def _explain(error: Any) -> str:
    """What is wrong with the command line, and whose help to read."""
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "grid"
    message = error.format_message().rstrip(".")
    join = " Try" if message.endswith("?") else "; try"
    return f"{message[:1].lower()}{message[1:]}{join} `{command} --help`"


def _report(message: str, code: int) -> int:
    from grid.cli.views.console import say
    from grid.models.display_names import visible

    say(visible(f"grid: {message}"))
    return code


def _exit_at_once(code: int) -> NoReturn:
    """Exit at once: Ray's threads, whose head is gone, may crash while the interpreter ends, and
    with them the exit code."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
