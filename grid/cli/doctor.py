"""`grid doctor`: this machine and its backends, and what to mend."""

from __future__ import annotations

import sys

import typer

from grid.cli.help_text import Commands
from grid.cli.options import FreshProbe, Json

EXAMPLES = """
grid doctor
grid doctor --json | jq .backends
"""


def register(app: Commands) -> None:
    """Add the command to the command line."""
    app.command(epilog=EXAMPLES)(doctor)


def doctor(fresh: FreshProbe = False, as_json: Json = False) -> None:
    """Check this machine and its backends; say what to mend.

    Exit codes: 0 some backend runs here or can be installed, 1 none does.
    """
    from grid.cli.views.doctor import Checkup, show_checkup
    from grid.hardware.probe import probe_node

    waiting = "asking each backend ..." if sys.stderr.isatty() else ""
    sys.stderr.write(f"{waiting}\r" if waiting else "")
    sys.stderr.flush()
    checkup = Checkup.of(probe_node(fresh))
    sys.stderr.write(f"{' ' * len(waiting)}\r" if waiting else "")
    show_checkup(checkup, as_json=as_json)
    raise typer.Exit(0 if checkup.is_usable else 1)
