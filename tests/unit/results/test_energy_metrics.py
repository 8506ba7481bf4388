"""Energy per token from joules of windows: gross, net, and null with its reason."""

from __future__ import annotations

import numpy as np
import pytest

from grid.cells.measurement import Measurement, Series
from grid.cells.workload import Decode
from grid.results.derive import metrics_of
from grid.results.energy import net_per_token

WINDOWS = {
    "decode_energy_j": (300.0, 310.0, 290.0),
    "decode_energy_s": (2.0, 2.0, 2.0),
    "decode_energy_tokens": (100.0, 100.0, 100.0),
}


def figures(environment=None, **series):
    measurement = Measurement(
        cell_id="c",
        status="ok",
        series=tuple(Series(name, "x", values) for name, values in series.items()),
        environment=environment or {},
    )
    return {m.name: m for m in metrics_of("decode", Decode(tokens=100), measurement)}


def test_gross_and_net_energy_per_token():
    got = figures(**WINDOWS, idle_w=(49.0, 50.0, 51.0))
    gross, net = got["decode_j_per_token"], got["decode_net_j_per_token"]
    assert (gross.value, gross.unit, gross.n) == (3.0, "J/token", 3)
    # t(2) = 4.303, sd 0.1 over 3 windows
    assert gross.high - gross.value == pytest.approx(4.303 * 0.1 / 3**0.5, rel=1e-3)
    assert net.value == pytest.approx((900 - 50 * 6) / 300)
    assert got["idle_w"].value == 50.0
    assert got["idle_w"].high - 50 == pytest.approx(4.303 / 3**0.5, rel=1e-3)
    assert "decode_dram_j_per_token" not in got


def test_the_interval_of_net_energy_has_that_of_idle_power():
    joules, seconds, tokens = (np.array(v) for v in WINDOWS.values())
    narrow = net_per_token(joules, seconds, tokens, np.array([49.9, 50.0, 50.1]))
    wide = net_per_token(joules, seconds, tokens, np.array([40.0, 50.0, 60.0]))
    assert narrow.value == pytest.approx(wide.value)
    assert wide.high - wide.low > 1.5 * (narrow.high - narrow.low)


def test_energy_of_the_memory_is_apart():
    got = figures(**WINDOWS, decode_dram_energy_j=(30.0, 30.0, 30.0))
    assert got["decode_dram_j_per_token"].value == pytest.approx(0.3)
    assert got["decode_j_per_token"].value == 3.0


def test_energy_that_cannot_be_read_is_null_with_the_reason():
    got = figures({"energy_lack": "no permission: energy_uj is for root alone"}, decode_s=(1.0,))
    assert got["decode_j_per_token"].value is None
    assert got["decode_j_per_token"].method == "no permission: energy_uj is for root alone"
    assert got["decode_tps"].value == 100.0


def test_net_energy_without_idle_power_is_null_with_the_reason():
    got = figures({"idle_lack": "the machine was not idle"}, **WINDOWS)
    assert got["decode_net_j_per_token"].value is None
    assert got["decode_net_j_per_token"].method == "the machine was not idle"
    assert got["decode_j_per_token"].value == 3.0


def test_net_energy_below_idle_power_is_null():
    net = figures(**WINDOWS, idle_w=(200.0, 200.0))["decode_net_j_per_token"]
    assert (net.value, net.method) == (None, "not above idle power")


def test_a_counter_that_stood_still_is_null():
    got = figures(**{**WINDOWS, "decode_energy_j": (300.0, 0.0, 290.0)})
    assert got["decode_j_per_token"].value is None
    assert "did not rise" in got["decode_j_per_token"].method


def test_windows_of_unlike_numbers_are_refused():
    with pytest.raises(ValueError, match="not of the same windows"):
        figures(**{**WINDOWS, "decode_energy_s": (2.0,)})
