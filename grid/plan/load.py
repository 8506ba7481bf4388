"""Reads a sweep file; refuses anything unclear in one line with the place and the problem."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec

from grid.backend import EndpointSettings
from grid.errors import InputError, did_you_mean
from grid.plan import sweep as tables
from grid.plan.load_table import LoadTable, SloTable, check_load
from grid.plan.own_recipes import RecipeTable
from grid.plan.sweep import ALL, CHOSEN_MEASURES, MEASURES, ModelEntry, Sweep, SweepTable

_TABLES: dict[str, type[msgspec.Struct]] = {
    "speed": tables.SpeedTable,
    "latency": tables.LatencyTable,
    "load": LoadTable,
    "memory": tables.MemoryTable,
    "quality": tables.QualityTable,
    "tasks": tables.TasksTable,
    "calibration": tables.CalibrationTable,
    "budget": tables.Budget,
}
_WORDS = {
    "array": "list",
    "object": "table",
    "str": "text",
    "null": "nothing",
    "bool": "true/false",
}


def load_sweep(path: Path | None = None) -> Sweep:
    """The sweep in a TOML file; without a path, the bundled `quick.toml`. A bare name of a bundled
    sweep, such as `quick-formats`, is that one unless a file of that name is there.

    Raises InputError with the file, the dotted place and what to try. Names that only an installed
    backend knows (quants, options) are checked when the plan is made.
    """
    path = path or Path("quick.toml")
    bundled = files("grid.plan") / "sweeps" / f"{path.name.removesuffix('.toml')}.toml"
    if path.parent == Path() and not path.exists() and bundled.is_file():
        return parse_sweep(bundled.read_bytes(), bundled.name, Path.cwd())
    return parse_sweep(_read(path), str(path), path.resolve().parent)


def bundled_sweeps() -> tuple[str, ...]:
    """Names of the sweeps that come with the package."""
    entries = (files("grid.plan") / "sweeps").iterdir()
    return tuple(sorted(entry.name for entry in entries if entry.name.endswith(".toml")))


def parse_sweep(content: bytes, file: str, base: Path) -> Sweep:
    """The sweep in the bytes of a TOML file called `file`, whose paths are relative to `base`."""
    raw = _parse_toml(content, file)
    if isinstance(raw.get("tasks"), list | str):  # the names alone
        names = raw["tasks"]
        raw["tasks"] = {"names": [names] if isinstance(names, str) else names}
    try:
        _check_keys(raw)
        table = _convert_table(raw)
        _check_table(table)
    except InputError as error:
        raise InputError(f"{file}: {error}") from None
    fields = msgspec.structs.asdict(table)
    fields["name"] = table.name or Path(file).stem
    return Sweep(**fields, file=file, base=str(base))


def _read(path: Path) -> bytes:
    if path.is_dir():
        names = sorted(p.name for p in path.glob("*.toml"))
        hint = f"; it holds {', '.join(names[:3])}" if names else ""
        raise InputError(f"{path} is a folder, not a sweep file{hint}")
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"no sweep file {path}. {_what_is_meant(path)}".rstrip()) from None
    except OSError as error:
        raise InputError(f"cannot read sweep file {path}: {error.strerror}") from None


def _what_is_meant(path: Path) -> str:
    """A hint at the sweep of a like name; at the hub for what is written like its models."""
    if len(path.parts) == 2 and not path.suffix and not path.parent.is_dir():
        return f"A model of Hugging Face is written hf:{path}."
    names = [p.name for p in path.parent.glob("*.toml")] if path.parent.is_dir() else []
    names += bundled_sweeps()
    if path.suffix != ".toml":
        names = [name.removesuffix(".toml") for name in names]
    return did_you_mean(path.name, names)


def _parse_toml(content: bytes, file: str) -> dict[str, Any]:
    try:
        raw = tomllib.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise InputError(f"{file}: not a text file in UTF-8 (byte {error.start})") from None
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{file}: not TOML: {error}") from None
    except RecursionError:
        raise InputError(f"{file}: not TOML: nested too deeply") from None
    if not raw:
        raise InputError(
            f'{file}: the sweep file is empty; it needs at least [[models]] with source = "ref:*"'
        )
    return raw


def _check_keys(raw: Mapping[str, Any]) -> None:
    _refuse_unknown_keys(raw, SweepTable, "")
    for name, table in _TABLES.items():
        if isinstance(raw.get(name), dict):
            _refuse_unknown_keys(raw[name], table, f"{name}.")
            if isinstance(raw[name].get("judge"), dict):
                _refuse_unknown_keys(raw[name]["judge"], tables.JudgeTable, f"{name}.judge.")
            if isinstance(raw[name].get("slo"), dict):
                _refuse_unknown_keys(raw[name]["slo"], SloTable, f"{name}.slo.")
            texts = raw[name].get("texts")
            for category, entry in texts.items() if isinstance(texts, dict) else ():
                if isinstance(entry, dict):
                    _refuse_unknown_keys(entry, tables.TextTable, f"{name}.texts.{category}.")
    recipes = raw.get("recipes")
    for name, entry in recipes.items() if isinstance(recipes, dict) else ():
        if isinstance(entry, dict):
            _refuse_unknown_keys(entry, RecipeTable, f"recipes.{name}.")
    models = raw.get("models")
    for index, entry in enumerate(models if isinstance(models, list) else []):
        if isinstance(entry, dict):
            _refuse_unknown_keys(entry, ModelEntry, f"models[{index}].")
            if isinstance(entry.get("endpoint"), dict):
                _refuse_unknown_keys(
                    entry["endpoint"], EndpointSettings, f"models[{index}].endpoint."
                )


def _refuse_unknown_keys(raw: Iterable[str], table: type[msgspec.Struct], place: str) -> None:
    fields = table.__struct_fields__
    for key in raw:
        if key not in fields:
            raise InputError(f"{place}{key}: unknown key. {did_you_mean(key, fields)}")


def _convert_table(raw: Mapping[str, Any]) -> SweepTable:
    try:
        return msgspec.convert(raw, SweepTable)
    except msgspec.ValidationError as error:
        text, _, place = str(error).partition(" - at `$.")
        for word, plain in _WORDS.items():
            text = text.replace(word, plain)
        text = text.replace("`", "").replace(" | ", " or ")
        raise InputError(f"{place.rstrip('`') or 'sweep'}: {text[0].lower()}{text[1:]}") from None


def _check_table(sweep: SweepTable) -> None:
    if not sweep.models:
        raise InputError('no models; add [[models]] with source = "ref:*" or files = ["*.gguf"]')
    if not sweep.measures or not sweep.backends:
        empty = "backends" if sweep.measures else "measures"
        raise InputError(f"{empty}: the list is empty, so there is nothing to run")
    for measure in sweep.measures:
        if measure not in (*MEASURES, *CHOSEN_MEASURES):
            hint = did_you_mean(measure, (*MEASURES, *CHOSEN_MEASURES))
            raise InputError(f"measures: unknown measure {measure!r}. {hint}")
    if sweep.imatrix == ():
        raise InputError("imatrix: the list is empty; write true, false or [false, true]")
    for place, values in _list_values(sweep):
        _refuse_duplicates(place, values)
    _check_texts(sweep.quality)
    for index, entry in enumerate(sweep.models):
        _check_entry(entry, f"models[{index}]")
    _check_quants("quants", sweep.quants)
    _check_speed(sweep.speed)
    _check_budget(sweep.budget)
    if sweep.latency.prompts > sweep.latency.repetitions:
        raise InputError("latency.prompts: more than latency.repetitions; each takes one request")
    check_load(sweep.load)
    if sweep.latency.generate < 2:
        raise InputError("latency.generate: at least 2 tokens, or there is no time between tokens")


def _list_values(sweep: SweepTable) -> Iterator[tuple[str, Sequence[Any]]]:
    yield "measures", sweep.measures
    yield "backends", sweep.backends
    yield "imatrix", () if isinstance(sweep.imatrix, bool) else sweep.imatrix
    yield "speed.prompt", sweep.speed.prompt
    yield "speed.generate", sweep.speed.generate
    yield "speed.depth", sweep.speed.depth
    for name in ("classes", "names", "files"):
        yield f"tasks.{name}", getattr(sweep.tasks, name)
    for backend, options in sweep.options.items():
        for name, value in options.items():
            if isinstance(value, list) and not value:
                raise InputError(f"options.{backend}.{name}: the list is empty")
            for element in value if isinstance(value, list) else [value]:
                if not isinstance(element, str | int | float | bool):
                    raise InputError(
                        f"options.{backend}.{name}: expected text, a number, true/false, or a list "
                        f"of them, got {element!r}"
                    )
            if isinstance(value, list):
                yield f"options.{backend}.{name}", value


def _check_texts(quality: tables.QualityTable) -> None:
    for category, table in quality.texts.items():
        place = f"quality.texts.{category}"
        if not category.strip():
            raise InputError("quality.texts: a category without a name")
        if isinstance(table, tables.TextTable) and bool(table.text) == bool(table.generate):
            raise InputError(f"{place}: give either text (a file) or generate (prompts)")
    entries = list(quality.text_tables.values())
    for index, table in enumerate(entries):
        if table in entries[:index]:  # in other chunks the same text is another one
            raise InputError(f"quality.texts: {table.source!r} is there twice")


def _refuse_duplicates(place: str, values: Sequence[Any]) -> None:
    for index, value in enumerate(values):
        if value in values[:index]:
            raise InputError(f"{place}: {value!r} is there twice")


def _check_entry(entry: ModelEntry, place: str) -> None:
    if sum(map(bool, (entry.source, entry.files, entry.endpoint))) != 1:
        raise InputError(
            f"{place}: give either source (to be quantized) or files (measured as they are), or "
            "the endpoint of a server"
        )
    if entry.endpoint and (entry.quants or entry.reference):
        key = "quants" if entry.quants else "reference"
        raise InputError(f"{place}.{key}: what an endpoint serves is measured as it is")
    if entry.files and entry.quants:
        raise InputError(f"{place}.quants: files are measured as they are; quants goes with source")
    if entry.source and entry.reference:
        raise InputError(
            f"{place}.reference: goes with files; the quants of a source are compared with it"
        )
    if entry.imatrix and not entry.source:
        raise InputError(f"{place}.imatrix: goes with source; files are measured as they are")
    if entry.dequantize and not entry.source:
        raise InputError(f"{place}.dequantize: goes with source; files are measured as they are")
    if entry.name and entry.source == "ref:*":
        raise InputError(f"{place}.name: ref:* stands for several models; they keep their names")
    _check_quants(f"{place}.quants", entry.quants)


def _check_quants(place: str, quants: str | tuple[str, ...]) -> None:
    if isinstance(quants, tuple):
        _refuse_duplicates(place, quants)
    elif quants != ALL:
        raise InputError(f'{place}: write a list, ["{quants}"], or "all"')


def _check_speed(speed: tables.SpeedTable) -> None:
    try:
        seconds = speed.time_s(decided=False)
    except InputError as error:
        raise InputError(f"speed.time: {error}") from None
    if not 0 < seconds < float("inf"):
        raise InputError(f"speed.time: must be more than zero and finite, got {speed.time!r}")


def _check_budget(budget: tables.Budget) -> None:
    for name in ("cell_timeout", "memory"):
        value = getattr(budget, name)
        if value is None:
            continue
        try:
            number = budget.cell_timeout_s if name == "cell_timeout" else budget.memory_bytes
        except InputError as error:
            raise InputError(f"budget.{name}: {error}") from None
        if not 0 < (number or 0) < float("inf"):
            raise InputError(f"budget.{name}: must be more than zero and finite, got {value!r}")
