"""The sweep file: what to measure, as the user writes it in TOML."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from grid.backend import Calibration, EndpointSettings
from grid.cells.texts import CALIBRATION, HELDOUT, read_text
from grid.cells.workload import SPEED_BUDGET_S
from grid.errors import InputError
from grid.plan.load_table import LoadTable
from grid.plan.own_recipes import RecipeTable
from grid.units import MIB, parse_memory_bytes, parse_seconds

MEASURES = ("memory", "speed", "latency", "quality", "tasks")
"""What is measured by default."""

CHOSEN_MEASURES = ("load",)
"""What is measured where a sweep names it."""

ALL = "all"
"""In place of a list of quants: every recipe that the backend has."""

CELL_TIMEOUT_S = 600.0
"""Of a cell whose time the sweep does not limit."""

DEFAULT_ITEMS = 200
"""Items of a task where neither the sweep nor a ready set says how many."""

_LARGEST = 2**31 - 1
Count = Annotated[int, msgspec.Meta(ge=1, le=_LARGEST)]
Depth = Annotated[int, msgspec.Meta(ge=0, le=_LARGEST)]
Precision = Annotated[float, msgspec.Meta(ge=0.001, le=0.5)]
Names = tuple[str, ...]

NOMINAL_REPETITIONS = 5
"""What a cell with a precision counts as: in estimates, and in its id, which is that of the cells
that were repeated so often before there was one."""


PRECISION = 0.03
"""Half width of the interval of a rate, as a share of it, at which its repetitions stop."""

DECIDED_PRECISION = 0.05
"""The same where the sweep stops when it is decided: runs of a quiet machine differ as much, and a
variant counts as as fast as another with 90 % of its rate."""

DECIDED_BUDGET_S = 6.0
"""Seconds of repetitions of a rate where the sweep stops when it is decided."""


class ModelEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One `[[models]]`: either `source`, to be quantized, or `files`, measured as they are, or the
    `endpoint` of a server that runs already, its URL or a table.

    `source` is `ref:<size>`, `ref:*`, a hub's or a package's address, or the path of a file with 16
    or 32 bits a weight; `quants` replaces the sweep's. `files` are globs; `reference` is the 16-bit
    file that their outputs are compared with. `name` replaces the name that the weights carry.
    `dequantize` allows a quantized GGUF as source: its 16-bit weights are made of it, and quants of
    these. `imatrix` is a file with the model's importance matrix, in place of one computed from
    the calibration text.
    """

    source: str = ""
    quants: str | Names = ()
    files: Names = ()
    endpoint: str | EndpointSettings = ""
    reference: str = ""
    name: str = ""
    dequantize: bool = False
    imatrix: str = ""

    @property
    def written(self) -> str:
        """What the entry names first, for messages."""
        return self.source or next(iter(self.files), "") or self.endpoint_settings.url

    @property
    def endpoint_settings(self) -> EndpointSettings:
        """The endpoint as a table; its URL is empty where there is none."""
        if isinstance(self.endpoint, str):
            return EndpointSettings(url=self.endpoint)
        return self.endpoint


class SpeedTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Prefill and decode rates: token counts, at each depth (tokens of context before).

    Each is repeated until it is known within the share `precision`, for `time` at most; with
    `repetitions` exactly so often. What is None is `PRECISION` and `SPEED_BUDGET_S`, or where the
    sweep stops when it is decided `DECIDED_PRECISION` and `DECIDED_BUDGET_S`.
    """

    prompt: tuple[Count, ...] = (512,)
    generate: tuple[Count, ...] = (128,)
    depth: tuple[Depth, ...] = (0,)
    repetitions: Count | None = None
    precision: Precision | None = None
    time: str | float | None = None

    def precision_of(self, decided: bool) -> float:
        """0 where the number of repetitions is asked for; `decided`: the sweep stops when it is."""
        if self.repetitions is not None:
            return 0.0
        usual = DECIDED_PRECISION if decided else PRECISION
        return usual if self.precision is None else self.precision

    def time_s(self, decided: bool) -> float:
        usual = DECIDED_BUDGET_S if decided else SPEED_BUDGET_S
        return usual if self.time is None else parse_seconds(self.time)


class LatencyTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One request at a time: tokens in, tokens out. The requests take `prompts` passages of a text
    in turn."""

    prompt: Count = 64
    generate: Count = 64
    repetitions: Count = 5
    prompts: Count = 1


class MemoryTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Peak memory with `context` tokens held."""

    context: Count = 1024


Context = Annotated[int, msgspec.Meta(ge=4, le=_LARGEST)]


class TextTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A text of `quality.texts`: either `text`, a file or a bundled one, or `generate`, prompts
    that the model's 16 bits answer in at most `tokens` tokens each: the conversations are the text.
    `context` and `chunks` None are those of the whole table."""

    text: str = ""
    generate: str = ""
    tokens: Count = 256
    context: Context | None = None
    chunks: Count | None = None

    @property
    def source(self) -> str:
        return self.text or self.generate


class QualityTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Perplexity and KL divergence: `chunks` pieces of `context` tokens of `text`, and of each of
    `texts`, which are by category, such as `code`.

    Without both it is `ref:heldout`, the bundled family's held-out text.
    """

    text: str = ""
    texts: dict[str, str | TextTable] = {}
    context: Context = 512
    chunks: Count = 16

    @property
    def text_tables(self) -> dict[str, TextTable]:
        """Every text by category, with its own or the table's `context` and `chunks`; `text`, or
        what stands for it where there are none, has the empty category."""
        written: dict[str, str | TextTable] = dict(self.texts)
        if self.text or not self.texts:
            written = {"": self.text or HELDOUT, **written}
        tables = {
            category: TextTable(text=text) if isinstance(text, str) else text
            for category, text in written.items()
        }
        return {
            category: msgspec.structs.replace(
                table,
                context=table.context or self.context,
                chunks=table.chunks or self.chunks,
            )
            for category, table in tables.items()
        }


class JudgeTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A model that rates answers: `url` is an OpenAI-compatible endpoint up to `/v1`, `model` its
    name there, `key_variable` the environment variable of the key on each machine that scores;
    empty: none is sent. The key itself is nowhere in a sweep."""

    url: str = ""
    model: str = ""
    key_variable: str = ""


class TasksTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Tasks: `names` of lm-evaluation-harness or of ready sets, `files` of the user's own, and the
    `classes` (default: all) of `source`, which is `ref:items` or a folder of `<class>.jsonl`.

    Without any of them the bundled family is asked its own items and other models none. `items` is
    the most of each task; None leaves it to the set, to the file, or is `DEFAULT_ITEMS`. `data` is
    a folder with the harness's data; `fewshot` examples, `seed` draws them; `chat` None applies a
    model's chat template where it has one. `class_by_task` says a task's class; `run_code` allows
    tasks that run what a model wrote; `judge` rates the answers of tasks that have no right ones.
    """

    names: Names = ()
    files: Names = ()
    source: str = ""
    classes: Names = ()
    items: Count | None = None
    data: str = ""
    fewshot: Depth | None = None
    seed: Depth = 1234
    chat: bool | None = None
    class_by_task: dict[str, str] = {}
    run_code: bool = False
    judge: JudgeTable | None = None


CHARACTERS_A_TOKEN = 3
"""Of a text, about: `ref:calibration` has 2.9 in SmolLM2's vocabulary."""


class CalibrationTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What quantizers weigh their errors by: `samples` pieces of `tokens` tokens of `text`.

    Without a `text` it is `ref:calibration`, which is like the bundled held-out text and shares
    nothing with it.
    """

    text: str = ""
    samples: Count = 128
    tokens: Annotated[int, msgspec.Meta(ge=16, le=_LARGEST)] = 256


class Budget(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits: time for one cell, memory of the host that a cell may need. Without a time it is 10
    minutes, and more for tasks and texts that are estimated to take long.

    `stop` is `complete`, all chunks and items of every variant, or `decided`: the first of them,
    and the others only of variants that these do not tell apart.
    """

    cell_timeout: str | float | None = None
    memory: str | int | None = None
    stop: Literal["complete", "decided"] = "complete"

    @property
    def stops_when_decided(self) -> bool:
        return self.stop == "decided"

    @property
    def cell_timeout_s(self) -> float:
        return CELL_TIMEOUT_S if self.cell_timeout is None else parse_seconds(self.cell_timeout)

    @property
    def memory_bytes(self) -> int | None:
        """None: all that the node has."""
        size = None if self.memory is None else parse_memory_bytes(self.memory)
        if size is not None and 0 < size < MIB:
            raise InputError(f"{self.memory!r} is too little; write for example 8GiB")
        return size


class SweepTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file. `imatrix`: whether presets that need no importance matrix are made with one;
    both makes each twice. `recipes` are the sweep's own, by name. `options` holds a table for each
    backend; a list there is an axis. `nodes` are patterns of node names or hardware classes, such
    as `*RTX 4090*`; empty: every node."""

    name: str = ""
    measures: Names = MEASURES
    quants: str | Names = ()
    backends: Names = ("llamacpp",)
    models: tuple[ModelEntry, ...] = ()
    nodes: Names = ()
    imatrix: bool | tuple[bool, ...] = False
    recipes: dict[str, RecipeTable] = {}
    options: dict[str, dict[str, Any]] = {}
    speed: SpeedTable = SpeedTable()
    latency: LatencyTable = LatencyTable()
    load: LoadTable = LoadTable()
    memory: MemoryTable = MemoryTable()
    quality: QualityTable = QualityTable()
    tasks: TasksTable = TasksTable()
    calibration: CalibrationTable = CalibrationTable()
    budget: Budget = Budget()


class Sweep(SweepTable, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A sweep file that was read: `file` is what errors call it, `base` what paths start from."""

    file: str
    base: str

    @property
    def calibration_set(self) -> Calibration:
        """The calibration set with its text's hash. Raises InputError where it cannot be read."""
        table = self.calibration
        try:
            text = read_text(table.text or CALIBRATION, Path(self.base))
        except InputError as error:
            raise InputError(f"calibration.text: {error}") from None
        return Calibration(
            path=text.source, sha256=text.sha256, samples=table.samples, tokens=table.tokens
        )

    @property
    def calibration_tokens(self) -> int:
        """About how many tokens the calibration set has: what is asked for, or the text is short.
        Raises InputError where it cannot be read."""
        table, text = self.calibration, read_text(self.calibration_set.path).text
        return min(table.samples * table.tokens, len(text) // CHARACTERS_A_TOKEN)

    def path(self, written: str) -> Path:
        """A path of the sweep file as an absolute one."""
        return Path(self.base, Path(written).expanduser()).resolve()
