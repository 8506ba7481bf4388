"""The endpoint of an engine that answers over HTTP: what a load of requests is sent to."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Annotated, Literal, Protocol, runtime_checkable
from urllib.parse import urlsplit

import msgspec

Flavour = Literal["openai", "ollama", "tgi"]

ENDPOINT_FORMAT = "endpoint"
"""The format of an artifact that is a server's: a file that says where it answers, and for what."""


def is_loopback(url: str) -> bool:
    """Whether a URL is of this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """A server that is ready to answer.

    `url` is its root, without `/v1` and without a slash at its end; `model` is the name that
    requests give, `flavour` the API that it speaks. `key_variable` names the environment variable
    that holds its key, empty where it wants none: the key itself is never kept, written or logged.
    """

    url: str
    model: str
    flavour: Flavour = "openai"
    key_variable: str = ""


class EndpointSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A server that runs already, as a sweep file names it.

    `url` as of `Endpoint`, `/v1` at its end allowed. Empty where the server says it, or nothing
    does: `model`, needed where it has several, `flavour`, and what it serves: `quant`, `context`
    (tokens, 0), `digest` of the weights. `tokenizer` is a GGUF file or a folder in Hugging Face's
    layout with the model's tokenizer, for servers without an endpoint for it.
    """

    url: str
    model: str = ""
    flavour: Literal["", "openai", "ollama", "tgi"] = ""
    key_variable: str = ""
    quant: str = ""
    context: Annotated[int, msgspec.Meta(ge=0)] = 0
    digest: str = ""
    tokenizer: str = ""


@runtime_checkable
class HasEndpoint(Protocol):
    """Beside other capabilities of an engine: requests can be sent to it over HTTP, many at a
    time."""

    def endpoint(self) -> Endpoint:
        """Where this engine answers while it is loaded."""
        ...


@runtime_checkable
class DescribesEndpoints(Protocol):
    """Implemented by the backend itself, where it measures servers that run already."""

    def describe_endpoint(self, settings: EndpointSettings) -> bytes:
        """The content of the file that stands for the server as an artifact of the format
        `endpoint`, which `inspect` and `load` read. Asks the server. Raises InputError, one line,
        where it does not answer or is not as the settings say."""
        ...
