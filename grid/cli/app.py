"""`grid app`: the explorer in a browser."""

from __future__ import annotations

from typing import Annotated

import typer

from grid.cli.help_text import Commands
from grid.cli.options import StoreUri
from grid.errors import InputError

EXAMPLES = """
grid app
grid app --store all-machines --port 9000
grid app --address 0.0.0.0           for everybody in the network
"""


def register(app: Commands) -> None:
    """Add the command to the command line."""
    app.command("app", epilog=EXAMPLES)(explore)


def explore(
    store: StoreUri = "results",
    port: Annotated[
        int, typer.Option(min=1, max=65535, metavar="PORT", help="Where the page is served.")
    ] = 8501,
    address: Annotated[
        str,
        typer.Option(
            metavar="IP", help="Who may open it: 127.0.0.1 this machine, 0.0.0.0 everybody."
        ),
    ] = "127.0.0.1",
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Serve only, open no browser.")
    ] = False,
) -> None:
    """Look at the results in the browser.

    Serves until Ctrl-C. Nothing leaves this machine, and no usage statistics are sent.
    """
    from grid.results.uris import without_credentials

    _require_free(address, port)
    typer.echo(f"http://{address}:{port}  over {without_credentials(store)}; stop with Ctrl-C")
    _serve(store, port, address, no_browser)


def _require_free(address: str, port: int) -> None:
    """Raises InputError where nothing can be served at the address and port."""
    import socket

    try:
        family, kind, _, _, place = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(place)
    except OSError as error:
        raise InputError(
            f"cannot serve at {address} port {port}: {error.strerror or error}; "
            "try another --port, or the --address of this machine"
        ) from error


def _serve(store: str, port: int, address: str, no_browser: bool) -> None:
    import os
    from importlib.util import find_spec

    from streamlit.web.cli import main

    from grid.app.colours import theme_settings

    page = find_spec("grid.app.script.run")
    if page is None or page.origin is None:
        raise InputError("the explorer is not installed; install quantgrid again")
    os.environ["QUANTGRID_STORE"] = store
    settings = {
        "server.port": port,
        "server.address": address,
        "server.headless": str(no_browser).lower(),
        "server.showEmailPrompt": "false",  # it would wait for an answer before the first page
        "server.fileWatcherType": "none",
        "browser.gatherUsageStats": "false",
        "client.toolbarMode": "minimal",
        "client.showErrorDetails": "full",
    } | theme_settings()
    flags = [f"--{name}={value}" for name, value in settings.items()]
    main(["run", page.origin, *flags], standalone_mode=False)
