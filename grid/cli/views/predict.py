"""Predicted rates in the terminal; always under the word predicted."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grid.advice.for_model import find_target
from grid.advice.offered_rows import offered_rows
from grid.advice.prediction import (
    LEVEL,
    ModelSize,
    Prediction,
    Predictor,
    observations_of,
    published_observations,
)
from grid.advice.prediction.quants import bits
from grid.advice.quant_names import check_quant
from grid.advice.several_cards import cards_notes, one_card
from grid.analysis import Variant
from grid.analysis.dataset import Dataset
from grid.analysis.figures import ABSENT, interval, number
from grid.cli.views.console import console, print_json, table
from grid.errors import InputError
from grid.hardware.chips import Chip, named_chip, search_chips
from grid.models.named_sizes import mixture_size
from grid.results.statistics import Interval
from grid.units import GIB, format_bytes, parse_file_size

QUANTS = ("F16", "Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "Q4_0", "Q3_K_M", "Q2_K")
PARAMETERS = "7B"
LEAST_PARAMETERS = 1e5
"""No model has fewer weights: a bare `8` lacks its unit."""
_COUNT = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([kmbt]?)\s*", re.IGNORECASE)
_SCALE = {"": 1.0, "k": 1e3, "m": 1e6, "b": 1e9, "t": 1e12}


@dataclass(frozen=True)
class PredictArgs:
    """The options of `grid predict`, as typed."""

    chip: str | None
    quants: tuple[str, ...] = ()
    params: str | None = None
    size: str | None = None
    engine: str = "llamacpp"
    model: str | None = None


@dataclass(frozen=True)
class QuantRates:
    """Predictions for one quant type of a model of some size."""

    quant: str
    size: ModelSize
    decode: Prediction
    prefill: Prediction

    def fits(self, chip: Chip) -> bool | None:
        """Whether the chip's memory holds all weights; None where its memory is not known."""
        if chip.memory_bytes is None:
            return None
        unread = (self.size.total_parameters or self.size.parameters) / self.size.parameters
        return self.size.read_bytes * unread <= chip.memory_bytes


def show_prediction(args: PredictArgs, store: str, as_json: bool = False) -> None:
    """Print a table of rates on one chip. Raises InputError for what cannot be meant."""
    if args.chip is None:
        raise InputError("--chip is missing: name a chip, such as --chip 4090; --list '' lists all")
    sized = {"--params": args.params, "--bytes": args.size, "--model": args.model}
    if len(flags := [flag for flag, text in sized.items() if text is not None]) > 1:
        raise InputError(f"{' and '.join(flags)} each give the model's size: use one of them")
    chip = named_chip(args.chip)
    own = offered_rows(Dataset(store))
    sizes = _sizes(args) if args.model is None else _sizes_of_model(args.model, args.quants, own)
    observations = [*published_observations(), *observations_of(own.all_variants())]
    predictor = Predictor.fit(observations)
    rates = [
        _predict(predictor, one_card(chip), args.engine, quant, sizes[quant]) for quant in sizes
    ]
    if as_json:
        rows = [_row_data(row) | {"weights_fit": row.fits(chip)} for row in rates]
        about = {"predicted": True, "chip": chip, "engine": args.engine, "model": args.model}
        print_json({**about, "rows": rows})
    else:
        _print_rates(chip, args, rates)


def list_chips(text: str, as_json: bool = False) -> None:
    """Print the chips whose names hold all words of `text`. Raises InputError where none does."""
    chips = search_chips(text)
    if not chips:
        raise InputError(f"no chip has {text!r} in its name; --list '' lists all")
    if as_json:
        print_json(chips)
        return
    rows = [
        (
            chip.name,
            chip.platform,
            f"{chip.bandwidth_bytes_s / 1e9:.0f}",
            _memory_text(chip),
            ABSENT if chip.flops_half is None else number(chip.flops_half / 1e12),
        )
        for chip in chips
    ]
    heads = ("chip", "platform", "GB/s", "memory", "TFLOP/s at 16 bits")
    console().print(table(heads, rows, right=(2, 3, 4), names=(0,), optional=(4,)))


def _memory_text(chip: Chip) -> str:
    if chip.memory_bytes is not None:
        return format_bytes(chip.memory_bytes)
    sizes = [f"{size // GIB}" for size in chip.memory_options]
    return f"{'-'.join(dict.fromkeys((sizes[0], sizes[-1])))} GiB" if sizes else ABSENT


def _row_data(rates: QuantRates) -> dict[str, Any]:
    return {
        "quant": rates.quant,
        "read_bytes": rates.size.read_bytes,
        "parameters": rates.size.parameters,
        "total_parameters": rates.size.total_parameters or rates.size.parameters,
        "decode_tps": _prediction_data(rates.decode),
        "prefill_tps": _prediction_data(rates.prefill),
    }


def _prediction_data(prediction: Prediction) -> dict[str, Any]:
    return {
        **{name: getattr(prediction, name) for name in ("value", "low", "high", "level")},
        "leave_one_out_median_error": prediction.error.median,
        "leave_one_out_worst_error": prediction.error.worst,
        "leave_one_out_rates": len(prediction.error.rows),
        "leave_one_out_split": prediction.error.split,
        "basis": prediction.basis,
    }


