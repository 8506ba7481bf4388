"""A sweep made ready for another machine: paths renamed, the rest as written."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from fake_sweep import FAKE_SWEEP

from grid.cluster.remote.bundle import UPLOADS, Bundle, bundle
from grid.errors import InputError
from grid.plan.load import load_sweep, parse_sweep
from grid.plan.model_sweep import load_requested_sweep
from grid.plan.sweep import Sweep


def pack(folder: Path, text: str, machine: str = "laptop") -> tuple[Sweep, Bundle]:
    """The sweep as it arrives, and the bundle."""
    (folder / "my.toml").write_text(text)
    archive = bundle(load_sweep(folder / "my.toml"), machine)
    return parse_sweep(archive.sweep.encode(), "there.toml", folder), archive


def uploaded_names(archive: Bundle) -> list[str]:
    return sorted(Path(path).name for paths in archive.uploads.values() for path in paths)


def test_a_sweep_without_files_of_the_user_arrives_as_it_was(tmp_path: Path) -> None:
    text = """
name = "mine"
quants = ["Q4_K_M"]
backends = ["llamacpp", "fake"]
nodes = ["*RTX*"]
[[models]]
source = "ref:*"
[[models]]
files = ["hf:owner/name/*.gguf"]
reference = "hf:owner/name/f16.gguf"
name = "other"
[[models]]
source = "package:tiny==1.0/tiny/tiny.gguf#sha256=%s"
dequantize = true
[options.llamacpp]
threads = [1, 2]
flash = true
note = 'a "quote" and \\ and é'
[budget]
memory = "4GiB"
cell_timeout = 1.5
[speed]
depth = [0, 512]
""" % ("0" * 64)
    arrived, archive = pack(tmp_path, text)
    original = load_sweep(tmp_path / "my.toml")
    assert msgspec.structs.replace(arrived, file=original.file, base=original.base) == original
    assert archive.uploads == {}


def test_bundled_sweeps_and_models_named_by_hand_arrive_too() -> None:
    for written in (None, "quick-formats", "smollm2", "ref:small"):
        sweep = load_requested_sweep(written)
        archive = bundle(sweep, "laptop")
        arrived = parse_sweep(archive.sweep.encode(), "there.toml", Path("/"))
        assert (arrived.name, arrived.models) == (sweep.name, sweep.models)


def test_every_file_that_the_sweep_names_is_brought(tmp_path: Path) -> None:
    for name in ("a-F16.gguf", "b-Q4.gguf", "b-Q8.gguf", "b-F16.gguf", "wiki.txt", "cal.txt"):
        (tmp_path / name).write_bytes(b"1234")
    (tmp_path / "items").mkdir()
    (tmp_path / "items/math.jsonl").write_bytes(b"{}")
    arrived, archive = pack(
        tmp_path,
        """
[[models]]
source = "a-F16.gguf"
[[models]]
files = ["b-Q*.gguf"]
reference = "b-F16.gguf"
[quality]
text = "wiki.txt"
[calibration]
text = "cal.txt"
[tasks]
source = "items"
""",
    )
    names = ["a-F16.gguf", "b-F16.gguf", "b-Q4.gguf", "b-Q8.gguf", "cal.txt", "items", "wiki.txt"]
    assert uploaded_names(archive) == names
    (folder,) = archive.uploads
    assert folder.startswith(f"{UPLOADS}/")
    first, second = arrived.models
    assert first.source == f"{folder}/a-F16.gguf"
    assert second.files == (f"{folder}/b-Q4.gguf", f"{folder}/b-Q8.gguf")
    assert second.reference == f"{folder}/b-F16.gguf"
    assert arrived.quality.text == f"{folder}/wiki.txt"
    assert arrived.calibration.text == f"{folder}/cal.txt"
    assert arrived.tasks.source == f"{folder}/items"
    assert archive.bytes == 6 * 4 + 2


def test_task_files_and_data_of_the_harness_are_brought(tmp_path: Path) -> None:
    (tmp_path / "mine.jsonl").write_text('{"prompt": "q", "answer": "a"}')
    (tmp_path / "eval").mkdir()
    (tmp_path / "eval/piqa.jsonl").write_text("{}")
    arrived, archive = pack(
        tmp_path,
        """
[[models]]
source = "ref:small"
[tasks]
names = ["quick"]
files = ["mine.jsonl"]
data = "eval"
chat = true
class_by_task = { mine = "math" }
""",
    )
    (folder,) = archive.uploads
    assert uploaded_names(archive) == ["eval", "mine.jsonl"]
    assert arrived.tasks.files == (f"{folder}/mine.jsonl",)
    assert arrived.tasks.data == f"{folder}/eval"
    assert (arrived.tasks.names, arrived.tasks.chat) == (("quick",), True)
    assert arrived.tasks.class_by_task == {"mine": "math"}


def test_texts_by_category_are_brought(tmp_path: Path) -> None:
    (tmp_path / "talk").mkdir()
    (tmp_path / "talk/mine.jsonl").write_text("{}")
    (tmp_path / "code.py").write_text("pass")
    arrived, archive = pack(
        tmp_path,
        """
