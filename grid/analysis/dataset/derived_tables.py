"""What was derived from a store's rows before, read where it is still true of them.

Each piece names the files that it was derived from. It holds as long as these are unchanged and no
file that came later has rows of its attempts: so a store that a sweep writes to keeps what was
derived of its other hardware classes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from hashlib import blake2b
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from grid.analysis.dataset.overview import OVERVIEW
from grid.analysis.dataset.variant_codec import decode_variants, encode_variants
from grid.analysis.posterior import DRAWS, SEED
from grid.analysis.text_draws import text_scope
from grid.analysis.variant import Variant
from grid.models.identity import digest
from grid.results import files, select
from grid.results.derived_folder import DerivedFolder
from grid.results.reader import FileState, Results
from grid.results.schema import ATTEMPTS, TABLES
from grid.results.statistics.interval import Floats

MOST_NEW_FILES = 200
"""Files that may have come since: of more a piece is derived anew."""
FEW_NEW_FILES = 16
"""From this many on the piece is written anew with them."""

States = Mapping[str, FileState]
_SCHEMA = pa.schema([ATTEMPTS.field(name) for name in OVERVIEW])


class _Piece(msgspec.Struct, array_like=True):
    """A content, the files that it was derived from, and a digest of the rows that decide it."""

    files: dict[str, FileState]
    rows: str
    content: bytes


class DerivedTables:
    """The attempts, variants and draws of one store, as they were derived before."""

    def __init__(self, results: Results) -> None:
        self._results = results
        self._folder = DerivedFolder(results.location)
        self.files: States = results.files()

    def attempts(self) -> pa.Table:
        """The rows of attempts, columns OVERVIEW. Files that came since are read."""
        piece = self._piece("attempts", self._attempts_files())
        table = None if piece is None else _decode_table(piece.content)
        if piece is None or table is None:
            table = self._results.read("attempts", OVERVIEW).select(list(OVERVIEW))
            self._keep_attempts(table)
            return table
        new = self._attempts_files().keys() - piece.files.keys()
        if new:
            rows = self._results.read("attempts", OVERVIEW, names=new).select(list(OVERVIEW))
            table = select.deduplicate([table, rows], "attempts")
        if len(new) >= FEW_NEW_FILES:
            self._keep_attempts(table)
        return table

    def variants(self, hardware_class: str, rows: pa.Table) -> list[Variant] | None:
        """The class's variants; None where they must be built. `rows` are the attempts that they
        are made of."""
        name = f"variants-{digest(hardware_class)}"
        piece = self._piece(name)
        if piece is None or piece.rows != digest_of_rows(rows):
            return None
        new = self.files.keys() - piece.files.keys()
        if new and self._hold_rows_of(new, rows["attempt_id"]):
            return None
        try:
            variants = decode_variants(piece.content)
        except (ValueError, LookupError):
            return None
        if len(new) >= FEW_NEW_FILES:
            self._write(name, piece.rows, piece.content)
        return variants

    def keep_variants(
        self, hardware_class: str, rows: pa.Table, variants: Sequence[Variant]
    ) -> None:
        """Keep what was built of the rows."""
        try:
            content = encode_variants(variants)
        except (TypeError, OverflowError):  # a number beyond 64 bits, by whoever wrote the row
            return
        self._write(f"variants-{digest(hardware_class)}", digest_of_rows(rows), content)

    def read(self, name: str) -> bytes | None:
        """A content of the caller's own."""
        return self._folder.read(f"own-{name}")

    def write(self, name: str, content: bytes) -> None:
        self._folder.write(f"own-{name}", content)

    def draws(self, key: str, variants: int) -> Floats | None:
        """Draws by the digest of what they were drawn from, [draws, variants]."""
        content = self._folder.read(f"draws-{key}")
        if content is None or len(content) != 8 * DRAWS * variants:
            return None
        return np.frombuffer(content).reshape(DRAWS, variants)

    def keep_draws(self, key: str, draws: Floats) -> None:
        self._folder.write(f"draws-{key}", np.ascontiguousarray(draws).tobytes())

    def sound_files(self) -> Collection[str]:
        """Files that were opened before, and are unchanged."""
        piece = self._read("sound")
        states = {} if piece is None else piece.files
        return {name for name, state in states.items() if self.files.get(name) == state}

    def keep_sound_files(self, problems: Collection[str]) -> None:
        sound = {name: state for name, state in self.files.items() if name not in problems}
        self._write("sound", "", b"", sound)

    def _keep_attempts(self, table: pa.Table) -> None:
        self._write("attempts", "", _encode_table(table), self._attempts_files())

    def _attempts_files(self) -> States:
        """Files that may hold attempts."""
        return {
            name: state
            for name, state in self._sound().items()
            if files.table_of_name(name) in ("attempts", None)
        }

    def _piece(self, name: str, states: States | None = None) -> _Piece | None:
        """A piece whose files are all unchanged among the states, of which few are new."""
        states = self.files if states is None else states
        piece = self._read(name)
        if piece is None or not piece.files.items() <= states.items():
            return None
        return piece if len(states) - len(piece.files) <= MOST_NEW_FILES else None

    def _read(self, name: str) -> _Piece | None:
        content = self._folder.read(name)
        try:
            return None if content is None else _DECODER.decode(content)
        except ValueError:
            return None

    def _write(self, name: str, rows: str, content: bytes, states: States | None = None) -> None:
        states = self._sound() if states is None else states
        self._folder.write(name, _ENCODER.encode(_Piece(dict(states), rows, content)))

    def _sound(self) -> States:
        """The files as they were when the store was opened, but the problems among them."""
        problems = self._results.problem_names()
        return {name: state for name, state in self.files.items() if name not in problems}

    def _hold_rows_of(self, names: Collection[str], attempts: pa.ChunkedArray[Any]) -> bool:
        ids = attempts.combine_chunks()
        return any(
            self._results.read(table, (), ids, names).num_rows
            for table in TABLES
            if table != "attempts"
        )


