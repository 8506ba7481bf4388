"""The plugin contract: what a backend declares, and what its engine can do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

import msgspec
import numpy as np
import numpy.typing as npt

from grid.cells.cell import Options
from grid.cells.serving import ServeCommand, ServeRequest
from grid.cells.workload import Workload
from grid.hardware.node import Node
from grid.models.artifact import Artifact, Inspection

Capability = Literal[
    "tokenizes", "scores", "logits", "steps", "generates", "embeds", "quantizes", "endpoint"
]

ENTRY_POINT_GROUP = "quantgrid.backends"


class Availability(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a backend runs on a node; if not, `reason` and the one command that mends it. Where
    it runs, `reason` is what its user should know, if anything."""

    ready: bool
    version: str = ""
    devices: tuple[str, ...] = ()
    reason: str = ""
    mend: str = ""


class Needs(msgspec.Struct, frozen=True, kw_only=True):
    """What a cell takes: bytes on the host and on the device, and the kind of accelerator.

    `kv_bytes` is the part of either that is the KV cache, as predicted from the model's shape.
    """

    host_bytes: int
    device_bytes: int = 0
    kv_bytes: int = 0
    accelerator: str | None = None


class TokenScores(NamedTuple):
    """Per scored token, natural logarithms. Arrays of length n (tokens of the continuation)."""

    log_probs: npt.NDArray[np.float64]
    argmax: npt.NDArray[np.int64]


class Engine(Protocol):
    """A loaded model. Everything beyond this is a capability.

    `version` is the engine's own; `environment()` returns what a reader of a number must know
    (build, kernels, threads); `resize` makes room for that many tokens of context, dropping what
    was held; `memory_report()` gives bytes the engine itself reports (`kv_buffer_bytes`, ...).
    """

    version: str

    def environment(self) -> Mapping[str, str]: ...
    def resize(self, context: int) -> None: ...
    def memory_report(self) -> Mapping[str, int]: ...


@runtime_checkable
class Tokenizes(Protocol):
    """Text to ids and back. `bos` is the id that starts a text; None: the vocabulary has none."""

    bos: int | None
    vocabulary: int

    def encode(self, text: str) -> list[int]:
        """Ids of the text, no special token added, none parsed out of it."""
        ...

    def decode(self, ids: Sequence[int]) -> bytes: ...


@runtime_checkable
class SpecialTokens(Protocol):
    """Beside `Tokenizes`, where special tokens can be read from a text: what chat takes.

    `prefix` is the id that stands before an empty context: BOS, also where texts do not begin with
    it, else the end of a text; None: the vocabulary has neither.
    """

    prefix: int | None

    def encode_special(self, text: str) -> list[int]:
        """Ids of a text in which special tokens are written, as a chat template renders it: each
        becomes its own id. None is added, not even BOS."""
        ...


@runtime_checkable
class CountsTokens(Protocol):
    """Beside any capability: how many tokens the model has evaluated since it was loaded, padding
    left out. A measurement takes the difference."""

    evaluated_tokens: int


@runtime_checkable
class Scores(Protocol):
    """Log-probabilities of given continuations."""

    def score(
        self, requests: Sequence[tuple[Sequence[int], Sequence[int]]]
    ) -> Iterator[TokenScores]:
        """For each (context ids, continuation ids), in order. Both parts are at least one token."""
        ...


@runtime_checkable
class Logits(Protocol):
    """The full next-token distribution."""

    def logits(self, ids: Sequence[int], first: int = 0) -> npt.NDArray[np.float32]:
        """Unnormalised, [len(ids) - first, vocabulary]: row i is after ids[: first + i + 1]."""
        ...


@runtime_checkable
class Steps(Protocol):
    """Single synchronised steps, as llama-bench times them; each returns when it is computed."""

    def reset(self) -> None:
        """Forget the context."""
        ...

    def truncate(self, tokens: int) -> None:
        """Keep the first `tokens` tokens of the context, forget the rest."""
        ...

    def prefill(self, ids: Sequence[int]) -> None:
        """Append a prompt to the context, one evaluation."""
        ...

    def step(self, token: int) -> None:
        """Append one token."""
        ...


