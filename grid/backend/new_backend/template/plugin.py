"""myengine as a backend of quantgrid.

What stands here is complete and works: a toy whose model is a table of byte pairs. Replace it part
by part with your engine; each part says what belongs there. `pytest` says whether it still keeps to
the contract, which is `grid.backend`; `docs/plugins.md` of quantgrid goes through it step by step.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from grid.backend import (
    Artifact,
    ArtifactFacts,
    Availability,
    Calibration,
    Capability,
    EngineError,
    InputError,
    Inspection,
    Model,
    Needs,
    Node,
    Options,
    Recipe,
    ServeCommand,
    ServeRequest,
    ShellCommand,
    TokenScores,
    Unsupported,
    Workload,
    complete_options,
    token_scores,
    whole_number,
    write_whole,
)

VERSION = "0.1.0"
BOS, VOCABULARY = 256, 257  # the bytes, and a token that starts a text
SMOOTHING = 0.1
Table = npt.NDArray[np.float32]

# --- 1. The weight file -----------------------------------------------------------------------
# The toy has a format of its own, whose suffix is `.myengine`: a line of JSON, then the tensor.
# If your engine reads GGUF, use grid.backend.inspect_gguf; if it reads folders in Hugging Face's
# layout, grid.backend.inspect_checkpoint; then most of this part falls away.


class Header(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """First line of a `.myengine` file. `quant` decides how many bytes follow."""

    format: Literal["myengine 1"]
    name: str
    quant: Literal["F16", "Q8", "Q4"]
    context: Annotated[int, msgspec.Meta(ge=1)]


class Weights(NamedTuple):
    """A file that was read: log-probabilities [257, 257] of each token (column) after each."""

    header: Header
    table: Table


def read(path: Path) -> Weights:
    """Raises InputError where the file is not there, cut off, or something else."""
    try:
        line, _, tensor = path.read_bytes().partition(b"\n")
        header = msgspec.json.decode(line, type=Header)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a .myengine file: {error}") from None
    if len(tensor) != tensor_bytes(header.quant):
        raise InputError(
            f"{path}: {len(tensor)} bytes of weights, {header.quant} has "
            f"{tensor_bytes(header.quant)}; the file was cut off or changed, make it again"
        )
    return Weights(header, unpack(tensor, header.quant))


def write(path: Path, header: Header, table: Table) -> None:
    """The file appears whole or not at all."""
    with write_whole(path) as part:
        part.write_bytes(msgspec.json.encode(header) + b"\n" + pack(table, header.quant))


def train(path: Path | str, text: str, name: str = "toy", context: int = 4096) -> None:
    """Writes the 16-bit model of a text, so that the toy has something to measure."""
    data = np.frombuffer(text.encode(), dtype=np.uint8)
    counts = np.full((VOCABULARY, VOCABULARY), SMOOTHING)
    np.add.at(counts, (data[:-1], data[1:]), 1.0)
    counts[BOS, :BOS] += np.bincount(data, minlength=BOS)
    table = np.log(counts / counts.sum(axis=1, keepdims=True)).astype(np.float32)
    write(Path(path), Header(format="myengine 1", name=name, quant="F16", context=context), table)


# --- 2. The engine ----------------------------------------------------------------------------
# Each method computes when called and returns when the result is there. It reads no clock and
# makes no statistics: the core does that, the same way for every engine. Leave out what your
# engine cannot do, and take it from `capabilities` below.


class ToyEngine:
    """A loaded model."""

    version = VERSION  # the engine's own, such as some_engine.__version__
    bos: int | None = BOS  # None where the vocabulary has no token that starts a text
    vocabulary = VOCABULARY

    def __init__(self, weights: Weights, options: Options) -> None:
        self._table = weights.table
        self._most = weights.header.context
        self._batch = int(options["batch"])
        self._context = self._most
        self._held: list[int] = []

    def environment(self) -> Mapping[str, str]:
        """What a reader of a number must know: build, kernels, what the engine chose by itself."""
        return {"kernels": "numpy"}

    def resize(self, context: int) -> None:
        """Make room for that many tokens (allocate the KV cache), dropping what was held."""
        if context > self._most:
            raise Unsupported(f"{context} tokens of context asked, the model has {self._most}")
        self._context = context
        self._held.clear()

    def memory_report(self) -> Mapping[str, int]:
        """Bytes that the engine itself reports, such as {"kv_buffer_bytes": ...}."""
        return {}

    # Capability "tokenizes"

    def encode(self, text: str) -> list[int]:
        """No special token added, none parsed out of the text."""
        return list(text.encode())

    def decode(self, ids: Sequence[int]) -> bytes:
        return bytes(token for token in ids if token != BOS)

    # Capability "logits"

    def logits(self, ids: Sequence[int], first: int = 0) -> Table:
        """[len(ids) - first, vocabulary], unnormalised: row i is after ids[: first + i + 1]."""
        self._room(len(ids))
        rows = np.asarray(ids[first:], dtype=np.int64)
        parts = [self._table[rows[n : n + self._batch]] for n in range(0, len(rows), self._batch)]
        return np.concatenate(parts)

    # Capability "scores"

    def score(
        self, requests: Sequence[tuple[Sequence[int], Sequence[int]]]
    ) -> Iterator[TokenScores]:
        """For each (context, continuation): log-probabilities of the continuation's tokens."""
        for context, continuation in requests:
            rows = self.logits([*context, *continuation[:-1]], len(context) - 1)
            yield token_scores(rows, continuation)

    # Capability "steps"

    def reset(self) -> None:
        self._held.clear()

    def truncate(self, tokens: int) -> None:
        del self._held[tokens:]

    def prefill(self, ids: Sequence[int]) -> None:
        """The whole prompt in one evaluation."""
        self._room(len(self._held) + len(ids))
        self._held.extend(ids)
        self._table[self._held].argmax(axis=1)

    def step(self, token: int) -> None:
        """One token more; a device must have finished when this returns."""
        self._room(len(self._held) + 1)
        self._held.append(token)
        self._table[token].argmax()

    # Capability "generates"

    def generate(
        self, prompts: Sequence[Sequence[int]], max_tokens: int, ignore_eos: bool, seed: int
    ) -> Iterator[tuple[int, int]]:
        """Yields each token as it is there, greedy where seed is 0. The toy has no EOS."""
        random = np.random.default_rng(seed)
        for index, prompt in enumerate(prompts):
            self._room(len(prompt) + max_tokens)
            last = prompt[-1]
            for _ in range(max_tokens):
                chances = np.exp(self._table[last].astype(np.float64))
                drawn = random.choice(VOCABULARY, p=chances / chances.sum()) if seed else None
                last = int(chances.argmax() if drawn is None else drawn)
                yield index, last

    def _room(self, tokens: int) -> None:
        if tokens > self._context:
            raise EngineError(f"{tokens} tokens do not fit the context of {self._context}")


