"""The command that serves a folder: `transformers serve`, which loads it through GPTQModel."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from grid_transformers import serving

from grid.backend import Artifact, ServeCommand, ServeRequest

_NOTE = "needs the packages gptqmodel and optimum beside transformers; it chooses its own kernel"


def serve_command(artifact: Artifact, request: ServeRequest) -> Sequence[ServeCommand]:
    """See `grid.backend.Serves`."""
    return [
        msgspec.structs.replace(command, notes=(_NOTE, *command.notes))
        for command in serving.serve_command(artifact, request)
    ]
