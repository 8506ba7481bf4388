"""`grid recommend`: what to run on a machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from inspect import Parameter, Signature
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from grid.cli.completion import complete_hardware, complete_model, complete_quant
from grid.cli.help_text import Commands
from grid.cli.options import Json, StoreUri
from grid.errors import InputError
from grid.units import parse_bytes, parse_file_size, parse_memory, parse_seconds

if TYPE_CHECKING:
    from grid.advice import Ask

LEAST_BANDWIDTH, MOST_BANDWIDTH = 1e8, 1e14
"""Bytes/s between which the memory of any machine lies: 0.1 GB/s to 100 TB/s."""


Why = Annotated[
    bool,
    typer.Option("--why", help="Also where each figure is from, and why each of the others lost."),
]
EXAMPLES = """
grid recommend                           for this machine
grid recommend --memory 24 --context 32768
grid recommend --chip 'RTX 4090' --use code --min-decode 30
grid recommend --for 32B                 which hardware runs a model
"""


def register(app: Commands) -> None:
    """Add the command, with an option for each field of an Ask, to an application."""
    options = [option.parameter(field) for field, option in OPTIONS.items()]
    parameters = [
        Parameter("store", Parameter.KEYWORD_ONLY, default="results", annotation=StoreUri),
        *options,
        *(option.parameter(name) for name, option in DIRECTIONS.items()),
        Parameter("why", Parameter.KEYWORD_ONLY, default=False, annotation=Why),
        Parameter("as_json", Parameter.KEYWORD_ONLY, default=False, annotation=Json),
    ]
    recommend.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    app.command(epilog=EXAMPLES)(recommend)


def recommend(
    store: StoreUri,
    as_json: Json,
    why: bool,
    for_model: str | None,
    rack: list[str] | None,
    **options: Any,
) -> None:
    """Say what to run on a machine, and how to start it.

    Without a machine it is this one. Figures are measured there or on a machine alike, else
    predicted, and say which. With --for the other way round: which hardware runs a model.
    """
    from grid.cli.without_pandas import leave_pandas_out

    leave_pandas_out()
    options = {field: None if value == [] else value for field, value in options.items()}
    refuse_unused(options, for_model is not None, bool(rack))
    ask = read_ask(**options)
    if rack:
        from grid.cli.views.rack import show_rack

        show_rack(store, rack, for_model, ask, as_json)
    elif for_model is not None:
        from grid.cli.views.for_model import show_hardware

        show_hardware(store, for_model, ask, as_json)
    else:
        from grid.cli.views.recommend import show_advice

        show_advice(store, ask, as_json, why)


def refuse_unused(options: Mapping[str, Any], for_model: bool, rack: bool) -> None:
    """Raises InputError for options that the question does not take: `--for` asks about memory and
    rate alone, `--rack` names the machines itself."""
    questions = {
        "--for": (for_model, _NOT_FOR, "asks about memory and rate alone"),
        "--rack": (rack, _NOT_RACK, "names the machines itself"),
    }
    for flag, (used, fields, why) in questions.items():
        unused_flags = [
            OPTIONS[field].flag for field in fields if options.get(field) != OPTIONS[field].default
        ]
        if used and unused_flags:
            raise InputError(f"{flag} {why}; leave out {', '.join(unused_flags)}")


def read_ask(**options: Any) -> Ask:
    """An Ask from options as they were written, by its fields; None leaves its default.

    Raises InputError, one line naming the option, for what cannot be read.
    """
    from grid.advice import Ask

    written = {field: value for field, value in options.items() if value is not None}
    return Ask(**{field: OPTIONS[field].read(value) for field, value in written.items()})


class Option(NamedTuple):
    """An option of the command. `parse` makes the field's value of its text, and may raise
    InputError or ValueError; without it the text is the value."""

    flag: str
    metavar: str | None
    help: str
    parse: Callable[[Any], Any] | None = None
    default: str | int | bool | None = None
    type: Any = str | None

    def parameter(self, field: str) -> Parameter:
        """The parameter of the command that fills a field of an Ask."""
        option = typer.Option(
            self.default,
            self.flag,
            metavar=self.metavar,
            help=self.help,
            rich_help_panel=_panel_of(field),
            autocompletion=COMPLETIONS.get(field),
        )
        return Parameter(field, Parameter.KEYWORD_ONLY, default=option, annotation=self.type)

    def read(self, value: Any) -> Any:
        """The field's value. Raises InputError that names the option."""
        if self.parse is None:
            return value
        try:
            return self.parse(value)
        except InputError as error:
            raise InputError(f"{self.flag}: {error}") from None
        except ValueError:
            raise InputError(f"{self.flag}: {value!r} is not a number") from None