# --- 3. The options ---------------------------------------------------------------------------
# What a user may write under [options.myengine] in a sweep file, with its default.

DEFAULTS: Options = {"batch": 512, "threads": 1}
CHECKS = {"batch": whole_number(1, 65_536), "threads": whole_number(1, 4096)}


# --- 4. The declaration -----------------------------------------------------------------------
# Asked where the engine is not installed: import your engine inside of probe, load and quantize,
# never at the top of this file.


class ToyBackend:
    """See grid.backend.Backend."""

    name = "myengine"
    formats = frozenset({"myengine"})
    capabilities: frozenset[Capability] = frozenset(
        {"tokenizes", "logits", "scores", "steps", "generates", "quantizes"}
    )
    speed_only = frozenset({"threads"})  # options that change how fast it is, but not what it says
    runtime: Path | None = Path(__file__).with_name("runtime.txt")

    def probe(self, node: Node) -> Availability:
        """Asked in the environment of runtime.txt: import the engine and say what is there, or
        `ready=False` with the reason and the one command that mends it."""
        return Availability(ready=True, version=ToyEngine.version, devices=("cpu",))

    def options(self, requested: Mapping[str, Any], node: Node) -> Options:
        return complete_options(self.name, requested, CHECKS, DEFAULTS)

    def noise_options(self, options: Options) -> Options:
        """The same computed another way: how far results move by it is the engine's noise. A table
        is looked up the same in any batch; where numbers are added up, it makes a difference."""
        return {**options, "batch": 1 if options["batch"] != 1 else 512}

    def inspect(self, path: Path) -> Inspection:
        """What the file says of itself, its lengths checked before they are believed."""
        weights = read(path)
        elements = VOCABULARY * VOCABULARY
        digest = sha256(path.read_bytes()).hexdigest()
        bits = (
            tensor_bytes(weights.header.quant) * 8 / elements
        )  # scales included: that is what is stored
        model = Model(
            name=weights.header.name,
            family="myengine",
            source=str(path),
            revision=digest,
            architecture="bigram",
            parameters=elements,
            context_length=weights.header.context,
            vocabulary=VOCABULARY,
            layers=(),  # one LayerState for each layer that keeps keys and values; see Model
        )
        facts = ArtifactFacts(
            bytes=path.stat().st_size,
            sha256=digest,
            bpw_file=bits,
            bpw_layer=bits,  # the same without embeddings and head, of which the toy has none
            elements=elements,
        )
        return Inspection(model, weights.header.quant, facts)

    def needs(
        self, artifact: Artifact, weight_bytes: int, options: Options, workload: Workload
    ) -> Needs:
        """Memory for one cell, from sizes alone: the plan skips what does not fit."""
        cache = artifact.model.kv_bytes(workload.size)
        weights = 4 * artifact.model.parameters
        return Needs(host_bytes=INTERPRETER_BYTES + weights + cache, kv_bytes=cache)

    @contextmanager
    def load(self, path: Path, device: str, options: Options) -> Iterator[ToyEngine]:
        """`device` is "cpu" or an accelerator; close native handles in a `finally` at the end."""
        yield ToyEngine(read(path), options)

    # --- 5. Making weights --------------------------------------------------------------------

    def recipes(self) -> Mapping[str, Recipe]:
        """What `quantize` makes, by name; {} without the capability "quantizes"."""
        return {name: Recipe(name=name, bits=bits) for name, bits in RECIPES.items()}

    def quantizer(self) -> str:
        """Part of an artifact's identity: weights made by another version are other weights."""
        return f"myengine {VERSION}"

    def quantize(
        self,
        source: Path,
        recipe: str,
        target: Path,
        threads: int,
        calibration: Calibration | None = None,
        device: str = "cpu",
    ) -> None:
        if recipe not in RECIPES:
            raise Unsupported(f"myengine has no recipe {recipe}")
        weights = read(source)
        if weights.header.quant != "F16":
            raise EngineError(f"{source} is {weights.header.quant}; F16 is needed to make others")
        write(target, msgspec.structs.replace(weights.header, quant=recipe), weights.table)

    # --- 6. Running weights for use (optional) ------------------------------------------------

    def serve_command(self, artifact: Artifact, request: ServeRequest) -> Sequence[ServeCommand]:
        """The commands by which people run weights with what advice assumed: `grid recommend`
        shows them beside a pick. Raises Unsupported for what the program cannot be set to."""
        if request.sessions > 1:
            raise Unsupported("myengine serves one session at a time")
        argv = ("myengine-serve", str(artifact.path), "--context", str(request.context))
        return [ServeCommand(program="myengine", commands=(ShellCommand(argv=argv),))]


