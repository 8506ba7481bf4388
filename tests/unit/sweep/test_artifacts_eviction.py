"""What goes when the cache is full, and what never goes."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from grid.errors import EngineError, InputError
from grid.sweep.artifacts.eviction import (
    SHARE,
    cache_limit,
    evictable_items,
    make_room,
    note_download,
)
from grid.sweep.artifacts.leases import Leases, in_use, last_use, touch
from grid.sweep.artifacts.manifest import named_files
from grid.sweep.artifacts.offers import find_offer, offer

KIB = 1024


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three artifacts of 10 KiB, `a` used longest ago, and a reference used last; 40 KiB in all."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("QUANTGRID_CACHE", str(folder))
    monkeypatch.setenv("QUANTGRID_CACHE_LIMIT", "45KiB")
    for name in ("a", "b", "c"):
        _write(folder / "artifacts" / name / "weights.x")
    _write(folder / "references" / "r.npz")
    for age, key in enumerate(("reference/r", "artifact/c", "artifact/b", "artifact/a")):
        _age(folder, key, age)
    return folder


def _write(path: Path, size: int = 10 * KIB) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"0" * size)


def _age(cache: Path, key: str, hours: int) -> None:
    touch(key)
    used = last_use(key)
    assert used is not None
    os.utime(cache / "uses" / key.replace("/", "-"), (used - 3600 * hours,) * 2)


def test_nothing_is_evicted_while_there_is_room(cache: Path) -> None:
    assert make_room(5 * KIB, "x") == []


def test_least_recently_used_artifacts_are_evicted_first(cache: Path) -> None:
    assert make_room(20 * KIB, "x") == ["artifact/a", "artifact/b"]
    assert {path.name for path in (cache / "artifacts").iterdir()} == {"c"}
    assert (cache / "references" / "r.npz").exists()


def test_references_are_evicted_too(cache: Path) -> None:
    touch("artifact/a")
    touch("artifact/b")
    touch("artifact/c")
    assert make_room(10 * KIB, "x") == ["reference/r"]


def test_a_lease_renews_the_last_use(cache: Path) -> None:
    leases = Leases()
    leases.take("artifact/a")
    leases.release()
    assert make_room(10 * KIB, "x") == ["artifact/b"]


def test_leased_artifacts_are_not_evicted(cache: Path) -> None:
    leases = Leases()
    leases.take("artifact/a")
    assert make_room(10 * KIB, "x") == ["artifact/b"]
    assert (cache / "artifacts" / "a" / "weights.x").exists()


def test_artifacts_of_another_living_process_are_not_evicted_until_it_dies(cache: Path) -> None:
    code = (
        "import sys; from grid.sweep.artifacts.leases import Leases; "
        "Leases().take('artifact/a'); print('taken', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"taken\n"
        _age(cache, "artifact/a", 9)
        assert make_room(10 * KIB, "x") == ["artifact/b"]
        _write(cache / "artifacts" / "b" / "weights.x")
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert not in_use("artifact/a")  # which tidies up
    assert list((cache / "uses" / "artifact-a").iterdir()) == []
    for key in ("artifact/b", "artifact/c", "reference/r"):
        touch(key)
    assert make_room(10 * KIB, "x") == ["artifact/a"]


def test_what_never_fits_evicts_nothing_and_one_line_names_the_setting(cache: Path) -> None:
    with pytest.raises(
        EngineError, match=r"no room for x: 50 KiB needed, .* free in .*45 KiB"
    ) as e:
        make_room(50 * KIB, "x")
    assert "QUANTGRID_CACHE_LIMIT" in str(e.value)
    assert "\n" not in str(e.value)
    assert len(evictable_items()) == 4


def test_a_disk_that_is_too_small_counts_whatever_the_limit(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUANTGRID_CACHE_LIMIT", "100TiB")
    with pytest.raises(EngineError, match="no room for x"):
        make_room(shutil.disk_usage(cache).free, "x")


def test_without_a_limit_a_share_of_the_disk_decides_what_is_evicted(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("QUANTGRID_CACHE_LIMIT")
    free = shutil.disk_usage(cache).free
    assert make_room(round(0.9 * SHARE * free), "x") == []
    assert make_room(round(1.1 * SHARE * free), "x")[0] == "artifact/a"


def test_without_a_limit_nothing_is_refused_that_fits_the_disk(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("QUANTGRID_CACHE_LIMIT")
    free = shutil.disk_usage(cache).free
    make_room(round(0.9 * free), "x")
    with pytest.raises(EngineError, match=r"no room for x.*set QUANTGRID_CACHE to a larger disk"):
        make_room(2 * free, "x")


def test_where_a_download_does_not_fit_the_line_names_the_hub_s_variable(
    cache: Path, tmp_path: Path
) -> None:
    with pytest.raises(EngineError) as caught:
        make_room(2**60, "a download", tmp_path / "hf" / "hub")
    assert "set HF_HOME to a larger disk" in str(caught.value)
    assert "QUANTGRID_CACHE" not in str(caught.value)


def test_a_limit_that_is_no_size_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUANTGRID_CACHE_LIMIT", "much")
    with pytest.raises(InputError, match="QUANTGRID_CACHE_LIMIT: 'much' is not a size"):
        cache_limit()


def test_evicted_artifacts_are_no_longer_offered(cache: Path) -> None:
    offer("artifact/a", named_files(cache / "artifacts" / "a" / "weights.x", "weights.x"))
    make_room(10 * KIB, "x")
    assert find_offer("artifact/a") is None


def test_a_users_own_file_is_never_evicted(cache: Path, tmp_path: Path) -> None:
    _write(tmp_path / "mine.x", 40 * KIB)
    offer("artifact/mine", named_files(tmp_path / "mine.x", "weights.x"))
    make_room(45 * KIB, "x")
    assert (tmp_path / "mine.x").exists()
    assert evictable_items() == []


def test_half_fetched_files_count_and_are_evicted(cache: Path) -> None:
    _write(cache / "incoming" / "artifact-d" / "files" / "weights.x")
    _age(cache, "artifact/d", 9)
    assert make_room(10 * KIB, "x") == ["artifact/a"]
    assert list((cache / "incoming").iterdir()) == []


def test_evicting_a_partial_copy_keeps_the_offer_of_the_whole(cache: Path) -> None:
    """As after a copy that broke off, when the node has made the item itself."""
    offer("artifact/a", named_files(cache / "artifacts" / "a" / "weights.x", "weights.x"))
    _write(cache / "incoming" / "artifact-a" / "files" / "weights.x")
    assert make_room(5 * KIB, "x") == []
    assert list((cache / "incoming").iterdir()) == []
    assert find_offer("artifact/a") is not None


def test_texts_and_items_of_sweeps_count_and_are_evicted(cache: Path) -> None:
    _write(cache / "texts" / "1f.txt")
    _write(cache / "texts" / "items-2e" / "toy.jsonl")
    _age(cache, "text/1f", 9)
    _age(cache, "items/2e", 8)
    assert make_room(10 * KIB, "x") == ["text/1f", "items/2e", "artifact/a"]
    assert list((cache / "texts").iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="the clock is stood in for as Linux tells it")
def test_a_lease_outlives_a_change_of_the_clock(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import psutil

    Leases().take("artifact/a")
    before = psutil.Process().create_time()
    boot_time = psutil._pslinux.boot_time
    monkeypatch.setattr(psutil._pslinux, "boot_time", lambda: boot_time() + 100)
    assert psutil.Process().create_time() > before + 99
    assert in_use("artifact/a")


def test_release_keeps_the_leases_that_are_named(cache: Path) -> None:
    leases = Leases()
    leases.take("artifact/a")
    leases.take("artifact/b")
    leases.release(keep=["artifact/a"])
    assert (in_use("artifact/a"), in_use("artifact/b")) == (True, False)
    leases.release()
    assert not in_use("artifact/a")


def test_of_the_hub_cache_only_downloads_of_a_sweep_are_evicted(
    cache: Path, tmp_path: Path
) -> None:
    hub = tmp_path / "hub"
    for name in ("ours", "theirs"):
        _write(hub / "blobs" / name)
        (hub / name).symlink_to(hub / "blobs" / name)
    note_download("h", [hub / "ours", hub / "blobs" / "ours"])
    _age(cache, "artifact/h", 9)
    assert make_room(10 * KIB, "x") == ["artifact/h", "artifact/a"]
    assert not (hub / "ours").is_symlink()
    assert sorted(path.name for path in (hub / "blobs").iterdir()) == ["theirs"]
    assert (hub / "theirs").read_bytes()