@runtime_checkable
class Generates(Protocol):
    """Native streaming generation."""

    def generate(
        self, prompts: Sequence[Sequence[int]], max_tokens: int, ignore_eos: bool, seed: int
    ) -> Iterator[tuple[int, int]]:
        """Yields (index of the prompt, token id) as each is sampled; greedy where seed is 0.

        A consumer may send true for a token that completes its prompt's answer: an engine that
        heeds it spends no more on that prompt, others go on.
        """
        ...


@runtime_checkable
class Embeds(Protocol):
    """Vectors of whole texts. `pooling` says how a text's tokens become one vector: `mean`, `cls`,
    `last`; as the model declares it, else their mean."""

    pooling: str

    def embed(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """[len(texts), width], each row of length 1. Special tokens are added as the model wants
        them. Raises Unsupported for a text that is longer than the model reads."""
        ...


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """Text by which a quantizer weighs its errors: `samples` pieces of `tokens` tokens each, cut
    one after the other from the tokens of the UTF-8 file `path`. `sha256` is the file's.

    `is_matrix`: the file is an importance matrix that comes of a text, which is used as it is.
    """

    path: str
    sha256: str
    samples: int = 128
    tokens: int = 512
    is_matrix: bool = False


@runtime_checkable
class Quantizes(Protocol):
    """Implemented by the backend itself: makes artifacts from 16-bit weights."""

    def quantize(
        self,
        source: Path,
        recipe: str,
        target: Path,
        threads: int,
        calibration: Calibration | None = None,
        device: str = "cpu",
    ) -> None:
        """Write the weights of `source`, a file or a folder in Hugging Face's layout, at `recipe`
        to `target`, which is a folder where the recipe's format is one; it appears whole or not at
        all. `calibration` is given to recipes that declare it. Raises EngineError, or Unsupported
        where the recipe cannot be made of them."""
        ...


@runtime_checkable
class Imports(Protocol):
    """Implemented by the backend itself, where importing its engine takes a while."""

    def import_engine(self, device: str, options: Options) -> None:
        """Import the stack, so that the time of loading an artifact is that of loading alone.

        An engine that is not there or does not import is left for `load` to say.
        """
        ...


@runtime_checkable
class Predicts(Protocol):
    """Implemented by the backend itself, if it can: sizes before anything is made."""

    def predicted_bytes(self, source: Path, recipe: str) -> int:
        """Bytes of the weight files that `quantize` would make of `source`, of which only headers
        need be there. Raises Unsupported where it would not make them, which the plan then says,
        InputError where their size cannot be told."""
        ...


@runtime_checkable
class HasConverter(Protocol):
    """Implemented by the backend itself, beside `Predicts`, where another backend converts the
    folders that its own `quantize` refuses.

    `converter` is that backend's name: it makes the 16-bit weights of a folder in a format that
    this one reads, in an environment of its own, and need not be in a sweep's list.
    """

    converter: str


class PredictedTypes(NamedTuple):
    """What a recipe makes of one model: the type of each tensor by its name.

    `fallbacks` counts matrices that are stored otherwise than the recipe means, because their
    shapes do not fit; `note` says in one line what they are stored in, `cause` why, in words that
    a sentence can end with. Both are empty where there are none.
    """

    tensor_types: Mapping[str, str]
    fallbacks: int = 0
    note: str = ""
    cause: str = ""


@runtime_checkable
class PredictsTypes(Protocol):
    """Beside `Predicts`, where a recipe's types depend on the model's shapes: the plan says what a
    recipe falls back to, and of several that come to the same tensors makes one."""

    def predicted_types(self, source: Path, recipe: str) -> PredictedTypes:
        """The types that `quantize` would write for `source`, of which only headers need be there.
        Raises as `predicted_bytes` does."""
        ...


@runtime_checkable
class Serves(Protocol):
    """Implemented by the backend itself, where people can run its artifacts by themselves."""

    def serve_command(self, artifact: Artifact, request: ServeRequest) -> Sequence[ServeCommand]:
        """The ways to run an artifact with what was requested, the usual first.

        `artifact.path` is where its file or folder is, or will be; its model's shape and its facts
        may be lacking. Starts nothing, and needs neither the engine nor the file. Raises
        Unsupported, one line, where the engine's programs cannot be set as requested.
        """
        ...


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """A quantization a backend can make.

    `bits` are nominal bits per weight, scales included (for planning); `format` is the one it
    writes, the backend's only one where empty; `calibrated`: it takes a calibration set.
    """

    name: str
    bits: float
    format: str = ""
    calibrated: bool = False


class RecipeChanges(msgspec.Struct, frozen=True, kw_only=True):
    """How a recipe of a user's own differs from the preset that it starts from.

    `imatrix` None leaves it to the recipe whether an importance matrix weighs its errors.
    `tensor_types` has types by a regular expression that is in the names of tensors, the first
    counts; `token_embedding` and `output` are the types of these two, empty for the preset's.
    """

    imatrix: bool | None = None
    tensor_types: Mapping[str, str] = {}
    token_embedding: str = ""
    output: str = ""


@runtime_checkable
class ComposesRecipes(Protocol):
    """Implemented by the backend itself, beside `Quantizes`, where its recipes can be changed.

    What comes of it is a recipe whose name says all of it; every method that takes a recipe's name
    takes that.
    """

    def compose_recipe(self, preset: str, changes: RecipeChanges) -> Recipe:
        """A recipe of `recipes` with changes. Raises InputError, one line, for what cannot be."""
        ...

    def read_recipe(self, name: str) -> Recipe:
        """A composed recipe by its name. Raises InputError."""
        ...

    def check_recipe(self, source: Path, name: str, matrix: Path | None) -> str:
        """Whether a recipe is one for the weights whose headers are at `source`, and the file of an
        importance matrix theirs; returns what to know of it, if anything. Raises InputError, one
        line, for a change that applies to no tensor and for a matrix of another model."""
        ...


class Backend(Protocol):
    """The light declaration of an inference stack: importable where its engine is not installed.

    The core calls with positional arguments; a plugin may call its own parameters otherwise.
    """

    name: str
    formats: frozenset[str]
    capabilities: frozenset[Capability]
    speed_only: frozenset[str]
    """Options that change how fast it computes but not what, such as the number of threads."""
    runtime: Path | None
    """Requirements file with the exact pins of the heavy stack; None if it needs nothing more.
    A file `runtime-cpu.txt` beside it takes its place on nodes without an accelerator."""

    def probe(self, node: Node) -> Availability:
        """Asked in the backend's own environment: may import the engine, and says what it finds."""
        ...

    def options(self, requested: Mapping[str, Any], node: Node) -> Options:
        """All options: those that a user wrote, and defaults for the others. Raises InputError
        naming an unknown one."""
        ...

    def noise_options(self, options: Options) -> Options:
        """The same computation done another way (batch, threads): its difference is the floor.

        At least one option that is not in `speed_only` must differ.
        """
        ...

    def inspect(self, path: Path) -> Inspection:
        """What a weight file, or a folder in Hugging Face's layout, says of itself, trusting none
        of its lengths; the engine need not be installed. Raises InputError."""
        ...

    def recipes(self) -> Mapping[str, Recipe]:
        """What `quantize` makes, by name; empty without the capability."""
        ...

    def quantizer(self) -> str:
        """Name and version of the quantizer, part of an artifact's identity."""
        ...

    def needs(
        self, artifact: Artifact, weight_bytes: int, options: Options, workload: Workload
    ) -> Needs:
        """Memory for a cell, pure; `weight_bytes` is the file's size, observed or predicted."""
        ...

    def load(self, path: Path, device: str, options: Options) -> AbstractContextManager[Engine]:
        """An engine ready to compute; leaving the context gives its memory back."""
        ...
