"""Bundles: what leaves the machine, and what of others is refused or inert."""

from __future__ import annotations

import contextlib
import io
import json
import tarfile
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from advice_cases import write_store
from analysis_cases import Rows
from hostile_names import NAME

from grid.analysis.among_others import place
from grid.errors import InputError
from grid.results.bundles import archive
from grid.results.bundles.contents import ResultsBundle, publish, read_bundle
from grid.results.bundles.meeting_place import gather, page, write_index
from grid.results.reader import Results
from grid.results.schema import TABLES, file_schema
from grid.results.statistics import between_runs, median_interval, outliers, rate_interval

SECONDS = np.array([1.0, 1.01, 0.99, 1.0, 1.02])


def rows(factor: float = 1.0, **fields: object) -> Rows:
    """A decode run whose figures come of its samples, as the sweep derives them."""
    store, seconds = Rows(), SECONDS * factor
    rates = 100 / seconds
    workload = {"type": "decode", "tokens": 100, "depth": 0, "repetitions": 5}
    facts = {
        "label": "tg100", "engine_version": "1.0", "node": "secret-host", "wall_s": 1000.0,
        "sweep": "my secret sweep", "model_source": "/home/somebody/base.gguf", "origin": "",
        "started_at": datetime(2026, 1, 2, 3, 4, tzinfo=UTC),
        "environment": [("system", "Linux secret-host"), ("bandwidth_bytes_s", "1e10")],
    }  # fmt: skip
    store.attempt("decode", workload, series={"decode_s": seconds.tolist()}, **{**facts, **fields})
    attempt = store.rows["attempts"][-1]
    between = between_runs()
    intervals = {
        "decode_tps": rate_interval(rates, between),
        "decode_tps_median": median_interval(rates),
    }
    for name, interval in intervals.items():
        figure = {f: getattr(interval, f) for f in ("value", "low", "high", "sd", "n", "method")}
        ids = {key: attempt[key] for key in ("attempt_id", "cell_id")}
        store.rows["metrics"].append({**ids, "name": name, "unit": "token/s", **figure})
    assert not outliers(rates).any()
    return store


def bundle_of(tmp_path: Path, store: Rows, name: str = "x.zip") -> ResultsBundle:
    write_store(store, tmp_path / "store")
    return publish(Results(tmp_path / "store", exact=True), str(tmp_path / name))


@pytest.mark.parametrize("name", ["x.zip", "x.tar", "folder"])
def test_a_bundle_reads_as_it_was_written(tmp_path: Path, name: str) -> None:
    written = bundle_of(tmp_path, rows(), name)
    read = read_bundle(str(tmp_path / name))
    assert read.refused == ()
    assert read.tables["attempts"].equals(written.tables["attempts"])
    assert read.tables["metrics"].num_rows == 2


