"""The question for several machines at once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from advice_cases import BIGGER, FOREIGN_CLASS, OWN_CLASS, add_quality, add_speed, write_store
from analysis_cases import SIZES, Rows
from typer.testing import CliRunner

from grid.advice import Ask
from grid.advice.for_model import RUNS, find_target
from grid.advice.for_model.sentences import headline
from grid.advice.rack import advise_rack, node_names, place_on_rack, store_nodes
from grid.analysis.dataset import Dataset
from grid.cli import command_line
from grid.cli.views.rack import nodes_of
from grid.errors import InputError


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    """Two classes: one of two nodes, one of a node on which everything is slow."""
    rows = Rows()
    for quant in SIZES:
        for node in ("box-1", "box-2"):
            add_speed(rows, quant, OWN_CLASS, node=node)
        add_quality(rows, quant, OWN_CLASS, node="box-1")
        add_speed(rows, quant, BIGGER, node="big")
    return write_store(rows, tmp_path / "store")


def test_nodes_of_a_class_are_asked_about_once(dataset: Dataset) -> None:
    assert node_names(dataset) == {OWN_CLASS: ("box-1", "box-2"), BIGGER: ("big",)}
    nodes = store_nodes(dataset, Ask())
    assert {node.names: node.ask.hardware for node in nodes} == {
        ("box-1", "box-2"): OWN_CLASS,
        ("big",): BIGGER,
    }


def test_each_node_has_an_answer_of_its_own(dataset: Dataset) -> None:
    answers = advise_rack(dataset, store_nodes(dataset, Ask(max_bytes=SIZES["Q4_K_M"])))
    texts = [answer.text for answer in answers]
    assert len(texts) == 2
    assert all(text.startswith("run base Q4_K_M in llamacpp, 60") for text in texts)


def test_a_node_without_an_answer_does_not_stop_the_others(dataset: Dataset) -> None:
    good, *_ = store_nodes(dataset, Ask())
    bad = type(good)(("ghost",), Ask(hardware=FOREIGN_CLASS))
    answers = advise_rack(dataset, [good, bad])
    assert answers[0].advice is not None
    assert answers[1].advice is None
    assert "no machine called" in answers[1].problem


def test_a_model_is_placed_on_the_nodes_that_run_it(dataset: Dataset) -> None:
    target = find_target("base", "Q8_0", dataset)
    choice = place_on_rack(dataset, target, Ask(min_decode_tps=20), store_nodes(dataset, Ask()))
    assert len(choice.of(RUNS)) == 2
    assert "run it on" in headline(choice)


def test_places_are_a_store_a_chip_a_class_or_a_file(dataset: Dataset, tmp_path: Path) -> None:
    file = tmp_path / "rack-3.toml"
    file.write_text('memory = "16GiB"\nbandwidth = "50GB/s"\n')
    assert len(nodes_of(dataset, Ask(), "store")) == 2
    assert nodes_of(dataset, Ask(), "RTX 3090")[0].ask.chip == "NVIDIA GeForce RTX 3090"
    assert nodes_of(dataset, Ask(), "64 GiB")[0].ask.hardware == "64 GiB"
    (described,) = nodes_of(dataset, Ask(), str(file))
    assert described.names == ("rack-3",)
    assert described.ask.bandwidth_bytes_s == 50e9


def test_a_cluster_s_hosts_are_found_among_the_nodes(dataset: Dataset, tmp_path: Path) -> None:
    file = tmp_path / "cluster.yaml"
    file.write_text(
        "cluster_name: rack\nprovider:\n  type: local\n  head_ip: box-1\n  worker_ips: [big]\n"
        "auth:\n  ssh_user: me\n  ssh_private_key: ~/.ssh/key\n"
    )
    nodes = nodes_of(dataset, Ask(), str(file))
    assert [node.names for node in nodes] == [("box-1",), ("big",)]


def test_a_cluster_of_example_addresses_is_said_to_be_one(dataset: Dataset, tmp_path: Path) -> None:
    file = tmp_path / "cluster.yaml"
    file.write_text((Path(__file__).parents[3] / "cluster.yaml").read_text())
    with pytest.raises(InputError, match="example addresses"):
        nodes_of(dataset, Ask(), str(file))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.toml", None, "no such file"),
        ("empty.toml", "", "says neither memory with bandwidth nor a chip"),
    ],
)
def test_a_file_that_describes_no_machine_is_one_line(
    dataset: Dataset, tmp_path: Path, name: str, content: str | None, message: str
) -> None:
    file = tmp_path / name
    if content is not None:
        file.write_text(content)
    with pytest.raises(InputError) as error:
        nodes_of(dataset, Ask(), str(file))
    assert message in str(error.value)


def test_the_command_answers_for_each_node_as_data(dataset: Dataset) -> None:
    words = ("recommend", "--store", dataset.display_name, "--rack", "store", "--json")
    result = CliRunner().invoke(command_line, words, catch_exceptions=False)
    answers = json.loads(result.stdout)
    assert sorted(answer["nodes"] for answer in answers) == [["big"], ["box-1", "box-2"]]
    assert all(answer["advice"]["pick"]["quant"] for answer in answers)
