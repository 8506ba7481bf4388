"""A sweep of one model that is named on the command line, without a sweep file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from glob import escape, glob
from pathlib import Path
from typing import NamedTuple

import msgspec

from grid.backend.registry import backend, names
from grid.errors import InputError, choose_name
from grid.models import ollama, packages, synthetic
from grid.models.checkpoint.inspection import is_checkpoint
from grid.models.detect import format_of
from grid.plan.load import load_sweep
from grid.plan.origin import BUNDLED, ELSEWHERE, HUB
from grid.plan.quantizers import WHOLE
from grid.plan.sweep import ModelEntry, Sweep

LADDER = ("F16", "Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "Q3_K_M", "Q2_K")
"""Quants made of 16-bit weights."""

SPEED_LADDER = ("Q8_0", "Q4_K_M")
"""Quants of a made-up model, which has no quality to lose."""

SPEED_MEASURES = ("memory", "speed", "latency")
"""What made-up weights are measured by."""

_WHOLE = re.compile(r"(?:^|[-_./])(?:bf16|fp?16|fp?32)(?:-\d{5}-of-\d{5})?\.gguf$", re.IGNORECASE)
"""Files of whole weights as people name them, the first part of split ones."""


class _ModelRequest(NamedTuple):
    entry: ModelEntry
    backend: str
    quants: tuple[str, ...] = ()


def load_requested_sweep(
    written: str | None, tasks: str | None = None, quants: Sequence[str] = ()
) -> Sweep:
    """The sweep of a file or of a model, as named on the command line; None: the bundled one.
    `tasks`, separated by commas, are asked instead of those that it names, and `quants` measured
    instead of its own. Raises InputError."""
    if written is not None and written.endswith(".safetensors"):
        raise InputError(f"{written}: name the folder that holds it and its config.json")
    if written is not None and is_model(written):
        sweep = sweep_of(written)
    else:
        sweep = load_sweep(None if written is None else Path(written))
    return with_quants(with_tasks(sweep, tasks), quants)


def with_quants(sweep: Sweep, quants: Sequence[str]) -> Sweep:
    """The sweep with these quants, whatever their case, of each of its models; of files the ones
    that are called so. Raises InputError with the nearest name for a quant of nothing there."""
    if not quants:
        return sweep
    entries = tuple(_entry_with_quants(sweep, entry, quants) for entry in sweep.models)
    return msgspec.structs.replace(sweep, models=entries)


def _entry_with_quants(sweep: Sweep, entry: ModelEntry, quants: Sequence[str]) -> ModelEntry:
    if entry.source:
        recipes = {recipe for name in sweep.backends for recipe in backend(name).recipes()}
        recipes |= set(sweep.recipes)
        chosen = tuple(choose_name(quant, {*recipes, *WHOLE}, "quant") for quant in quants)
        return msgspec.structs.replace(entry, quants=chosen)
    files = [name for file in entry.files for name in _files_of_quants(sweep, file, quants)]
    if not files:
        raise InputError(f"--quant {','.join(quants)}: no file of {sweep.file} is called so")
    return msgspec.structs.replace(entry, files=tuple(dict.fromkeys(files)))


def _files_of_quants(sweep: Sweep, file: str, quants: Sequence[str]) -> list[str]:
    """Of a file or pattern what has a quant in its name; a hub knows files by their quants."""
    if file.startswith(HUB) and "*" in file:
        repo, _, pattern = file.removeprefix(HUB).rpartition("/")
        at, revision = pattern.partition("@")[1:]
        return [f"{HUB}{repo}/{quant}{at}{revision}" for quant in quants]
    files = [file]
    if not file.startswith(ELSEWHERE) and "*" in file:
        rooted = Path(escape(sweep.base), Path(file).expanduser())
        files = sorted(glob(str(rooted), recursive=True))
    return [name for name in files if any(is_called(name, quant) for quant in quants)]


def is_called(file: str, quant: str) -> bool:
    """Whether a file's name has the quant as a word: `x-Q4_K_M.gguf` has Q4_K_M, not Q4_K."""
    return bool(re.search(rf"(?i)(?<![a-z0-9]){re.escape(quant)}(?![a-z0-9_])", Path(file).name))


def with_tasks(sweep: Sweep, tasks: str | None) -> Sweep:
    """The sweep with these tasks, names of the harness or ready sets, instead of its own names."""
    if tasks is None:
        return sweep
    names = tuple(dict.fromkeys(filter(None, (name.strip() for name in tasks.split(",")))))
    if not names:
        raise InputError("--tasks: no name; give some, such as quick or mmlu,gsm8k")
    measures = tuple(dict.fromkeys((*sweep.measures, "tasks")))
    table = msgspec.structs.replace(sweep.tasks, names=names)
    return msgspec.structs.replace(sweep, measures=measures, tasks=table)


