"""What a host says of itself, over a real sshd on this machine."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from ssh_hosts import SshHost, reason_to_skip, set_up, ssh_host

from grid.cluster.commands import ask_facts
from grid.cluster.config import Cluster
from grid.cluster.facts import facts_of, on_node
from grid.cluster.ray_state import ask_ray_state
from grid.cluster.ssh import CommandFailed, Host
from grid.cluster.start import copy_token_and_python, ensure_workers, send_code
from grid.errors import ClusterLost

ROOT = Path(__file__).parents[3]
pytestmark = pytest.mark.skipif(bool(reason_to_skip()), reason=reason_to_skip())
NODE_FILE = 'name = "mini"\nchip = "Fake"\nmemory = "8GiB"\nbandwidth = "50GB/s"\ncores = 2\n'


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshHost]:
    """A machine that is set up, with a node.toml, a token, and no Ray that runs."""
    with ssh_host(tmp_path_factory.mktemp("node")) as host:
        node_file = host.home / "node.toml"
        node_file.write_text(NODE_FILE)
        own = {"QUANTGRID_NODE_FILE": node_file, "QUANTGRID_CACHE": host.home / "cache"}
        set_up(host, **own, RAY_TMPDIR=host.home / "tmp")
        notes = host.home / "quantgrid/scripts/.head"
        notes.mkdir()
        (notes / "auth_token").write_text("head's token")
        (notes / "python").write_text("3.11.7\n")
        (host.home / ".ray").mkdir()
        (host.home / ".ray/auth_token").write_text("head's token")
        yield host


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[SshHost]:
    with ssh_host(tmp_path / "bare") as host:
        yield host


def cluster_of(head: Host, *workers: Host) -> Cluster:
    return Cluster(
        path=ROOT / "cluster.yaml",
        name="rack",
        provider="local",
        head=head,
        workers=workers,
        head_ip=head.address,
    )


def test_a_host_tells_its_class_and_versions(node: SshHost) -> None:
    facts = facts_of(node.host)
    assert facts.hardware_class == "Fake, 2 cores, 8 GiB, 32-64 GB/s"
    assert facts.python == platform.python_version()
    assert facts.overridden == ("name", "chip", "memory", "bandwidth", "cores")
    assert abs(facts.clock_offset_s) < 10


def test_a_host_that_is_not_set_up_is_one_line(bare: SshHost) -> None:
    with pytest.raises(CommandFailed, match=r"is not set up: .*; `grid cluster up` does it"):
        facts_of(bare.host)


@pytest.mark.parametrize("answer", ["", '{"name": "of another version"}'])
def test_a_host_of_another_version_is_one_line(bare: SshHost, answer: str) -> None:
    programs = bare.home / "bin"
    programs.mkdir()
    (programs / "python").write_text(f"#!/bin/sh\necho '{answer}'\n" if answer else "#!/bin/sh\n")
    (programs / "python").chmod(0o755)
    script = bare.home / "quantgrid/scripts/node-env.sh"
    script.parent.mkdir(parents=True)
    script.write_text(f"export PATH={programs}:$PATH\n")
    with pytest.raises(CommandFailed, match="answers unlike this version of quantgrid"):
        facts_of(bare.host)


def test_facts_of_all_hosts_and_the_error_of_the_silent_one(node: SshHost, tmp_path: Path) -> None:
    silent = msgspec.structs.replace(node.host, address="127.0.0.2")
    facts, silence = ask_facts([node.host, silent])
    assert list(facts) == ["127.0.0.1"]
    assert "does not answer" in str(silence["127.0.0.2"])


def test_a_head_without_ray_says_so(node: SshHost) -> None:
    assert ask_ray_state(node.host, "rack", ["127.0.0.1"]).problem == "no Ray runs there"
    with pytest.raises(ClusterLost, match="no Ray runs there; try: grid cluster up"):
        ensure_workers(cluster_of(node.host, Host(address="127.0.0.2")), print)


def test_a_head_whose_ray_is_gone_says_so(node: SshHost) -> None:
    note = node.home / "tmp" / "ray" / "ray_current_cluster"
    note.parent.mkdir(parents=True)
    note.write_text("127.0.0.1:9")  # what a Ray leaves that was killed
    with pytest.raises(ClusterLost, match="its Ray does not answer"):
        ensure_workers(cluster_of(node.host, Host(address="127.0.0.2")), print)
    note.unlink()


def test_a_head_that_is_not_set_up_is_one_line(bare: SshHost) -> None:
    with pytest.raises(ClusterLost, match="is not set up"):
        ask_ray_state(bare.host, "rack")


def test_the_environment_of_a_node_is_set(node: SshHost) -> None:
    assert on_node(node.host, "command -v python").stdout.strip().endswith("bin/python")


def test_the_heads_token_replaces_another_and_is_its_owners_only(
    node: SshHost, bare: SshHost
) -> None:
    mine = bare.home / ".ray" / "auth_token"
    mine.parent.mkdir()
    mine.write_text("another token")
    mine.chmod(0o644)
    copy_token_and_python(cluster_of(node.host, bare.host), bare.host)
    assert mine.read_text() == "head's token"
    assert mine.stat().st_mode & 0o777 == 0o600
    assert (bare.home / "quantgrid/scripts/.head/python").read_text() == "3.11.7\n"


def test_sent_code_loses_files_that_are_gone_from_the_checkout(
    bare: SshHost, tmp_path: Path
) -> None:
    code = tmp_path / "checkout" / "scripts"
    code.mkdir(parents=True)
    (code / "old.py").write_text("")
    (tmp_path / "checkout" / "README.md").write_text("")
    mounts = {"~/q/scripts": "scripts", "~/q/README.md": "README.md"}
    cluster = msgspec.structs.replace(
        cluster_of(bare.host), path=tmp_path / "checkout" / "cluster.yaml", mounts=mounts
    )
    send_code(cluster, bare.host)
    remote = bare.home / "q" / "scripts"
    (remote / ".head").mkdir()  # the host's own
    (code / "old.py").rename(code / "new.py")
    send_code(cluster, bare.host)
    assert sorted(path.name for path in remote.iterdir()) == [".head", "new.py"]
    assert (bare.home / "q" / "README.md").is_file()


def test_a_clone_that_somebody_works_in_is_left_alone(bare: SshHost, tmp_path: Path) -> None:
    mine = bare.home / "quantgrid" / "grid" / "mine.py"
    mine.parent.mkdir(parents=True)
    mine.write_text("")
    (bare.home / "quantgrid" / ".git").mkdir()
    (tmp_path / "grid").mkdir()
    cluster = msgspec.structs.replace(
        cluster_of(bare.host), path=tmp_path / "cluster.yaml", mounts={"~/quantgrid/grid": "grid"}
    )
    with pytest.raises(CommandFailed, match=r"~/quantgrid on .* is somebody's checkout; move it"):
        send_code(cluster, bare.host)
    assert mine.is_file()


def test_the_environment_script_hides_nothing_from_engines(tmp_path: Path) -> None:
    script = f". {ROOT}/scripts/node-env.sh; env"
    done = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, check=True,
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    variables = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
    assert "OMP_NUM_THREADS" not in variables
    assert variables["RAY_AUTH_MODE"] == "token"
    assert variables["PATH"].startswith(f"{tmp_path}/quantgrid/.venv/bin:")
