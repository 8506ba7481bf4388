"""A cluster on a cloud: a provider of this test's own, which Ray asks as it asks AWS."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from grid.cluster import commands
from grid.cluster.config import Cluster, NotUp, load
from grid.cluster.remote.choose_place import OnThisMachine, choose_place
from grid.cluster.ssh import CommandFailed
from grid.errors import InputError

FILE = """
cluster_name: rented
provider: {type: external, module: rented_machines.Provider, heads: HEADS}
auth: {ssh_user: ubuntu}
head_node_type: cpu
available_node_types: {cpu: {node_config: {}, resources: {CPU: 1}, max_workers: 1}}
max_workers: 1
idle_timeout_minutes: 1
docker: {}
file_mounts: {}
cluster_synced_files: []
setup_commands: []
initialization_commands: []
head_setup_commands: []
worker_setup_commands: []
head_start_ray_commands: []
worker_start_ray_commands: []
"""
PROVIDER = """
from pathlib import Path
from ray.autoscaler.node_provider import NodeProvider
class Provider(NodeProvider):
    def __init__(self, provider_config, cluster_name):
        super().__init__(provider_config, cluster_name)
        if provider_config["heads"] == "broken":
            raise PermissionError("no credentials are found")
        if provider_config["heads"] == "slow":
            import time; time.sleep(60)
        print("a cloud's own words")
    def non_terminated_nodes(self, tag_filters):
        return ["i-1"] if self.provider_config["heads"] == "one" else []
    def node_tags(self, node_id):
        return {"ray-node-status": "up-to-date"}
    def external_ip(self, node_id):
        return "203.0.114.5"
    @staticmethod
    def bootstrap_config(config):
        config["auth"]["ssh_private_key"] = "~/.ssh/ray-autoscaler_here.pem"
        return config
"""


@pytest.fixture(autouse=True)
def _provider(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "rented_machines.py").write_text(PROVIDER)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # Ray keeps what it found there
    monkeypatch.setenv("QUANTGRID_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


def cluster(folder: Path, heads: str) -> Cluster:
    path = folder / "cluster.yaml"
    path.write_text(FILE.replace("HEADS", heads))
    return load(path)


def test_head_on_a_cloud_is_reached_by_the_key_that_ray_made(tmp_path: Path) -> None:
    head = commands.locate_head(cluster(tmp_path, "one")).head
    assert head.address == "203.0.114.5"
    assert head.key == str(tmp_path / "home/.ssh/ray-autoscaler_here.pem")
    assert head.user == "ubuntu"


def test_cloud_without_a_head_means_this_machine(tmp_path: Path) -> None:
    with pytest.raises(NotUp, match="no head is found; try: grid cluster up"):
        commands.locate_head(cluster(tmp_path, "none"))
    assert isinstance(choose_place(None, False, {}, tmp_path), OnThisMachine)


def test_cloud_that_cannot_be_asked_is_an_error_of_the_sweep(tmp_path: Path) -> None:
    cluster(tmp_path, "broken")
    with pytest.raises(InputError, match=r"cannot be asked: .*no credentials are found"):
        choose_place(None, False, {}, tmp_path)


def test_hanging_cloud_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "LOCATE_S", 5.0)
    with pytest.raises(InputError, match="did not say within 5 s"):
        commands.locate_head(cluster(tmp_path, "slow"))


def test_hanging_ray_command_is_ended_with_a_line(tmp_path: Path) -> None:
    begun = time.monotonic()
    with pytest.raises(CommandFailed, match=r"ray down: not done after .* min; all that it said"):
        commands.run_ray(cluster(tmp_path, "slow"), ["down", "-y"], print, limit_s=6.0)
    assert time.monotonic() - begun < 40


def test_rented_machines_are_given_back_without_asking_the_head(tmp_path: Path) -> None:
    lines: list[str] = []
    assert commands.down(cluster(tmp_path, "none"), lines.append) == {}
    assert lines[0].startswith("ray down ")
