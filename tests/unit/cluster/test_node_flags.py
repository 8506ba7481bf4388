"""A machine's flags of `ray start`, and what its owner's node.toml replaces."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from ray._private.label_utils import parse_node_labels_string

from grid.cluster.node_flags import (
    class_digest,
    flags_here,
    head_address,
    label_value,
    node_flags,
)
from grid.errors import InputError
from grid.hardware.node import Accelerator, Node
from grid.hardware.node_file import FILE_VARIABLE, apply_node_file, read_node_file
from grid.units import GIB

NODE = Node(
    name="box",
    system="Linux x86_64",
    chip="AMD EPYC",
    cores=8,
    memory_bytes=32 * GIB,
    bandwidth_bytes_s=50e9,
    cpu_kind="cpu-avx2",
)
GPU = Accelerator(name="NVIDIA L4", kind="cuda-sm89", memory_bytes=24 * GIB)


def words(flags: str) -> dict[str, str]:
    """Flags as a shell splits them when they are substituted without quotes."""
    done = subprocess.run(
        ["sh", "-c", 'for word in $1; do printf "%s\\n" "$word"; done', "sh", flags],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return dict(line.split("=", 1) for line in done.stdout.splitlines())


def test_the_flags_say_what_the_probe_found() -> None:
    flags = words(node_flags(NODE))
    assert flags["--num-cpus"] == "8"
    assert flags["--num-gpus"] == "0"
    assert json.loads(flags["--resources"]) == {"bench_slot": 1}


def test_ray_takes_the_labels() -> None:
    labels = parse_node_labels_string(words(node_flags(NODE))["--labels"])
    assert labels == {
        "quantgrid.class": class_digest(NODE.hardware_class),
        "quantgrid.device": "cpu-avx2",
        "quantgrid.system": "Linux-x86_64",
    }


def test_each_accelerator_is_a_gpu_for_ray() -> None:
    two = Node(
        name="box", system="Linux x86_64", chip="AMD EPYC", cores=8, memory_bytes=32 * GIB,
        bandwidth_bytes_s=50e9, accelerators=(GPU, GPU),
    )  # fmt: skip
    assert words(node_flags(two))["--num-gpus"] == "2"


def test_only_the_head_names_its_address() -> None:
    assert words(node_flags(NODE, "192.0.2.10"))["--node-ip-address"] == "192.0.2.10"
    assert "--node-ip-address" not in words(node_flags(NODE))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("Linux x86_64", "Linux-x86_64"),
        (" (odd) chip! ", "odd-chip"),
        ("a" * 80, "a" * 63),
        ("!?", ""),
    ],
)
def test_any_text_becomes_a_label_that_ray_takes(text: str, value: str) -> None:
    assert label_value(text) == value
    parse_node_labels_string(f"key={value}")


def test_head_address_is_that_of_the_cluster_file(tmp_path: Path) -> None:
    file = tmp_path / "ray_bootstrap_config.yaml"
    file.write_text(json.dumps({"provider": {"type": "local", "head_ip": "127.0.0.1"}}))
    assert head_address(str(file)) == "127.0.0.1"
    assert head_address(str(tmp_path / "none.yaml")) == ""


def test_a_broken_node_file_does_not_keep_ray_from_starting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "node.toml"
    file.write_text("bandwith = '50GB/s'\n")
    monkeypatch.setenv(FILE_VARIABLE, str(file))
    assert json.loads(words(flags_here())["--resources"]) == {"bench_slot": 1}
    assert "Did you mean 'bandwidth'?" in capsys.readouterr().err


def test_the_node_file_replaces_what_it_names(tmp_path: Path) -> None:
    file = tmp_path / "node.toml"
    file.write_text('name = "rack-3"\nmemory = "16GiB"\nbandwidth = "400GB/s"\ncores = 4\n')
    node = apply_node_file(NODE, file)
    assert (node.name, node.memory_bytes, node.cores) == ("rack-3", 16 * GIB, 4)
    assert node.bandwidth_bytes_s == 400e9
    assert node.chip == NODE.chip
    assert node.overridden == ("name", "memory", "bandwidth", "cores")


def test_without_a_node_file_the_probe_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(FILE_VARIABLE, raising=False)
    assert apply_node_file(NODE, tmp_path / "none.toml") == NODE


def test_an_overridden_bandwidth_is_not_measured(tmp_path: Path) -> None:
    file = tmp_path / "node.toml"
    file.write_text('chip = "Fake"\nmemory = "8GiB"\nbandwidth = "50GB/s"\ncores = 2\n')
    code = (
        "from grid.hardware.probe import probe_node; print(probe_node(fresh=True).hardware_class)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env={"PATH": "/usr/bin:/bin", FILE_VARIABLE: str(file), "HOME": str(tmp_path),
             "QUANTGRID_CACHE": str(tmp_path / "cache")},
    )  # fmt: skip
    assert done.stdout.strip() == "Fake, 2 cores, 8 GiB, 32-64 GB/s"
    assert not (tmp_path / "cache" / "nodes").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("nam = 'x'", "unknown key 'nam'. Did you mean 'name'?"),
        ("memory = 'much'", "'much' is not a size"),
        ("bandwidth = '50GB'", "'50GB' is not a rate"),
        ("cores = 'two'", "`cores`"),
        ("cores = 0", "cores must be more than 0"),
        ("name = ''", "must not be empty"),
        ("name =", "not TOML"),
    ],
)
def test_a_wrong_node_file_is_one_line_that_names_it(
    tmp_path: Path, content: str, message: str
) -> None:
    file = tmp_path / "node.toml"
    file.write_text(content + "\n")
    with pytest.raises(InputError) as error:
        apply_node_file(NODE, file)
    assert str(error.value).startswith(f"{file}: ")
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_node_file_named_by_the_variable_must_exist(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(FILE_VARIABLE, str(tmp_path / "gone.toml"))
    with pytest.raises(InputError, match="not there"):
        read_node_file()