INTERPRETER_BYTES = 64 * 2**20
"""What a Python with numpy takes by itself, about."""

RECIPES = {"F16": 16.0, "Q8": 8.0 + 16 / VOCABULARY, "Q4": 4.0 + 20 / VOCABULARY}
"""Bits per weight with the scales: one of 16 bits a row, and with 4 bits an odd row's half byte."""


def tensor_bytes(quant: str) -> int:
    """Bytes of a packed table: a scale for each row where there are fewer than 16 bits."""
    row = {"F16": 2 * VOCABULARY, "Q8": 2 + VOCABULARY, "Q4": 2 + (VOCABULARY + 1) // 2}
    return VOCABULARY * row[quant]


def pack(table: Table, quant: str) -> bytes:
    if quant == "F16":
        return bytes(table.astype("<f2").tobytes())
    largest = 127 if quant == "Q8" else 7
    scales = (np.abs(table).max(axis=1, keepdims=True) / largest).astype("<f2")
    levels = np.rint(table / scales.astype(np.float32)).clip(-largest, largest).astype(np.int8)
    if quant == "Q4":
        shifted = np.pad(levels + 8, ((0, 0), (0, 1))).astype(np.uint8)
        levels = shifted[:, ::2] | shifted[:, 1::2] << 4
    return bytes(scales.tobytes() + levels.tobytes())


def unpack(tensor: bytes, quant: str) -> Table:
    if quant == "F16":
        return np.frombuffer(tensor, dtype="<f2").astype(np.float32).reshape(VOCABULARY, -1)
    start = 2 * VOCABULARY
    scales = np.frombuffer(tensor[:start], dtype="<f2").astype(np.float32)[:, None]
    if quant == "Q8":
        levels = np.frombuffer(tensor[start:], dtype=np.int8).reshape(VOCABULARY, VOCABULARY)
        return scales * levels.astype(np.float32)
    packed = np.frombuffer(tensor[start:], dtype=np.uint8).reshape(VOCABULARY, -1)
    pairs = np.stack([packed & 15, packed >> 4], axis=2).reshape(VOCABULARY, -1)[:, :VOCABULARY]
    return scales * (pairs.astype(np.float32) - 8)


# --- 7. The program that it names -------------------------------------------------------------
# Engines have one of their own: then this falls away, and its line in pyproject.toml.


def serve() -> None:
    """`myengine-serve FILE`: continues each line that is typed."""
    parser = argparse.ArgumentParser(prog="myengine-serve")
    parser.add_argument("weights", type=Path)
    parser.add_argument("--context", type=int, default=4096, help="most tokens of a line")
    parser.add_argument("--tokens", type=int, default=32, help="tokens to go on with")
    flags = parser.parse_args()
    engine = ToyEngine(read(flags.weights), DEFAULTS)
    engine.resize(flags.context)
    for line in sys.stdin:
        prompt = engine.encode(line.rstrip("\n"))
        answer = [token for _, token in engine.generate([prompt], flags.tokens, True, 0)]
        print(engine.decode(answer).decode(errors="replace"), flush=True)


backend = ToyBackend()
