"""Counters of energy: RAPL's tree, NVML, AMD SMI and IOReport, each by a stand-in."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from energy_counters import RANGE_UJ, RecordedNvml, set_uj, write_zone

from grid.hardware.energy import EnergyUnreadable, energy_sources
from grid.hardware.energy import rapl as rapl_module
from grid.hardware.energy.apple import apple_source
from grid.hardware.energy.cards import amd_source, nvidia_source
from grid.hardware.energy.rapl import TREE_VARIABLE, rapl_source


def test_two_packages_count_once_each_without_their_cores_and_with_their_memory_apart(tmp_path):
    write_zone(tmp_path, "intel-rapl:0", "package-0", 1_000_000)
    write_zone(tmp_path, "intel-rapl:0:0", "core", 900_000)
    write_zone(tmp_path, "intel-rapl:0:1", "uncore", 900_000)
    write_zone(tmp_path, "intel-rapl:0:2", "dram", 300_000)
    write_zone(tmp_path, "intel-rapl:1", "package-1", 2_000_000)
    write_zone(tmp_path, "intel-rapl:2", "psys", 9_000_000)
    write_zone(tmp_path, "intel-rapl-mmio:0", "package-0", 1_000_000)
    counters = rapl_source(tmp_path).counters
    assert [(c.name, c.scope) for c in counters] == [
        ("package-0", "cpu-package"),
        ("dram of package-0", "dram"),
        ("package-1", "cpu-package"),
    ]


def test_domains_in_the_folder_of_their_package_count_once(tmp_path):
    package = write_zone(tmp_path, "intel-rapl:0", "package-0-die-1", 5)
    write_zone(package, "intel-rapl:0:0", "dram", 7)
    (tmp_path / "intel-rapl:0:0").symlink_to(package / "intel-rapl:0:0")
    names = [counter.name for counter in rapl_source(tmp_path).counters]
    assert names == ["package-0-die-1", "dram of package-0-die-1"]


def test_a_counter_that_comes_around_goes_on(tmp_path):
    folder = write_zone(tmp_path, "intel-rapl:0", "package-0", RANGE_UJ - 1_000_000)
    (counter,) = rapl_source(tmp_path).counters
    assert counter.joules() == 0
    set_uj(folder, RANGE_UJ)
    assert counter.joules() == 1.0
    set_uj(folder, 1_999_999)
    assert counter.joules() == pytest.approx(3.0)
    set_uj(folder, 2_999_999)
    assert counter.joules() == pytest.approx(4.0)
    assert counter.longest_gap_s == pytest.approx(131, abs=1)


def test_a_file_that_vanishes_is_no_figure(tmp_path):
    folder = write_zone(tmp_path, "intel-rapl:0", "package-0", 5)
    (counter,) = rapl_source(tmp_path).counters
    (folder / "energy_uj").unlink()
    with pytest.raises(EnergyUnreadable, match="energy_uj cannot be read"):
        counter.joules()


def test_a_number_that_is_none_is_no_figure(tmp_path):
    write_zone(tmp_path, "intel-rapl:0", "package-0", 5)
    (tmp_path / "intel-rapl:0" / "energy_uj").write_text("-3\n")
    source = rapl_source(tmp_path)
    assert not source.counters
    assert "holds '-3', no whole number" in source.lack


def test_a_counter_that_root_alone_reads_says_so_and_what_allows_it(tmp_path, monkeypatch):
    write_zone(tmp_path, "intel-rapl:0", "package-0", 5)
    file = tmp_path / "intel-rapl:0" / "energy_uj"
    file.chmod(0o400)
    if os.geteuid() == 0:  # whom no mode stops: as the kernel refuses others
        read = Path.read_text

        def refuse(path: Path, *args, **kwargs) -> str:
            if path == file:
                raise PermissionError(13, "Permission denied", str(path))
            return read(path, *args, **kwargs)

        monkeypatch.setattr(Path, "read_text", refuse)
    source = rapl_source(tmp_path)
    assert not source.counters
    assert source.lack == f"no permission: {file} is for root alone"
    assert source.mend.startswith(f"sudo chmod a+r {tmp_path}/*/energy_uj")


def test_the_tree_is_where_the_environment_says(tmp_path, monkeypatch):
    write_zone(tmp_path, "intel-rapl:0", "package-0", 5)
    monkeypatch.setenv(TREE_VARIABLE, str(tmp_path))
    (source,) = energy_sources("cpu-package")
    assert [counter.name for counter in source.counters] == ["package-0"]


def test_a_machine_without_a_tree_or_a_package_has_no_counter(tmp_path, monkeypatch):
    monkeypatch.setattr(rapl_module, "_likely_cause", lambda: "")
    missing = tmp_path / "powercap"
    assert rapl_source(missing).lack == f"no counter: {missing} is not there"
    write_zone(missing, "dtpm", "dtpm", 0)
    assert rapl_source(missing).lack == f"no counter: {missing} has no package"


def test_cards_count_millijoules_each_by_itself():
    nvml = RecordedNvml([[1000, 1000, 3500], [0, 0, 250]])
    first, second = nvidia_source(nvml).counters
    assert [first.joules(), first.joules()] == [1.0, 3.5]
    assert second.joules() == 0.0
    assert second.joules() == 0.25
    assert {first.scope, second.scope} == {"gpu"}
    assert second.used_bytes() == 1001
    assert first.error == 0


def test_a_cards_counter_that_starts_anew_is_no_figure():
    (card,) = nvidia_source(RecordedNvml([[9000, 9000, 10]])).counters
    card.joules()
    with pytest.raises(EnergyUnreadable, match="started anew"):
        card.joules()


def test_power_is_integrated_where_a_card_has_no_counter(monkeypatch):
    times = iter([0.0, 1.0, 3.0])
    monkeypatch.setattr("time.perf_counter", lambda: next(times))
    (card,) = nvidia_source(RecordedNvml(None, [[100_000, 200_000, 50_000]])).counters
    assert card.joules() == pytest.approx(150.0)
    assert card.joules() == pytest.approx(150.0 + 250.0)
    assert card.error == 0.05
    assert card.longest_gap_s < 1


def test_a_divided_card_counts_for_all_and_so_for_none():
    source = nvidia_source(RecordedNvml([[5]], divided=True))
    assert not source.counters
    assert "is divided (MIG)" in source.lack


def test_a_driver_that_is_not_loaded_is_the_reason():
    assert nvidia_source(RecordedNvml([[5]], driver=False)).lack == "Driver Not Loaded"
    assert nvidia_source(RecordedNvml([])).lack == "NVML shows no card"


class RecordedSmi:
    """amdsmi of one card with steps of 15.259 microjoules."""

    class AmdSmiException(Exception):
        pass

    def __init__(self, *steps: int) -> None:
        self._steps = list(steps)

    def amdsmi_init(self) -> None:
        pass

    def amdsmi_get_processor_handles(self) -> list[str]:
        return ["card"]

    def amdsmi_get_energy_count(self, card: str) -> dict[str, float]:
        steps = self._steps.pop(0)
        return {"energy_accumulator": steps, "counter_resolution": 15.259, "timestamp": 1}

    def amdsmi_get_gpu_vram_usage(self, card: str) -> dict[str, int]:
        return {"vram_used": 3, "vram_total": 100}


def test_amd_cards_count_in_steps_of_their_resolution():
    (card,) = amd_source(RecordedSmi(1000, 2_000_000)).counters
    assert card.joules() == pytest.approx(30.518)
    assert card.used_bytes() == 3 * 2**20


def test_an_amd_card_without_a_counter_says_so():
    assert amd_source(RecordedSmi(0)).lack == "AMD card 0 has no counter of energy"


def apple_module(**millijoules: int | None) -> SimpleNamespace:
    names = ("cpu_total_mj", "gpu_mj", "gpu_sram_mj", "dram_mj", "ane_mj")
    counts = SimpleNamespace(**{**dict.fromkeys(names), **millijoules})
    monitor = SimpleNamespace(get_cumulative_energy=lambda: counts)
    return SimpleNamespace(AppleEnergyMonitor=lambda: monitor)


def test_apples_chip_is_the_sum_of_its_parts():
    (chip,) = apple_source(apple_module(cpu_total_mj=1500, gpu_mj=500, dram_mj=250)).counters
    assert chip.joules() == 2.25
    assert chip.scope == "soc"


def test_a_chip_that_does_not_count_its_gpu_has_no_figure():
    source = apple_source(apple_module(cpu_total_mj=1500))
    assert source.lack == "IOReport does not count gpu_mj on this chip"