def test_nothing_private_leaves(tmp_path: Path) -> None:
    bundle_of(tmp_path, rows(), "folder")
    content = b"".join(path.read_bytes() for path in (tmp_path / "folder").iterdir())
    for secret in (b"secret", b"somebody", b"/home", b"Linux"):
        assert secret not in content
    (row,) = read_bundle(str(tmp_path / "folder")).tables["attempts"].to_pylist()
    assert row["started_at"] == datetime(2026, 1, 2, tzinfo=UTC)
    assert row["environment"] == [("bandwidth_bytes_s", "1e10")]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"model": "/home/me/base"}, "holds a path"),
        ({"model": "C:\\models\\base"}, "holds a path"),
        ({"model": "base <script>alert(1)</script>"}, "holds markup"),
        ({"model": "base\x1b]0;owned\x07"}, "does not show"),
        ({"model": "base on myhost"}, "machine's or user's name"),
        ({"started_at": datetime(2031, 1, 1, tzinfo=UTC)}, "measured on 2031-01-01"),
        ({"wall_s": 0.5}, "its repetitions take"),
        ({"artifact_bytes": 10 * 2**30}, "which reads 1,070 GB/s"),
    ],
)
def test_rows_that_cannot_be_shared_are_named(
    tmp_path: Path, fields: dict[str, object], reason: str
) -> None:
    write_store(rows(**fields), tmp_path / "store")
    results = Results(tmp_path / "store", exact=True)
    with pytest.raises(InputError, match=reason):
        publish(results, str(tmp_path / "x.zip"), frozenset({"myhost"}))
    assert not (tmp_path / "x.zip").exists()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"value": 200.0, "low": 190.0, "high": 210.0}, "value is 200.0, its samples give"),
        ({"low": 99.0}, "low is 99.0, its samples give"),
        ({"value": -1.0}, "decode_tps is -1"),
        ({"unit": "token/h"}, "in 'token/h'"),
        ({"value": float("inf")}, "decode_tps is inf"),
    ],
)
def test_figures_that_are_not_of_their_samples_are_refused(
    tmp_path: Path, change: dict[str, object], reason: str
) -> None:
    store = rows()
    store.rows["metrics"][0].update(change)
    write_store(store, tmp_path / "store")
    with pytest.raises(InputError, match=reason):
        publish(Results(tmp_path / "store", exact=True), str(tmp_path / "x.zip"))


def members(tmp_path: Path) -> dict[str, bytes]:
    bundle_of(tmp_path, rows(), "folder")
    return {path.name: path.read_bytes() for path in (tmp_path / "folder").iterdir()}


def zip_of(
    path: Path, contents: dict[str, bytes], change: Callable[..., None] | None = None
) -> str:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        for name, content in contents.items():
            target.writestr(name, content)
        if change is not None:
            change(target)
    return str(path)


@pytest.mark.parametrize("name", ["../evil", "/etc/passwd", "run.sh", "a/bundle.json", NAME])
def test_files_that_are_no_part_of_a_bundle_are_refused(tmp_path: Path, name: str) -> None:
    place_name = zip_of(tmp_path / "y.zip", {**members(tmp_path), name: b"x"})
    with pytest.raises(InputError, match="no part of a bundle") as caught:
        read_bundle(place_name)
    assert str(caught.value).isprintable()
    assert not (tmp_path.parent / "evil").exists()


def test_a_link_in_a_tar_is_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "y.tar", "w") as target:
        info = tarfile.TarInfo("bundle.json")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        target.addfile(info)
    with pytest.raises(InputError, match="no plain file"):
        read_bundle(str(tmp_path / "y.tar"))


def test_a_member_that_grows_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    contents = members(tmp_path) | {"items.arrows": bytes(2**20)}
    monkeypatch.setattr(archive, "MOST_BYTES", 2**18)
    with pytest.raises(InputError, match="1,048,576 bytes, more than"):
        read_bundle(zip_of(tmp_path / "y.zip", contents))


def test_compressed_rows_are_refused_before_they_grow(tmp_path: Path) -> None:
    sink, schema = io.BytesIO(), file_schema("samples")
    content = pa.Table.from_pylist(
        [{"attempt_id": "a", "cell_id": "c", "values": [0.0] * 100_000}], TABLES["samples"]
    )
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_stream(sink, schema, options=options) as writer:
        writer.write_table(content)
    with pytest.raises(InputError, match="compressed"):
        archive.decode_table("samples", sink.getvalue())