[[models]]
source = "ref:small"
[quality]
texts = { prose = "ref:prose", chat = "talk/mine.jsonl", "my code" = "code.py" }
""",
    )
    assert arrived.quality.text == ""
    assert list(arrived.quality.texts) == ["prose", "chat", "my code"]
    prose, chat, code = arrived.quality.texts.values()
    assert prose == "ref:prose"
    names = {
        folder: [Path(path).name for path in paths] for folder, paths in archive.uploads.items()
    }
    assert names == {
        chat.removesuffix("/mine.jsonl"): ["mine.jsonl"],
        code.removesuffix("/code.py"): ["code.py"],
    }


def test_texts_with_settings_of_their_own_and_prompts_are_brought(tmp_path: Path) -> None:
    (tmp_path / "book.txt").write_text("once")
    (tmp_path / "asked.jsonl").write_text("{}")
    arrived, archive = pack(
        tmp_path,
        """
[[models]]
source = "ref:small"
[quality.texts]
long = { text = "book.txt", context = 4096, chunks = 1 }
own = { generate = "asked.jsonl", tokens = 32 }
""",
    )
    long, own = arrived.quality.texts.values()
    assert (long.context, long.chunks, long.generate) == (4096, 1, "")
    assert (own.tokens, own.context, own.text) == (32, None, "")
    brought = {Path(path).name for paths in archive.uploads.values() for path in paths}
    assert brought == {"book.txt", "asked.jsonl"}
    assert Path(own.generate).name == "asked.jsonl"
    assert Path(own.generate).parent != tmp_path


def test_a_missing_text_of_a_category_is_named(tmp_path: Path) -> None:
    text = '[[models]]\nsource = "ref:*"\n[quality]\ntexts = { chat = "gone.jsonl" }\n'
    with pytest.raises(InputError, match=r"quality\.texts\.chat: no file .*gone\.jsonl"):
        pack(tmp_path, text)


def test_all_parts_of_split_weights_are_brought(tmp_path: Path) -> None:
    for part in (1, 2, 3):
        (tmp_path / f"big-0000{part}-of-00003.gguf").touch()
    _, archive = pack(tmp_path, '[[models]]\nfiles = ["big-00001-of-00003.gguf"]\n')
    assert len(uploaded_names(archive)) == 3


def test_a_link_is_brought_under_its_own_name(tmp_path: Path) -> None:
    (tmp_path / "blobs").mkdir()
    (tmp_path / "blobs/0123abcd").touch()
    (tmp_path / "model-F16.gguf").symlink_to(tmp_path / "blobs/0123abcd")
    arrived, archive = pack(tmp_path, '[[models]]\nsource = "model-F16.gguf"\n')
    assert arrived.models[0].source.endswith("/model-F16.gguf")
    assert uploaded_names(archive) == ["model-F16.gguf"]


def test_uploaded_name_with_pattern_signs_means_that_file_only(tmp_path: Path) -> None:
    (tmp_path / "odd[1].gguf").touch()
    arrived, _ = pack(tmp_path, '[[models]]\nfiles = ["odd*.gguf"]\n')
    assert arrived.models[0].files[0].endswith("/odd[[]1].gguf")


def test_equal_paths_of_two_machines_are_kept_apart(tmp_path: Path) -> None:
    (tmp_path / "a.gguf").touch()
    text = '[[models]]\nsource = "a.gguf"\n'
    first, second = (pack(tmp_path, text, machine)[1].uploads for machine in ("laptop", "desk"))
    assert set(first).isdisjoint(second)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ('[[models]]\nsource = "gone.gguf"\n', "no file .*gone.gguf"),
        ('[[models]]\nfiles = ["gone-*.gguf"]\n', "no file matches 'gone-\\*.gguf'"),
        ('[[models]]\nsource = "ref:*"\n[quality]\ntext = "gone.txt"\n', "quality.text: no file"),
        ('[[models]]\nsource = "ref:*"\n[tasks]\nsource = "gone"\n', "tasks.source: no file"),
    ],
)
def test_missing_file_of_a_sweep_is_named_with_its_place(
    tmp_path: Path, wrong: str, message: str
) -> None:
    with pytest.raises(InputError, match=rf"my\.toml: {message}"):
        pack(tmp_path, wrong)


def test_packed_fake_sweep_equals_the_original(toy: Path) -> None:
    arrived, _ = pack(toy, FAKE_SWEEP)
    assert arrived.quality.chunks == 4
    assert arrived.models[0].source.endswith("/toy.fake")