def digest_of_rows(rows: pa.Table) -> str:
    """Of what decides which variants the attempts make, in any order of the rows."""
    columns = (rows[name].to_pylist() for name in ("attempt_id", "model", "family"))
    lines = sorted(zip(*columns, strict=True), key=lambda line: str(line[0]))
    return digest(lines)


def digest_of_answers(variants: Sequence[Variant]) -> str:
    """Of all that draws of capability depend on."""
    state = blake2b(digest(DRAWS, SEED).encode(), digest_size=16)
    names: dict[int, str] = {}
    for variant in variants:
        facts = (variant.artifact_id, variant.backend, variant.capability is None, variant.weights)
        state.update(digest(facts).encode())
        for name, figure in sorted(variant.classes.items()):
            answers = variant.items.get(name)
            state.update(digest(name, figure.value, figure.sd).encode())
            if answers is not None:
                for group in (answers.ids, answers.groups):
                    if id(group) not in names:
                        names[id(group)] = digest(group)
                    state.update(names[id(group)].encode())
                state.update(answers.gains.tobytes())
    return state.hexdigest()


def digest_of_texts(variants: Sequence[Variant], axis: str) -> str:
    """Of all that draws on a text axis depend on."""
    state = blake2b(digest(DRAWS, SEED, axis).encode(), digest_size=16)
    for variant in variants:
        run = variant.scored_text
        scope = text_scope(variant, axis)
        figures = (variant.kld_mean, variant.perplexity, variant.noise_floor_nat)
        state.update(digest(variant.artifact_id, variant.backend, scope, figures).encode())
        for means in () if run is None else (run.kld, run.nll):
            state.update(b"-" if means is None else digest(len(means)).encode() + means.tobytes())
    return state.hexdigest()


def _encode_table(table: pa.Table) -> bytes:
    """In one batch; texts that repeat are written once."""
    columns = [_without_repeats(column.combine_chunks()) for column in table.columns]
    encoded = pa.table(columns, names=table.column_names)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, encoded.schema) as writer:
        writer.write_table(encoded)
    return sink.getvalue().to_pybytes()


def _without_repeats(column: pa.Array[Any]) -> pa.Array[Any]:
    if not pa.types.is_string(column.type):
        return column
    encoded = column.dictionary_encode()
    return encoded if 2 * len(encoded.dictionary) < len(column) else column


def _decode_table(content: bytes) -> pa.Table | None:
    """None for bytes that are no such table."""
    try:
        with pa.ipc.open_file(pa.BufferReader(content)) as reader:
            table = reader.read_all()
        table.validate(full=True)
        return table.cast(_SCHEMA) if table.column_names == _SCHEMA.names else None
    except (pa.ArrowException, OSError, ValueError):
        return None


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(_Piece)