def _sizes(args: PredictArgs) -> dict[str, ModelSize]:
    """The model's size by quant type."""
    quants = tuple(map(check_quant, args.quants)) or (QUANTS if args.size is None else ("Q4_K_M",))
    if args.size is not None:
        size = _file_size(args.size)
        if size <= 0:
            raise InputError(f"--bytes {args.size}: the size of a model is above 0")
        return {quant: ModelSize(size, size * 8 / bits(quant)) for quant in quants}
    used, total = parse_parameters(args.params or PARAMETERS)
    return {quant: ModelSize(used * bits(quant) / 8, used, total) for quant in quants}


def _sizes_of_model(model: str, quants: Sequence[str], dataset: Dataset) -> dict[str, ModelSize]:
    """By quant, of a model that `grid recommend --for` knows as well; of a file that of its own
    where none is named."""
    wanted = quants or ((None,) if Path(model).exists() else QUANTS)
    variants = [find_target(model, quant, dataset).variant for quant in wanted]
    return {variant.quant: _size_of(variant) for variant in variants}


def _size_of(variant: Variant) -> ModelSize:
    """Raises InputError where it is not known."""
    read_bytes, total = variant.read_weight_bytes, float(variant.parameters)
    if not read_bytes or not total:
        raise InputError(f"the size of {variant.label} is not known: use --params or --bytes")
    # Of a dense model active weights leave out its embedding, which makes it no mixture.
    used = float(variant.active_parameters or total) if variant.is_mixture else total
    return ModelSize(read_bytes, used, total, len(variant.layers) or None)


def parse_parameters(text: str) -> tuple[float, float]:
    """Weights that a token uses, and all: `8B` uses all; of a mixture, `30B-A3B` or `8x7B`, it uses
    a part. Raises InputError for what is no count above zero."""
    mixture = mixture_size(text.strip())
    if mixture is not None:
        return float(mixture.active), float(mixture.total)
    count = parse_count(text)
    if count < LEAST_PARAMETERS:
        raise InputError(f"--params {text}: of what? write it with its unit, as {text.strip()}B")
    return count, count


def _file_size(text: str) -> int:
    try:
        return parse_file_size(text)
    except InputError as error:
        raise InputError(f"--bytes: {error}") from None


def parse_count(text: str) -> float:
    """`8B -> 8e9`. Raises InputError for what is no count above zero."""
    match = _COUNT.fullmatch(text)
    if match is None or float(match[1]) <= 0:
        raise InputError(
            f"--params {text}: not a number of weights; write for example 8B, 350M or 30B-A3B"
        )
    return float(match[1]) * _SCALE[match[2].lower()]


def _predict(
    predictor: Predictor, chip: Chip, engine: str, quant: str, size: ModelSize
) -> QuantRates:
    decode = predictor.decode_size(chip, engine, quant, size)
    total = size.total_parameters
    prefill = predictor.prefill(chip, engine, quant, size.parameters, total_parameters=total)
    return QuantRates(quant, size, decode, prefill)


def _print_rates(chip: Chip, args: PredictArgs, rates: list[QuantRates]) -> None:
    out = console()
    of_model = f"{args.model} on " if args.model else ""
    out.print(f"predicted for {of_model}{_describe_chip(chip)}, in {args.engine}")
    for note in (*chip.notes, *cards_notes(chip)):
        out.print(f"note: {note}", markup=False)
    out.print()
    heads = ("quant", "read", "decode token/s", "error", "prefill token/s", "error")
    rows = [
        (
            row.quant,
            format_bytes(row.size.read_bytes),
            _rate_text(row.decode),
            _error_text(row.decode),
            _rate_text(row.prefill),
            _error_text(row.prefill),
        )
        for row in rates
    ]
    out.print(table(heads, rows, right=range(1, 6), optional=(5, 3)))
    if large := [row.quant for row in rates if row.fits(chip) is False]:
        size = format_bytes(chip.memory_bytes or 0)
        out.print(f"\n{', '.join(large)}: larger than {size}; the rates are as if they fitted")
    out.print(
        f"\n[low, high] should hold the rate in {LEVEL:.0%} of cases; error: median miss when such "
        "rates were predicted without their own hardware class or source"
    )
    for name in ("decode", "prefill"):
        for basis in dict.fromkeys(getattr(row, name).basis for row in rates):
            out.print(f"{name} is {basis}", markup=False)


def _describe_chip(chip: Chip) -> str:
    memory = "" if chip.memory_bytes is None else f", {format_bytes(chip.memory_bytes)}"
    each = f", {chip.count} devices of" if chip.count > 1 else ","
    return f"{chip.name} ({chip.platform}{each} {chip.bandwidth_bytes_s / 1e9:.4g} GB/s{memory})"


def _rate_text(prediction: Prediction) -> str:
    return interval(Interval(prediction.value, prediction.low, prediction.high))


def _error_text(prediction: Prediction) -> str:
    return ABSENT if prediction.error.median is None else f"{prediction.error.median:.0%}"
