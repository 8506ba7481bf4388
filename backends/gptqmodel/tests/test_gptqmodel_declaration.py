"""The declaration: light to import, complete, and true, where GPTQModel is not installed."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from typing import Any

import pytest
from grid_gptqmodel import awq, gptq
from grid_gptqmodel.kernels import choose, numerics

from grid.backend import Quantizes, ServeRequest
from grid.cells.workload import Memory
from grid.errors import InputError, Unsupported
from grid.hardware.node import Node
from grid.models.artifact import Artifact
from grid.models.checkpoint.quantization import Quantization
from grid.testing.fixtures import make_model

MODEL = make_model()
FOUR_BITS = Artifact(model=MODEL, format="gptq", quant="gptq-w4g128")
THREE_BITS = Artifact(model=MODEL, format="gptq", quant="gptq-w3g128")
GIB = 2**30


def four(group: int = 128, bits: int = 4, method: str = "gptq") -> Quantization:
    return Quantization(format=method, quant="", bits=bits, group=group)


def test_importing_it_loads_no_engine() -> None:
    code = "import grid_gptqmodel, json, sys; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert not {"gptqmodel", "transformers", "torch"} & set(json.loads(done.stdout))


def test_one_distribution_declares_two_backends() -> None:
    assert (gptq.name, awq.name) == ("gptq", "awq")
    assert gptq.formats == {"gptq", "safetensors"}
    assert awq.formats == {"awq", "safetensors"}
    assert isinstance(gptq, Quantizes)
    assert gptq.quantizer() == "gptqmodel 7.6.0, writer 1"


def test_where_it_is_missing_probe_says_how_to_mend_it(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    availability = gptq.probe(node)
    assert (availability.ready, availability.reason) == (False, "gptqmodel is not installed")
    assert availability.mend == f"uv pip install -r {gptq.runtime}"


def test_runtime_pins_everything_exactly_and_in_order() -> None:
    assert gptq.runtime is not None
    first, *pins = gptq.runtime.read_text().splitlines()
    assert first.startswith("# ")
    assert all(pin.count("==") == 1 and "+" not in pin for pin in pins)
    assert pins == sorted(pins)
    assert {"gptqmodel==7.6.0", "torch==2.13.0", "transformers==5.23.0"} <= set(pins)


def test_options_are_those_of_transformers_and_a_kernel(node: Node) -> None:
    assert gptq.options({}, node) == {
        "threads": 2,
        "batch": 512,
        "dtype": "auto",
        "attention": "sdpa",
        "device": "cpu",
        "kernel": "auto",
    }


@pytest.mark.parametrize(
    ("requested", "complaint"),
    [
        ({"kernels": "aten"}, r"'kernels' is unknown to gptq. Did you mean 'kernel'\?"),
        ({"kernel": "marlim"}, r"kernel = 'marlim' is unknown to gptq. Did you mean 'marlin'\?"),
        ({"kernel": 4}, "kernel = 4 is unknown to gptq"),
        ({"batch": 0}, "batch = 0: write a whole number from 1"),
    ],
)
def test_wrong_options_are_refused(node: Node, requested: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint) as caught:
        gptq.options(requested, node)
    assert "\n" not in str(caught.value)


def test_awq_has_kernels_of_its_own(node: Node) -> None:
    assert awq.options({"kernel": "gemm"}, node)["kernel"] == "gemm"
    with pytest.raises(InputError, match="kernel = 'gemm' is unknown to gptq"):
        gptq.options({"kernel": "gemm"}, node)


def test_the_floor_is_measured_by_other_pieces_with_the_same_kernel(node: Node) -> None:
    options = gptq.options({"kernel": "torch"}, node)
    noise = gptq.noise_options(options)
    assert noise["batch"] != options["batch"]
    assert noise["kernel"] == "torch"


def test_on_a_cpu_packed_4_bits_take_the_packed_kernel() -> None:
    assert choose(four(), "auto", "cpu", True) == "gptq_torch_aten"
    assert choose(four(method="awq"), "auto", "cpu", False) == "awq_torch_aten"


@pytest.mark.parametrize(
    "quantization", [four(bits=3), four(bits=8), four(group=-1), four(group=256)]
)
def test_on_a_cpu_everything_else_takes_the_plain_kernel(quantization: Quantization) -> None:
    assert choose(quantization, "auto", "cpu", True) == "gptq_torch"


def test_on_an_accelerator_gptqmodel_chooses() -> None:
    assert choose(four(), "auto", "cuda:0", True) == "auto"
    assert choose(four(), "marlin", "cuda:0", True) == "gptq_marlin"


def test_the_fused_kernel_is_refused_for_weights_with_zero_points() -> None:
    assert choose(four(), "fused", "cpu", True) == "gptq_torch_fused"
    with pytest.raises(Unsupported, match="leaves zero points out"):
        choose(four(), "fused", "cpu", False)


def test_environment_says_what_a_kernel_does_to_activations() -> None:
    aten, fp8, plain = (
        type(name, (), {})() for name in ("TorchAtenLinear", "W4AFP8Linear", "TorchLinear")
    )
    assert (
        numerics([aten], "float32")["activations"] == "are rounded in quantized layers to bfloat16"
    )
    assert numerics([fp8], "bfloat16")["activations"] == "are quantized to 8 bits or fewer"
    assert numerics([plain], "float32")["activations"] == "stay at float32"


def test_unpacked_weights_take_memory_of_their_own(node: Node) -> None:
    options, packed = gptq.options({}, node), 4 * GIB
    four_bits = gptq.needs(FOUR_BITS, packed, options, Memory(512)).host_bytes
    three_bits = gptq.needs(THREE_BITS, packed, options, Memory(512)).host_bytes
    assert three_bits - four_bits == 4 * MODEL.parameters
    plain = gptq.options({"kernel": "torch"}, node)
    assert gptq.needs(FOUR_BITS, packed, plain, Memory(512)).host_bytes == three_bits


def test_on_an_accelerator_the_weights_lie_there(with_card: Node) -> None:
    needs = gptq.needs(FOUR_BITS, 4 * GIB, gptq.options({}, with_card), Memory(512))
    assert needs.accelerator == "gpu"
    assert needs.device_bytes > 4 * GIB > needs.host_bytes


def test_it_is_served_by_transformers_with_the_packages_that_this_takes() -> None:
    artifact = Artifact(model=make_model(), format="gptq", quant="gptq-w4g128", path="/m/base")
    (command,) = gptq.serve_command(artifact, ServeRequest(context=4096, platform="cuda"))
    assert command.commands[0].argv[:3] == ("transformers", "serve", "/m/base")
    assert command.notes[0].startswith("needs the packages gptqmodel and optimum")
