"""A cluster's file: what is read of it, and what is said where it is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from grid.cluster.commands import require_filled_in
from grid.cluster.config import Cluster, is_example, load, ray_folder, was_brought_up_here
from grid.cluster.demand import machine_kinds
from grid.errors import InputError

ROOT = Path(__file__).parents[3]
GOOD = """
cluster_name: rack
provider:
  type: local
  head_ip: 10.1.2.3
  worker_ips: [10.1.2.4, mini.local]
auth:
  ssh_user: ada
  ssh_private_key: ~/.ssh/rack
worker_start_ray_commands: [ray stop, ray start]
"""


def write_cluster_file(folder: Path, text: str) -> Path:
    path = folder / "cluster.yaml"
    path.write_text(text)
    return path


@pytest.fixture
def good(tmp_path: Path) -> Cluster:
    return load(write_cluster_file(tmp_path, GOOD))


def test_every_host_is_reached_by_the_files_user_and_key(good: Cluster) -> None:
    assert [host.address for host in good.hosts] == ["10.1.2.3", "10.1.2.4", "mini.local"]
    assert {host.user for host in good.hosts} == {"ada"}
    assert {host.key for host in good.hosts} == {str(Path.home() / ".ssh" / "rack")}


def test_start_commands_are_those_of_the_file(good: Cluster) -> None:
    assert good.worker_start == ("ray stop", "ray start")


def test_ssh_takes_the_outer_address_and_workers_the_inner_one(tmp_path: Path) -> None:
    text = GOOD.replace("head_ip:", "external_head_ip: 8.8.8.8\n  head_ip:")
    cluster = load(write_cluster_file(tmp_path, text))
    assert (cluster.head.address, cluster.head_ip) == ("8.8.8.8", "10.1.2.3")


@pytest.mark.parametrize(
    ("wrong", "right", "message"),
    [
        ("cluster_name: rack", "", "cluster_name is missing"),
        ("head_ip: 10.1.2.3", "head_adress: 10.1.2.3", "provider.head_ip is missing"),
        ("head_ip: 10.1.2.3", "hed_ip: 10.1.2.3", "provider.hed_ip is no key of a cluster's file. "
         "Did you mean 'head_ip'?"),
        ("worker_ips: [10.1.2.4, mini.local]", "", "provider.worker_ips is missing"),
        ("worker_ips: [10.1.2.4, mini.local]", "worker_ips: 10.1.2.4", "must be a list of texts"),
        ("[10.1.2.4, mini.local]", "[10.1.2.4, 10.1.2.4]", "name 10.1.2.4 twice"),
        ("ssh_user: ada", "ssh_user: 7", "auth.ssh_user must be a text, and is 7"),
        ("auth:", "auht:", "auht is no key of a cluster's file. Did you mean 'auth'?"),
        ("type: local", "type:", "provider.type is missing"),
        ("type: local", "type: locl", "provider.type 'locl' is none of Ray's"),
        ("head_ip: 10.1.2.3", "head_ip: 10.1.2.3:22", "a port into ~/.ssh/config"),
        ("head_ip: 10.1.2.3", "head_ip: me@10.1.2.3", "the user goes into auth.ssh_user"),
        ("head_ip: 10.1.2.3", "head_ip: -oProxyCommand=x", "give a name or number only"),
        ("provider:", "provider: local\nx:", "x is no key"),
    ],
)  # fmt: skip
def test_error_in_a_cluster_file_is_one_line_with_file_and_key(
    tmp_path: Path, wrong: str, right: str, message: str
) -> None:
    assert wrong in GOOD
    path = write_cluster_file(tmp_path, GOOD.replace(wrong, right))
    with pytest.raises(InputError) as error:
        load(path)
    assert str(error.value).startswith(f"{path}: ")
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "line 2: not YAML"),
        ("- a", "it holds no keys"),
        ("", "it holds no keys"),
        ("provider: local", "cluster_name is missing"),
    ],
)
def test_file_that_is_no_cluster_file_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load(write_cluster_file(tmp_path, text + "\n"))


def test_missing_cluster_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.yaml: No such file"):
        load(tmp_path / "none.yaml")


def test_the_shipped_file_is_an_example_and_a_filled_one_is_none(good: Cluster) -> None:
    assert is_example(load(ROOT / "cluster.yaml"))
    assert not is_example(good)


def test_one_example_address_that_is_left_makes_an_example(tmp_path: Path) -> None:
    assert is_example(load(write_cluster_file(tmp_path, GOOD.replace("mini.local", "203.0.113.9"))))


def test_cluster_with_example_addresses_is_not_started() -> None:
    with pytest.raises(InputError, match="example addresses; put in those of your machines"):
        require_filled_in(load(ROOT / "cluster.yaml"))


def test_a_missing_key_is_said_before_anything_starts(tmp_path: Path) -> None:
    cluster = load(
        write_cluster_file(tmp_path, GOOD.replace("~/.ssh/rack", str(tmp_path / "none")))
    )
    with pytest.raises(InputError, match=r"auth\.ssh_private_key: there is no"):
        require_filled_in(cluster)


def test_the_public_half_of_a_key_is_no_key(tmp_path: Path) -> None:
    half = tmp_path / "key.pub"
    half.write_text("ssh-ed25519 AAAA")
    cluster = load(write_cluster_file(tmp_path, GOOD.replace("~/.ssh/rack", str(half))))
    with pytest.raises(InputError, match="public half"):
        require_filled_in(cluster)


@pytest.mark.parametrize(("state", "expected"), [("running", True), ("terminated", False)])
def test_rays_own_note_says_whether_this_machine_brought_the_cluster_up(
    tmp_path: Path, good: Cluster, monkeypatch: pytest.MonkeyPatch, state: str, expected: bool
) -> None:
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    assert not was_brought_up_here(good)
    (tmp_path / "ray").mkdir()
    note = {"10.1.2.3": {"tags": {}, "state": state}}
    (tmp_path / "ray" / "cluster-rack.state").write_text(json.dumps(note))
    assert was_brought_up_here(good) is expected


@pytest.mark.parametrize("name", ["cluster.yaml", "clusters/aws.yaml"])
def test_ray_takes_the_shipped_files(name: str) -> None:
    from ray.autoscaler._private.util import prepare_config, validate_config

    config = prepare_config(yaml.safe_load((ROOT / name).read_text()))
    validate_config(config)
    assert all("pip install" not in command for command in config["head_setup_commands"])


@pytest.mark.parametrize("name", ["cluster.yaml", "clusters/aws.yaml"])
def test_shipped_cluster_files_copy_files_that_exist(name: str) -> None:
    mounts = load(ROOT / name).mounts
    assert [source for source in mounts.values() if not (ROOT / source).exists()] == []
    assert all(target == f"~/quantgrid/{source}" for target, source in mounts.items())


def test_no_machine_is_rented_until_a_sweep_needs_it() -> None:
    types = yaml.safe_load((ROOT / "clusters/aws.yaml").read_text())["available_node_types"]
    assert {node_type["min_workers"] for node_type in types.values()} == {0}
    assert {node_type["resources"]["bench_slot"] for node_type in types.values()} == {1}
    assert load(ROOT / "clusters/aws.yaml").head.address == ""


def test_sweep_rents_one_machine_of_each_kind(tmp_path: Path) -> None:
    assert machine_kinds(ROOT / "clusters/aws.yaml") == ("machine-cpu", "machine-l4")
    assert machine_kinds(ROOT / "cluster.yaml") == ()
    assert machine_kinds(tmp_path / "none.yaml") == ()


@pytest.mark.parametrize("variables", [{}, {"TMPDIR": "/a"}, {"TMPDIR": "/a", "RAY_TMPDIR": "/b"}])
def test_ray_folder_follows_rays_own_rule(
    variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from ray._common.utils import get_default_ray_temp_dir

    for name in ("TMPDIR", "RAY_TMPDIR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert str(ray_folder()) == get_default_ray_temp_dir()
