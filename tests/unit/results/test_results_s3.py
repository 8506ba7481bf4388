"""A store on S3, against a stand-in server on the loopback: write, read, lock, compact."""

from __future__ import annotations

import json
from collections.abc import Iterator

import boto3
import pytest
from moto.server import ThreadedMotoServer
from pyarrow import fs
from results_cells import cell, measurement_of, write_attempts

from grid.errors import InputError, StoreError, StoreLost
from grid.results import open_store
from grid.results.compact import compact
from grid.results.schema import TABLES
from grid.results.store import Store


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"{host}:{port}"
    server.stop()


@pytest.fixture
def uri(endpoint: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """An empty prefix of a bucket on the server, as a user would write it."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    boto3.client("s3", endpoint_url=f"http://{endpoint}").create_bucket(Bucket="runs")
    query = f"endpoint_override={endpoint}&scheme=http&region=us-east-1"
    return f"s3://runs/{request.node.name}?{query}"


def names(uri: str) -> list[str]:
    system, path = fs.FileSystem.from_uri(uri)
    infos = system.get_file_info(fs.FileSelector(path, allow_not_found=True))
    return sorted(info.base_name for info in infos)


def test_rows_are_read_back_from_an_object_store(uri: str) -> None:
    write_attempts(
        uri,
        (cell("Q4_0"), measurement_of(cell("Q4_0"))),
        (cell("Q8_0"), measurement_of(cell("Q8_0"))),
    )
    results = open_store(uri)
    assert sorted(results.attempts()["quant"].to_pylist()) == ["Q4_0", "Q8_0"]
    assert results.finished_ids() == {cell("Q4_0").id, cell("Q8_0").id}
    assert results.wide()["decode_tps"].to_pylist() == [11.0, 11.0]
    assert results.problems == []


def test_each_flush_is_one_object_a_table_and_the_lock_goes(uri: str) -> None:
    write_attempts(uri, (cell(), measurement_of(cell())))
    assert [name.split("-")[0] for name in names(uri)] == sorted(TABLES)


def test_the_endpoint_may_stand_in_the_environment(
    uri: str, endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{endpoint}")
    bare = uri.partition("?")[0]
    write_attempts(bare, (cell(), measurement_of(cell())))
    assert open_store(uri).attempts().num_rows == 1


def test_an_empty_prefix_has_empty_tables(uri: str) -> None:
    assert open_store(uri).attempts().num_rows == 0


def test_a_second_sweep_on_an_object_store_is_refused(uri: str) -> None:
    with Store(uri).writer():
        assert names(uri) == ["writer.lock"]
        with pytest.raises(StoreError, match="in use by another sweep"):
            Store(uri).writer().__enter__()
    assert names(uri) == []


def test_of_two_sweeps_that_start_together_the_first_to_flush_after_the_other_stops(
    uri: str,
) -> None:
    first = Store(uri).writer()
    with first:
        location = first.location
        owner = json.loads(location.read("writer.lock"))
        location.write("writer.lock", json.dumps({**owner, "token": "other"}).encode())
        first.add(cell(), measurement_of(cell()), node=None, sweep_id="s", sweep="q")
        with pytest.raises(StoreLost, match="taken over"):
            first.flush()


def test_files_of_an_object_store_are_compacted(uri: str) -> None:
    for quant in ("Q4_0", "Q8_0"):
        write_attempts(uri, (cell(quant), measurement_of(cell(quant))))
    assert compact(uri).merged == 8
    assert len(names(uri)) == len(TABLES)
    assert open_store(uri).metrics().num_rows == 2


def test_torn_objects_are_reported(uri: str) -> None:
    write_attempts(uri, (cell(), measurement_of(cell())))
    Store(uri).location.write("attempts-torn.arrow", b"ARROW1")
    results = open_store(uri)
    assert [problem.file for problem in results.problems] == ["attempts-torn.arrow"]
    assert results.attempts().num_rows == 1


def test_a_bucket_that_is_not_there_is_one_line_without_credentials(uri: str) -> None:
    missing = uri.replace("s3://runs", "s3://key:secret@nobucket")
    with pytest.raises(StoreError, match="cannot write to the store s3://nobucket") as refused:
        Store(missing).writer().__enter__()
    assert "secret" not in str(refused.value)
    assert "\n" not in str(refused.value)


def test_an_option_that_pyarrow_does_not_know_is_refused(uri: str) -> None:
    with pytest.raises(InputError, match=r"not a place for a store: .*'colour'"):
        open_store(f"{uri}&colour=blue")