def read_single(values: Sequence[str]) -> str:
    """The name that an option gives once. Raises InputError for several: an answer is of one."""
    names = [name.strip() for value in values for name in value.split(",")]
    if len(names) > 1:
        raise InputError(
            f"an answer is about one, not {', '.join(names)}; `grid show` takes several"
        )
    return names[0]


def parse_bandwidth(text: str) -> float:
    """Bytes/s in `400GB/s`. Raises InputError for what no memory has."""
    rate = float(parse_bytes(text.strip().removesuffix("/s")))
    if not LEAST_BANDWIDTH <= rate <= MOST_BANDWIDTH:
        raise InputError(f"{text!r} is no memory's bandwidth; give it with its unit, as 400GB/s")
    return rate


def parse_rate(text: str) -> float:
    """Token/s in `20` or in the name of a rate. Raises InputError for anything else."""
    from grid.advice import RATES

    named = {name.replace(" ", "-"): rate for name, rate in RATES.items()}
    if text in named:
        return named[text]
    try:
        return float(text)
    except ValueError:
        names = ", ".join(named)
        raise InputError(f"{text!r} is neither a rate in token/s nor one of {names}") from None


def parse_share(text: str) -> float:
    """A share of 1 in `0.95` or `95%`. Raises ValueError for anything else."""
    return float(text.strip().removesuffix("%")) / (100 if text.strip().endswith("%") else 1)


def parse_weights(text: str) -> dict[str, float]:
    """Weights by class in `math=2,code=1`. Raises InputError for anything else."""
    weights: dict[str, float] = {}
    for part in text.split(","):
        name, _, weight = part.partition("=")
        try:
            weights[name.strip()] = float(weight)
        except ValueError:
            raise InputError(f"{part!r} is not CLASS=NUMBER, such as math=2") from None
    return weights


