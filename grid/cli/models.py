"""`grid models`: names of models that need no address."""

from __future__ import annotations

from grid.cli.help_text import Commands
from grid.cli.options import Json

EXAMPLES = """
grid models
grid sweep synthetic:llama-8b --quant Q4_K_M
grid sweep ollama:llama3.2:3b
"""


def register(app: Commands) -> None:
    """Add the command to the command line."""
    app.command(epilog=EXAMPLES)(models)


def models(as_json: Json = False) -> None:
    """List models that a sweep can name: bundled, made-up, and in Ollama's store.

    Files, folders, Hugging Face (hf:OWNER/NAME) and packages are named by their address.
    """
    from grid.cli.views.models import show_models

    show_models(as_json=as_json)
