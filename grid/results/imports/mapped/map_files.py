"""Maps that are remembered: one TOML file each, bundled or in the user's configuration folder.

origin = "MagicQuant"        # who measured; by default the table's file
absent = ["404"]             # cells that mean: no figure
other_files = ["ppl_*"]      # files whose columns of these names mean something else
[columns]
"KLD" = "kld_mean"
"Size (GB)" = "artifact_bytes:GiB"
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import tomli_w

from grid.errors import InputError, did_you_mean
from grid.results.imports.mapped.column_map import ColumnMap, build_map, split_entries

FOLDER_VARIABLE = "QUANTGRID_MAPS"
BUNDLED_FOLDER = Path(__file__).parent / "maps"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_KEYS = ("title", "origin", "absent", "other_files", "columns")


def maps_folder() -> Path:
    """`$QUANTGRID_MAPS`, else `maps` in the user's configuration folder."""
    override = os.environ.get(FOLDER_VARIABLE)
    if override:
        return Path(override).expanduser()
    import platformdirs

    return Path(platformdirs.user_config_dir("quantgrid")) / "maps"


def map_paths() -> dict[str, Path]:
    """The files of all maps, by name; the user's own before a bundled one."""
    folders = (BUNDLED_FOLDER, maps_folder())
    return {path.stem: path for folder in folders for path in sorted(folder.glob("*.toml"))}


def map_titles() -> dict[str, str]:
    """What each map is, for a list; a file that is none says so."""
    return {name: _title(path) for name, path in sorted(map_paths().items())}


def requested_map(texts: Sequence[str]) -> ColumnMap:
    """The map that is written as COLUMN=NAME entries, or the one remembered under a name.

    Raises InputError for a name that is none, with the nearest, and as `build_map`.
    """
    if len(texts) == 1 and "=" not in texts[0]:
        return load_map(texts[0].strip())
    return build_map([entry for text in texts for entry in split_entries(text)])


def load_map(name: str) -> ColumnMap:
    """A remembered map. Raises InputError, with the file, where it is damaged or there is none."""
    paths = map_paths()
    if name not in paths:
        raise InputError(f"--map: no map {name!r} and no COLUMN=NAME. {did_you_mean(name, paths)}")
    path = paths[name]
    about = _read(path)
    entries = [
        (column, target)
        for column, written in about["columns"].items()
        for target in (written if isinstance(written, list) else [written])
    ]
    try:
        columns = build_map(entries, about.get("origin", ""), about.get("absent", ()))
        return replace(columns, other_files=tuple(about.get("other_files", ())))
    except InputError as error:
        raise InputError(f"{path}: {str(error).removeprefix('--map: ')}") from None


def save_map(name: str, columns: ColumnMap) -> Path:
    """Write a map under a name into the user's folder, in place of one of that name."""
    require_map_name(name)
    entries: dict[str, Any] = {}
    for entry in columns.columns:
        entries.setdefault(entry.column, []).append(entry.written)
    about: dict[str, Any] = {"origin": columns.origin} if columns.origin else {}
    for key in ("absent", "other_files"):
        if getattr(columns, key):
            about[key] = list(getattr(columns, key))
    about["columns"] = {key: ws[0] if len(ws) == 1 else ws for key, ws in entries.items()}
    path = maps_folder() / f"{name}.toml"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(tomli_w.dumps(about), encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot save the map {path}: {error.strerror or error}") from error
    return path


def require_map_name(name: str) -> None:
    """Raises InputError for a name that is no file's name."""
    if not _NAME.fullmatch(name):
        raise InputError(f"--save-map: {name!r} is no name; use letters, digits, '-', '_' and '.'")


def _read(path: Path) -> dict[str, Any]:
    try:
        about = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not TOML: {error}") from None
    unknown = next((key for key in about if key not in _KEYS), None)
    if unknown is not None:
        raise InputError(f"{path}: unknown key {unknown!r}. {did_you_mean(unknown, _KEYS)}")
    columns, absent = about.get("columns"), about.get("absent", [])
    files = about.get("other_files", [])
    texts = [about.get("origin", ""), about.get("title", "")]
    if isinstance(columns, dict):
        for written in columns.values():
            texts += written if isinstance(written, list) else [written]
    lists = isinstance(columns, dict) and isinstance(absent, list) and isinstance(files, list)
    if not lists or not all(isinstance(text, str) for text in (*texts, *absent, *files)):
        raise InputError(f'{path}: [columns] must have "COLUMN" = "NAME" lines of text')
    return about


def _title(path: Path) -> str:
    try:
        about = _read(path)
    except InputError as error:
        return str(error)
    return about.get("title") or ", ".join(about["columns"])
