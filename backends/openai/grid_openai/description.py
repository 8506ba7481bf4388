"""A server that runs already, as a file: where it answers, for which model, and what it serves."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from grid.backend import Endpoint, InputError, Inspection, Model
from grid.backend.endpoint import Flavour
from grid.models.artifact import ArtifactFacts
from grid.models.identity import digest

Program = Literal["openai", "llama-cpp-python", "llama-server", "vllm", "ollama", "tgi"]

UNKNOWN_QUANT = "unknown"
"""The quant of weights of which neither the server nor its user says it."""

_LARGEST_BYTES = 2**20


class Description(msgspec.Struct, frozen=True, kw_only=True, tag="quantgrid endpoint 1"):
    """What a server says of itself, completed by what its user says.

    `program` is what serves, `version` its version; `digest` is of the weights as the server names
    them. `parameters` and `weight_bytes` are of the weights, `context` is in tokens; 0 where nobody
    says it. `tokenizer` is a file or folder of this machine.
    """

    url: str
    model: str
    program: Program
    version: str = ""
    key_variable: str = ""
    name: str = ""
    digest: str = ""
    quant: str = UNKNOWN_QUANT
    family: str = ""
    architecture: str = ""
    context: int = 0
    parameters: int = 0
    weight_bytes: int = 0
    bits: float = 0.0
    vocabulary: int = 0
    tokenizer: str = ""
    chat: bool = False

    @property
    def flavour(self) -> Flavour:
        return self.program if self.program in ("ollama", "tgi") else "openai"

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint(
            url=self.url,
            model=self.model,
            flavour=self.flavour,
            key_variable=self.key_variable,
        )

    @property
    def identity(self) -> str:
        """What the served weights are, wherever they are served."""
        if self.digest:
            return digest("served", self.digest)
        return digest(
            "served", self.name, self.quant, self.parameters, self.weight_bytes, self.context
        )

    def encode(self) -> bytes:
        return msgspec.json.format(msgspec.json.encode(self)) + b"\n"


def read_description(path: Path) -> Description:
    """Raises InputError for a file that is none."""
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            raise ValueError("too large")
        return msgspec.json.decode(path.read_bytes(), type=Description)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: describes no endpoint ({error})") from error


def inspect_description(path: Path) -> Inspection:
    """See `grid.backend.Backend.inspect`. The bytes and bits of the facts are 0 where the server
    does not say them."""
    from grid.models.checksum import file_sha256

    served = read_description(path)
    model = Model(
        name=served.name,
        family=served.family,
        source=served.url,
        revision=served.identity,
        architecture=served.architecture,
        parameters=served.parameters,
        context_length=served.context,
        vocabulary=served.vocabulary,
        chat=served.chat,
    )
    facts = ArtifactFacts(
        bytes=served.weight_bytes,
        sha256=file_sha256(path),
        bpw_file=served.bits,
        bpw_layer=served.bits,
        elements=served.parameters,
    )
    return Inspection(model=model, quant=served.quant, facts=facts)
