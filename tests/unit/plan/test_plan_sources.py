"""What a sweep calls a model becomes artifacts, with what is known of them before they exist."""

from __future__ import annotations

from pathlib import Path

import grid_fake
import msgspec
import pytest
from plan_helpers import NODE, plan_of, sweep_file

from grid.errors import InputError
from grid.hardware.node import Accelerator
from grid.models import bundled
from grid.plan import Plan, expand, load_sweep

MEMORY = 'measures = ["memory"]\n'


def labels(plan: Plan) -> set[str]:
    return {cell.artifact.label for cell in plan.cells}


def refusal(tmp_path: Path, text: str) -> str:
    with pytest.raises(InputError) as caught:
        plan_of(tmp_path, MEMORY + text)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_source_is_measured_at_each_quant_made_from_it(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, MEMORY + 'quants = ["F16", "Q4"]\n[[models]]\nsource = "x.fake"\n')
    base, quantized = plan.artifacts
    assert (base.path, base.backend) == (str((tmp_path / "x.fake").resolve()), "")
    assert (quantized.made_from, quantized.path, quantized.backend, quantized.quantizer) == (
        base, None, "fake", "fake 1",
    )  # fmt: skip


def test_weights_not_yet_made_have_nominal_bytes(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, MEMORY + 'quants = ["F16", "Q4"]\n[[models]]\nsource = "x.fake"\n')
    base, quantized = plan.artifacts
    assert plan.weight_bytes[quantized.id] == 100_000 * 4 / 8
    assert plan.weight_bytes[base.id] == (tmp_path / "x.fake").stat().st_size


def test_all_quants_are_the_recipes_of_the_backend(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, MEMORY + 'quants = "all"\n[[models]]\nsource = "x.fake"\n')
    assert labels(plan) == {f"toy {name}" for name in grid_fake.RECIPES}


def test_a_model_may_have_quants_of_its_own(tmp_path: Path) -> None:
    text = 'quants = ["Q8"]\n[[models]]\nsource = "x.fake"\nquants = ["Q2"]\nname = "mine"\n'
    assert labels(plan_of(tmp_path, MEMORY + text)) == {"mine Q2"}


def test_files_are_measured_as_they_are(tmp_path: Path) -> None:
    for quant, bits in (("F16", 16), ("Q8", 8), ("Q4", 4)):
        grid_fake.write(tmp_path / f"m-{quant}.fake", quant=quant, bits=bits, name="m")
    text = '[[models]]\nfiles = ["m-Q*.fake"]\n'
    plan = plan_of(tmp_path, MEMORY + text)
    assert labels(plan) == {"m Q8", "m Q4"}
    assert plan.references == {}
    plan = plan_of(
        tmp_path,
        'measures = ["quality"]\n' + text + 'reference = "m-F16.fake"\n[quality]\ntext = "t.txt"\n',
    )
    assert labels(plan) == {"m F16", "m Q8", "m Q4"}
    assert [cell.artifact.quant for cell in plan.references.values()] == ["F16"]


def test_files_of_one_model_in_several_spellings_have_the_references_name(tmp_path: Path) -> None:
    for name, quant, bits in (("My-7B", "F16", 16), ("my-7b", "Q8", 8), ("MY 7b", "Q4", 4)):
        grid_fake.write(tmp_path / f"m-{quant}.fake", quant=quant, bits=bits, name=name)
    text = '[[models]]\nfiles = ["m-Q*.fake"]\nreference = "m-F16.fake"\n'
    plan = plan_of(tmp_path, MEMORY + text + '[quality]\ntext = "t.txt"\n')
    assert labels(plan) == {"My-7B Q8", "My-7B Q4"}


def test_a_folder_with_brackets_in_its_name_is_no_pattern(tmp_path: Path) -> None:
    inner = tmp_path / "a[1]"
    inner.mkdir()
    assert labels(plan_of(inner, MEMORY + '[[models]]\nfiles = ["x.*"]\n')) == {"toy F16"}


def test_the_bundled_family_is_converted_then_quantized(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, 'quants = ["F16", "Q4"]\n[[models]]\nsource = "ref:*"\n')
    assert labels(plan) == {f"{size} {q}" for size in bundled.SIZES for q in ("F16", "Q4")}
    origin, base, quantized = plan.artifacts[:3]
    assert (origin.format, origin.path) == ("safetensors", str(bundled.size_dir("small")))
    assert (base.quant, base.made_from, base.path, base.backend) == ("F16", origin, None, "fake")
    assert quantized.made_from == base
    assert {c.workload.label for c in plan.cells} >= {"quality 16x512", "task math"}
    sizes = list(dict.fromkeys(cell.artifact.model.parameters for cell in plan.cells))
    assert sizes == sorted(sizes)


GPU = Accelerator(name="GPU", kind="cuda-sm90", memory_bytes=2**36)