def test_torn_rows_are_refused_in_one_line(tmp_path: Path) -> None:
    content = members(tmp_path)["attempts.arrows"]
    for end in range(0, len(content), max(1, len(content) // 60)):
        with pytest.raises(InputError, match=r"torn or no rows|other columns"):
            archive.decode_table("attempts", content[:end])
    rng = np.random.default_rng(3)
    for _ in range(200):
        damaged = bytearray(content)
        for at in rng.integers(0, len(content), 8):
            damaged[at] = int(rng.integers(0, 256))
        with contextlib.suppress(InputError):  # nothing else is raised
            archive.decode_table("attempts", bytes(damaged))


def test_rows_that_are_not_those_of_the_manifest_are_refused(tmp_path: Path) -> None:
    contents = members(tmp_path)
    empty = archive.encode_table("items", TABLES["items"].empty_table())
    rows_of_items = pa.Table.from_pylist([{"attempt_id": "a", "cell_id": "c"}], TABLES["items"])
    assert contents["items.arrows"] == empty
    contents["items.arrows"] = archive.encode_table("items", rows_of_items)
    with pytest.raises(InputError, match="not those of its manifest"):
        read_bundle(zip_of(tmp_path / "y.zip", contents))


@pytest.mark.parametrize("manifest", [b"", b"[]", b"{}", b"[" * 100_000, b'{"format": "x"}'])
def test_a_manifest_that_is_none_is_refused(tmp_path: Path, manifest: bytes) -> None:
    contents = members(tmp_path) | {"bundle.json": manifest}
    with pytest.raises(InputError, match="no manifest"):
        read_bundle(zip_of(tmp_path / "y.zip", contents))


def test_hostile_names_of_a_bundle_are_refused_rows(tmp_path: Path) -> None:
    """Forged by hand: a publisher that does not check."""
    tables = read_bundle(bundle_of(tmp_path, rows()).name).tables
    forged = [{**row, "model": NAME} for row in tables["attempts"].to_pylist()]
    contents = {name: archive.encode_table(name, table) for name, table in tables.items()}
    contents["attempts"] = archive.encode_table(
        "attempts", pa.Table.from_pylist(forged, TABLES["attempts"])
    )
    contents = {f"{name}.arrows": content for name, content in contents.items()}
    from grid.results.bundles.contents import FORMAT, _content

    manifest = {"format": FORMAT, "created": "2026-01-01", "content": _content(contents)}
    contents["bundle.json"] = json.dumps(manifest).encode()
    bundle = read_bundle(zip_of(tmp_path / "y.zip", contents))
    assert bundle.tables["attempts"].num_rows == 0
    assert len(bundle.refused) == 1
    assert bundle.refused[0].isprintable()


def test_the_page_of_a_meeting_place_escapes_all_texts(tmp_path: Path) -> None:
    meeting = tmp_path / "place"
    meeting.mkdir()
    bundle = bundle_of(tmp_path, rows(hardware_class="box & 'x'"), "place/a<i>.zip")
    assert write_index(str(meeting)).refused == []
    text = (meeting / "index.html").read_text()
    assert "box &amp; &#x27;x&#x27;" in text
    assert "<i>" not in text
    assert "<script" not in page([bundle._replace(name="<script>.zip")])


def test_a_place_without_bundles_and_a_bad_bundle_in_a_place(tmp_path: Path) -> None:
    (tmp_path / "bad.zip").write_bytes(b"PK\x03\x04 no zip")
    gathered = gather([str(tmp_path)])
    assert (gathered.bundles, len(gathered.refused)) == ([], 1)
    with pytest.raises(InputError, match="there is no bundle"):
        read_bundle(str(tmp_path / "absent.zip"))


def test_a_rate_is_placed_among_others(tmp_path: Path) -> None:
    others = []
    for number, factor in enumerate((0.5, 1.0, 2.0, 4.0)):
        store = rows(factor, attempt_id="x")
        for table in store.rows.values():
            for row in table:
                row["attempt_id"] = f"machine{number}"
        others.append(bundle_of(tmp_path / str(number), store).tables)
    own = rows(1.0)
    attempts, metrics = own.tables().attempts, own.tables().metrics
    (comparison,) = place(attempts, metrics, [*others, others[0]])
    (placing,) = comparison.placings
    assert (comparison.others, placing.machines) == (4, 4)  # the same bundle twice is one machine
    assert placing.percentile == pytest.approx(62.5)
    assert placing.ratio is not None
    assert placing.ratio.value == pytest.approx(2**0.5)
    (few,) = place(attempts, metrics, others[:2])[0].placings
    assert (few.machines, few.ratio, few.percentile) == (2, None, None)