OPTIONS = {
    "hardware": Option(
        "--hardware", "NAME",
        "A measured hardware class, or a part of its name.",
    ),
    "chip": Option("--chip", "NAME", "A chip that nobody measured: 'RTX 4090', 'M2 Max'."),
    "memory_bytes": Option(
        "--memory", "SIZE", "Memory of the machine or card: 24, 24GB or 24GiB.", parse_memory
    ),
    "bandwidth_bytes_s": Option(
        "--bandwidth", "RATE", "With --memory, for any machine: such as 1008GB/s.", parse_bandwidth
    ),
    "platform": Option(
        "--platform", "NAME", "Of that machine: cuda, metal, vulkan, rocm or cpu."
    ),
    "reserved_bytes": Option(
        "--reserved", "SIZE", "Memory kept for other programs, such as 2 (GiB).", parse_memory
    ),
    "context": Option(
        "--context", "TOKENS", "Context that must fit. Default: 4096.", type=int | None
    ),
    "kv_type": Option(
        "--kv", "TYPE", "Type of the KV cache: f16, q8_0, q4_0 ...", default="f16", type=str
    ),
    "prompt": Option(
        "--prompt", "TOKENS", "Prompt that the time to first token is for.", default=512, type=int
    ),
    "min_decode_tps": Option(
        "--min-decode", "RATE",
        "Least token/s: a number, or interactive (10), over-5, fast (30).", parse_rate,
    ),
    "tolerance": Option(
        "--tolerance", "LOSS",
        "Capability that the pick may lose against the best that fits.",
        parse_share, default="0.01", type=str,
    ),
    "max_ttft_s": Option(
        "--max-ttft", "TIME", "Longest wait for the first token, such as 2s.", parse_seconds
    ),
    "use": Option(
        "--use", "USE", "balanced, chat, code, math, reasoning or recall: how tasks weigh.",
        default="balanced", type=str,
    ),
    "weights": Option(
        "--weights", "CLASS=N,...", "Your own weights instead: math=2,code=1.", parse_weights
    ),
    "min_share": Option(
        "--min-share", "SHARE", "Least share of the 16-bit capability: 0.95 or 95%.", parse_share
    ),
    "max_bytes": Option(
        "--max-size", "SIZE", "Largest weight files, such as 8GiB.", parse_file_size
    ),
    "model": Option(
        "--model", "NAME", "Only this model. Needed where several have KLD alone.", read_single,
        type=list[str] | None,
    ),
    "quant": Option(
        "--quant", "TYPE", "Only this quant, such as Q4_K_M.", read_single, type=list[str] | None
    ),
    "sessions": Option(
        "--sessions", "COUNT", "Sessions at once, each with its own context and rate.",
        default=1, type=int,
    ),
    "more_memory_bytes": Option(
        "--more-memory", "SIZE", "Say what this much more memory would change.", parse_memory
    ),
    "ram_bytes": Option(
        "--ram", "SIZE", "Main memory beside a card, for what the card cannot hold.", parse_memory
    ),
    "cpu": Option(
        "--cpu", "NAME", "With --ram: 'Ryzen 9 7950X' or DDR5-5600. Default: DDR4-3200.",
    ),
    "serve": Option(
        "--serve", "PROGRAM",
        "Show the command of this program: llama-server, ollama, vllm.",
    ),
    "imported": Option(
        "--imported", None, "Let figures that others measured be picked too.",
        default=False, type=bool,
    ),
}  # fmt: skip
"""By field of `grid.advice.Ask`: another option is another field there, and a line here."""

PANELS = {
    "The machine": (
        "hardware", "chip", "memory_bytes", "bandwidth_bytes_s", "platform", "reserved_bytes",
        "ram_bytes", "cpu", "more_memory_bytes", "rack",
    ),
    "What it must do": (
        "context", "kv_type", "prompt", "sessions", "min_decode_tps", "max_ttft_s", "max_bytes",
        "min_share",
    ),
    "What to choose from, and by what": (
        "model", "quant", "use", "weights", "tolerance", "imported",
    ),
}  # fmt: skip
"""Headings of the command's help, and the options below them."""

COMPLETIONS = {
    "hardware": complete_hardware,
    "model": complete_model,
    "quant": complete_quant,
}


def _panel_of(field: str) -> str | None:
    return next((title for title, fields in PANELS.items() if field in fields), None)


DIRECTIONS = {
    "for_model": Option(
        "--for", "MODEL",
        "Which hardware runs this model: a name, a file or folder, or a size such as 8B.",
    ),
    "rack": Option(
        "--rack", "WHERE",
        "Ask for each of several machines: `store`, a cluster.yaml, a node.toml; repeatable.",
        type=list[str] | None,
    ),
}  # fmt: skip
"""Options that turn the question round; the rest of it is an Ask all the same."""

_NOT_FOR = (
    "use", "weights", "min_share", "max_bytes", "max_ttft_s", "tolerance", "model", "serve",
    "more_memory_bytes",
)  # fmt: skip
_NOT_RACK = ("hardware", "chip", "bandwidth_bytes_s", "memory_bytes", "platform")
