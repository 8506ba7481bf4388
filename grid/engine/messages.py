"""The messages between the driver and an engine's process: one JSON object per line.

Only data crosses, no pickles and no code: either side decodes into the types below or fails.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from grid.backend import Availability, Calibration
from grid.cells.cell import Options
from grid.cells.measurement import ItemResult, Series
from grid.cells.workload import Quality, Workload
from grid.hardware.node import Node


class Load(msgspec.Struct, tag=True, frozen=True, kw_only=True):
    """Load an artifact's file in a backend; the reply is Loaded."""

    backend: str
    path: str
    device: str
    options: Options
    memory_limit: int | None = None
    """Bytes of private memory the process may take (RLIMIT_DATA where the system has it)."""


class Measure(msgspec.Struct, tag=True, frozen=True, kw_only=True):
    """Run one workload on the loaded engine; the reply is Raw.

    `kv_bytes` is the predicted size of the KV cache, `reference` the file with the 16-bit model's
    distribution, where the workload compares with one. `context_length` is the model's, in tokens;
    0 where it is not known.
    """

    workload: Workload
    kv_bytes: int = 0
    reference: str | None = None
    context_length: int = 0
    reference_target: str | None = None
    """Where the run writes its own distribution: the engine is what others compare with."""
    probes_noise: bool = False
    """The run looks for the engine's noise, and ends early where there is none."""


class MakeReference(msgspec.Struct, tag=True, frozen=True, kw_only=True):
    """Write the loaded engine's distribution over a text to `target`; the reply is FileMade."""

    workload: Quality
    target: str


class WriteText(msgspec.Struct, tag=True, frozen=True, kw_only=True):
    """Have the loaded engine answer the prompts that the workload names, and write its
    conversations to `target`; the reply is FileMade. `context_length` is as of Measure."""

    workload: Quality
    target: str
    context_length: int = 0


class Continue(msgspec.Struct, tag=True, frozen=True, kw_only=True):
    """Continue a text on the loaded engine, always by the likeliest token; the reply is Continued.

    `context_length` is the model's, in tokens; 0 where it is not known. `chat`: the text is a
    user's message, put to the model through its chat template; `auto` where it has one.
    """

    prompt: str
    tokens: int
    context_length: int = 0
    chat: Literal["plain", "auto"] = "plain"


class Quantize(msgspec.Struct, tag=True, frozen=True, kw_only=True):
    """Make an artifact; needs no loaded engine. The reply is FileMade."""

    backend: str
    source: str
    recipe: str
    target: str
    threads: int
    calibration: Calibration | None = None
    device: str = "cpu"


class Probe(msgspec.Struct, tag=True, frozen=True, kw_only=True):
    """Ask a backend in its own environment whether it runs; the reply is Probed."""

    backend: str
    node: Node


Request = Load | Measure | MakeReference | WriteText | Continue | Quantize | Probe


class Loaded(msgspec.Struct, tag=True, frozen=True, kw_only=True):
    """The engine is ready; `engine_s` is the time that loading took."""

    engine_version: str
    environment: dict[str, str]
    engine_s: float


class Raw(msgspec.Struct, tag=True, frozen=True, kw_only=True):
    """The raw results of a workload."""

    scalars: dict[str, float]
    series: tuple[Series, ...]
    items: tuple[ItemResult, ...]
    environment: dict[str, str]
    engine_s: float


class Continued(msgspec.Struct, tag=True, frozen=True, kw_only=True):
    """The tokens of a text and of its continuation; `spelling` are the latter's bytes, `times_s`
    when each came, in seconds after the prompt was given."""

    prompt: tuple[int, ...]
    tokens: tuple[int, ...]
    spelling: tuple[bytes, ...]
    times_s: tuple[float, ...]
    engine_s: float
    templated: bool = False
    """The prompt went through the model's chat template."""


class FileMade(msgspec.Struct, tag=True, frozen=True, kw_only=True):
    """A file was written."""

    engine_s: float


class Probed(msgspec.Struct, tag=True, frozen=True, kw_only=True):
    """Whether the engine runs."""

    availability: Availability


class Failed(msgspec.Struct, tag=True, frozen=True, kw_only=True):
    """The request failed with one of the statuses of a measurement."""

    status: str
    reason: str
    engine_s: float = 0.0


class RequestProgress(msgspec.Struct, tag=True, frozen=True, kw_only=True):
    """How far a request is, before its reply: `done` of `total` of a `unit`, such as `chunks`."""

    done: int
    total: int
    unit: str


Reply = Loaded | Raw | Continued | FileMade | Probed | Failed

_encoder = msgspec.json.Encoder()
_requests = msgspec.json.Decoder(Request)
_replies = msgspec.json.Decoder(Reply | RequestProgress)


def encode(message: Any) -> bytes:
    """One line, newline included."""
    return _encoder.encode(message) + b"\n"


def decode_request(line: bytes) -> Request:
    return _requests.decode(line)  # type: ignore[no-any-return]


def decode_reply(line: bytes) -> Reply | RequestProgress:
    return _replies.decode(line)  # type: ignore[no-any-return]