def test_quality_cells_of_a_backend_on_the_cpu_have_the_cpu_as_device_kind(tmp_path: Path) -> None:
    node = msgspec.structs.replace(NODE, accelerators=(GPU,))
    path = sweep_file(tmp_path, FOLDER)
    plans = [
        expand(load_sweep(path), {"fake": grid_fake.backend}, node, on_cpu=on_cpu)
        for on_cpu in ({"fake"}, set())
    ]
    assert [{cell.scope for cell in plan.cells} for plan in plans] == [
        {"cpu-avx2"}, {"cuda-sm90"},
    ]  # fmt: skip


class Reader(grid_fake.FakeBackend):
    """Reads the folder as it is, and makes nothing."""

    name = "reader"
    formats = frozenset({"safetensors"})
    capabilities = grid_fake.FakeBackend.capabilities - {"quantizes"}


def plan_of_two_backends(tmp_path: Path, text: str, **options: object) -> Plan:
    path = sweep_file(tmp_path, text)
    path.write_text(path.read_text().replace('["fake"]', '["fake", "reader"]'))
    return expand(
        load_sweep(path), {"fake": grid_fake.backend, "reader": Reader()}, NODE, **options
    )


FOLDER = (
    'measures = ["quality"]\nquants = ["F16", "Q4"]\n[[models]]\nsource = "ref:small"\n'
    '[quality]\ntext = "t.txt"\n'
)


def test_the_source_as_it_is_gives_the_reference_whatever_the_order_of_backends(
    tmp_path: Path,
) -> None:
    (cell,) = plan_of_two_backends(tmp_path, FOLDER).references.values()
    assert (cell.backend, cell.artifact.format) == ("reader", "safetensors")


def test_a_backend_that_cannot_run_gives_no_reference(tmp_path: Path) -> None:
    plan = plan_of_two_backends(tmp_path, FOLDER, obstacles={"reader": "no environment for reader"})
    (cell,) = plan.references.values()
    assert (cell.backend, cell.artifact.quant) == ("fake", "F16")
    assert {skip.reason for skip in plan.skipped} == {"no environment for reader"}
    assert {cell.backend for cell in plan.cells} == {"fake"}


def test_a_reference_key_names_its_engine(tmp_path: Path) -> None:
    plan = plan_of_two_backends(tmp_path, FOLDER)
    others = [cell for cell in plan.cells if cell.backend == "fake"]
    (key,) = plan.references
    assert key.endswith("@reader")
    assert {cell.workload.reference for cell in others} == {key}  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('source = "ref:smal"', "unknown model 'ref:smal'. Did you mean 'ref:small'?"),
        ('source = "y.fake"', "y.fake. Did you mean 'x.fake'?"),
        ('source = "z.gguf"', "z.gguf: none of the sweep's backends reads gguf; they read fake"),
        ('source = "z"', "z: none of the sweep's backends reads files without a suffix"),
        ('source = "q.fake"', "has 8 bits a weight; quants are made from 16 or 32"),
        ('source = "bad.fake"', "not a .fake file"),
        ('files = ["z*.fake"]', "no file matches 'z*.fake'"),
        ('files = ["x.fake"]\nreference = "q.fake"', "has 8 bits a weight; it must have 16"),
        ('files = ["x.fake", "copy.fake"]', "are the same weights"),
        ('source = "x.fake"\n[[models]]\nsource = "./x.fake"', "toy F16 is there twice"),
        ('source = "x.fake"\n[[models]]\nsource = "other.fake"', "are both called 'toy'"),
    ],
)
def test_a_bad_source_is_refused_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    grid_fake.write(tmp_path / "x.fake")
    grid_fake.write(tmp_path / "copy.fake")
    grid_fake.write(tmp_path / "other.fake", seed=1)
    grid_fake.write(tmp_path / "q.fake", quant="Q8", bits=8)
    for name in ("z", "z.gguf"):
        (tmp_path / name).write_bytes(b"0")
    (tmp_path / "bad.fake").write_bytes((tmp_path / "x.fake").read_bytes()[:-5])
    assert message in refusal(tmp_path, f'quants = ["Q4"]\n[[models]]\n{text}\n')


def test_a_backend_that_does_not_read_a_format_skips_it(tmp_path: Path) -> None:
    class OtherBackend(grid_fake.FakeBackend):
        name = "other"
        formats = frozenset({"oth"})

    text = MEMORY + '[[models]]\nfiles = ["x.fake"]\n'
    backends = {"fake": grid_fake.backend, "other": OtherBackend()}
    path = sweep_file(tmp_path, text)
    path.write_text(path.read_text().replace('["fake"]', '["fake", "other"]'))
    plan = expand(load_sweep(path), backends, NODE)
    assert [cell.backend for cell in plan.cells] == ["fake"]
    assert [skip.reason for skip in plan.skipped] == ["other reads oth, not fake"]
