"""Where a sweep's driver runs, and what is said of it."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from ssh_hosts import SshHost, reason_to_skip, set_up, ssh_host

from grid.cluster.config import forget_up, load, note_up
from grid.cluster.remote.choose_place import OnHead, OnRay, OnThisMachine, choose_place
from grid.errors import ClusterLost, InputError

CLUSTER = """
cluster_name: rack
provider: {{type: local, head_ip: "{head}", worker_ips: []}}
auth: {{ssh_user: {user}, ssh_private_key: {key}, ssh_proxy_command: {proxy}}}
"""


@pytest.fixture(autouse=True)
def _own_ray_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path / "tmp"))


def cluster(folder: Path, head: str, key: str = "~/.ssh/none", proxy: str = "null") -> None:
    text = CLUSTER.format(head=head, user="root", key=key, proxy=proxy)
    (folder / "cluster.yaml").write_text(text)


def test_sweep_runs_on_this_machine_by_default_without_a_word(tmp_path: Path) -> None:
    assert choose_place(None, False, {}, tmp_path) == OnThisMachine("")


def test_address_option_goes_before_the_variable_and_the_cluster_file(tmp_path: Path) -> None:
    cluster(tmp_path, "10.0.0.1")
    place = choose_place("auto", False, {"RAY_ADDRESS": "other:6379"}, tmp_path)
    assert isinstance(place, OnRay)
    assert place.address == "auto"
    assert "--address" in place.why


def test_address_variable_goes_before_the_cluster_file(tmp_path: Path) -> None:
    cluster(tmp_path, "10.0.0.1")
    place = choose_place(None, False, {"RAY_ADDRESS": "10.0.0.9:6379"}, tmp_path)
    assert isinstance(place, OnRay)
    assert place.address == "10.0.0.9:6379"
    assert "RAY_ADDRESS" in place.why


@pytest.mark.parametrize(
    ("address", "this_machine"), [("local", False), (None, True), ("local", True)]
)
def test_this_machine_can_be_chosen_despite_variable_and_cluster_file(
    tmp_path: Path, address: str | None, this_machine: bool
) -> None:
    cluster(tmp_path, "10.0.0.1")
    assert isinstance(
        choose_place(address, this_machine, {"RAY_ADDRESS": "auto"}, tmp_path), OnThisMachine
    )


@pytest.mark.parametrize("address", ["ray://10.0.0.1:10001", "http://10.0.0.1:8265", "10.0.0.1"])
def test_address_that_drives_no_sweep_is_refused_with_what_to_give(
    tmp_path: Path, address: str
) -> None:
    with pytest.raises(InputError, match=f"{address}: .*auto"):
        choose_place(address, False, {}, tmp_path)
    with pytest.raises(InputError, match=f"RAY_ADDRESS {address}"):
        choose_place(None, False, {"RAY_ADDRESS": address}, tmp_path)


def test_here_and_an_address_exclude_each_other(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="exclude each other"):
        choose_place("auto", True, {}, tmp_path)


def test_cluster_file_with_example_addresses_means_this_machine(tmp_path: Path) -> None:
    cluster(tmp_path, "192.0.2.10")
    place = choose_place(None, False, {}, tmp_path)
    assert isinstance(place, OnThisMachine)
    assert "example addresses" in place.why


def test_wrong_cluster_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cluster.yaml").write_text("cluster_name: rack\n")
    with pytest.raises(InputError, match=r"cluster\.yaml: provider"):
        choose_place(None, False, {}, tmp_path)


def test_silent_head_that_was_never_up_means_this_machine(tmp_path: Path) -> None:
    cluster(tmp_path, "127.0.0.1", proxy="'false'")
    place = choose_place(None, False, {}, tmp_path)
    assert isinstance(place, OnThisMachine)
    assert "does not answer: " in place.why
    assert "running on this machine, without the cluster of ./cluster.yaml" in place.why


def test_head_that_this_machine_brought_up_must_answer(tmp_path: Path) -> None:
    cluster(tmp_path, "127.0.0.1", proxy="'false'")
    (tmp_path / "tmp/ray").mkdir(parents=True)
    state = {"127.0.0.1": {"state": "running"}}
    (tmp_path / "tmp/ray/cluster-rack.state").write_text(json.dumps(state))
    with pytest.raises(ClusterLost, match=r"does not answer: .*--address local") as raised:
        choose_place(None, False, {}, tmp_path)
    assert raised.value.exit_code == 3


def test_cluster_brought_up_is_remembered_after_a_reboot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    cluster(tmp_path, "127.0.0.1", proxy="'false'")
    rack = load(tmp_path / "cluster.yaml")
    note_up(rack)
    with pytest.raises(ClusterLost, match="does not answer"):
        choose_place(None, False, {}, tmp_path)
    forget_up(rack)
    assert isinstance(choose_place(None, False, {}, tmp_path), OnThisMachine)


def test_silent_head_is_asked_twice(tmp_path: Path) -> None:
    (tmp_path / "asked").mkdir()
    cluster(tmp_path, "127.0.0.1", proxy=f"mktemp -p {tmp_path}/asked")
    choose_place(None, False, {}, tmp_path)
    assert len(list((tmp_path / "asked").iterdir())) == 2


needs_ssh = pytest.mark.skipif(bool(reason_to_skip()), reason=reason_to_skip())


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshHost]:
    with ssh_host(tmp_path_factory.mktemp("box")) as host:
        yield host


@pytest.fixture
def head(box: SshHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SshHost:
    """The box as the head of the folder's cluster: no cluster's file can name its port."""
    cluster(tmp_path, "127.0.0.1")
    rack = msgspec.structs.replace(load(tmp_path / "cluster.yaml"), head=box.host)
    monkeypatch.setattr("grid.cluster.remote.choose_place.load", lambda path: rack)
    return box


@needs_ssh
def test_head_that_was_never_set_up_means_this_machine(head: SshHost, tmp_path: Path) -> None:
    place = choose_place(None, False, {}, tmp_path)
    assert isinstance(place, OnThisMachine)
    assert "is not up (`grid cluster up` brings it up); running on this machine" in place.why


@needs_ssh
def test_driver_runs_on_the_head_while_its_ray_answers(head: SshHost, tmp_path: Path) -> None:
    set_up(head, RAY_TMPDIR=head.home / "tmp")
    current = head.home / "tmp/ray/ray_current_cluster"
    current.parent.mkdir(parents=True)
    with socket.create_server(("127.0.0.1", 0)) as ray:
        current.write_text(f"127.0.0.1:{ray.getsockname()[1]}")
        place = choose_place(None, False, {}, tmp_path)
    assert isinstance(place, OnHead)
    assert place.cluster.head == head.host
    assert "cluster rack of ./cluster.yaml" in place.why
    assert isinstance(choose_place(None, False, {}, tmp_path), OnThisMachine)


@needs_ssh
def test_head_of_another_version_is_an_error(head: SshHost, tmp_path: Path) -> None:
    set_up(head)
    programs = head.home / "bin"
    programs.mkdir()
    (programs / "python").write_text("#!/bin/sh\necho '{\"ray\": 1}'\n")
    (programs / "python").chmod(0o755)
    script = head.home / "quantgrid/scripts/node-env.sh"
    script.write_text(f"export PATH={programs}:$PATH\n")
    with pytest.raises(ClusterLost, match="answers unlike this version"):
        choose_place(None, False, {}, tmp_path)