def with_nodes(sweep: Sweep, patterns: Sequence[str] | None) -> Sweep:
    """The sweep on the nodes that the command line asks for instead of its own."""
    return msgspec.structs.replace(sweep, nodes=tuple(patterns)) if patterns else sweep


def is_model(written: str) -> bool:
    """True for what names a model and no sweep file: `ref:`, `synthetic:`, `ollama:`, `hf:`,
    `package:`, a .gguf file, a folder with config.json."""
    path = Path(written).expanduser()
    return (
        written.startswith((BUNDLED, synthetic.PREFIX, ollama.PREFIX, *ELSEWHERE))
        or path.suffix == ".gguf"
        or is_checkpoint(path)
    )


def sweep_of(written: str) -> Sweep:
    """The bundled sweep's measures, of this model: a ladder of quants made of 16-bit weights;
    quantized weights as they are, of a hub's repository every file, compared with its 16-bit one.

    Raises InputError, one line, where the model is not there or no backend reads it.
    """
    if written.startswith(HUB):
        request = _hub_request(written)
    elif written.startswith(synthetic.PREFIX):
        return _synthetic_sweep(written)
    elif written.startswith(BUNDLED):
        request = _ladder_request(written)
    elif written.startswith(packages.PREFIX):
        request = _format_request("gguf", str(packages.parse(written)))
    elif written.startswith(ollama.PREFIX):
        request = _format_request("gguf", str(ollama.find_model(written).address))
    else:
        path = Path(written).expanduser().resolve()
        request = _format_request(format_of(path), str(path))
    return msgspec.structs.replace(
        load_sweep(),
        name=written,
        file=written,
        base=str(Path.cwd()),
        models=(request.entry,),
        backends=(request.backend,),
        quants=request.quants,
    )


def _synthetic_sweep(written: str) -> Sweep:
    """Speed and memory of a made-up model: of the ladder the quants that people run."""
    model = synthetic.find_synthetic(written)
    return msgspec.structs.replace(
        load_sweep(),
        name=model.source,
        file=model.source,
        base=str(Path.cwd()),
        measures=SPEED_MEASURES,
        models=(ModelEntry(source=model.source),),
        backends=(_reader("gguf", written),),
        quants=SPEED_LADDER,
    )


def _hub_request(written: str) -> _ModelRequest:
    from grid.models import hub

    address = hub.parse(written)
    listing = hub.list_files(address)
    if address.file is None and any(file.path.endswith(".gguf") for file in listing.files):
        try:
            ladder = [model.name for model in hub.select(listing, "*.gguf")]
        except InputError:
            ladder = []  # none of them is a model by itself
        if ladder:
            return _files_request(written, listing.repo, listing.commit, ladder)
    (weights, *_) = hub.select(listing, address.file)
    form = format_of(hub.stand_in(weights)) if weights.folder else "gguf"
    return _format_request(form, written)


def _files_request(written: str, repo: str, commit: str, ggufs: list[str]) -> _ModelRequest:
    """All GGUF files of a repository; the first that is called 16-bit is the reference."""
    at = f"@{commit}"
    whole = [path for path in ggufs if _WHOLE.search(path)]
    reference = f"{HUB}{repo}/{whole[0]}{at}" if whole else ""
    entry = ModelEntry(files=(f"{HUB}{repo}/*.gguf{at}",), reference=reference)
    return _ModelRequest(entry, _reader("gguf", written))


def _format_request(form: str, written: str) -> _ModelRequest:
    if form == "safetensors":
        return _ladder_request(written)
    return _ModelRequest(ModelEntry(files=(written,)), _reader(form, written))


def _ladder_request(written: str) -> _ModelRequest:
    makers = [name for name in names() if set(LADDER) <= set(backend(name).recipes())]
    if not makers:
        raise InputError(f"{written}: no installed backend makes {LADDER[1]} and the like")
    return _ModelRequest(ModelEntry(source=written), makers[0], LADDER)


def _reader(form: str, written: str) -> str:
    """Of the backends that read a format the one that reads the fewest others: the one made for
    it."""
    readers = [name for name in names() if form in backend(name).formats]
    if not readers:
        raise InputError(f"{written}: no installed backend reads {form or 'this'}; `grid backends`")
    return min(readers, key=lambda name: (len(backend(name).formats), name))
