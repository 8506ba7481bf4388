"""Energy around what is timed: windows, the idle machine, and why there is no figure."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import grid_fake
import pytest
from energy_counters import RANGE_UJ, SteadyCounter, set_uj, write_zone

from grid.cells.measurement import Measurement
from grid.cells.workload import Decode, Prefill
from grid.engine import messages
from grid.engine.host import EngineHost
from grid.engine.measure.disturbance import Disturbance, DisturbanceWatch
from grid.engine.measure.energy import EnergyMeter, idle_power
from grid.engine.measure.meter import Meter
from grid.engine.measure.speed import decode, prefill
from grid.hardware.energy import EnergySource
from grid.hardware.energy.rapl import TREE_VARIABLE
from grid.results.derive import metrics_of


class Clock:
    """A clock that moves where something computes or sleeps, and by `step_s` at each look."""

    def __init__(self, step_s: float = 1e-6) -> None:
        self.now, self._step_s = 100.0, step_s
        self.on_move: Callable[[float], None] = lambda now: None

    def perf_counter(self) -> float:
        self.sleep(self._step_s)
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.on_move(self.now)


@pytest.fixture
def clock(monkeypatch):
    """The time of the measurement, on a machine that nobody else uses."""
    clock = Clock()
    monkeypatch.setattr("time.perf_counter", clock.perf_counter)
    monkeypatch.setattr("time.sleep", clock.sleep)
    monkeypatch.setattr(DisturbanceWatch, "read", lambda watch: Disturbance())
    return clock


class SlowEngine:
    """Each token takes a millisecond of computing."""

    bos = None
    vocabulary = 16
    version = "slow"

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def environment(self):
        return {}

    def memory_report(self):
        return {}

    def resize(self, context: int) -> None:
        pass

    def encode(self, text: str) -> list[int]:
        return [1]

    def decode(self, ids) -> bytes:
        return b""

    def reset(self) -> None:
        pass

    def truncate(self, tokens: int) -> None:
        pass

    def prefill(self, ids) -> None:
        self._clock.sleep(0.001 * len(ids))

    def step(self, token: int) -> None:
        self.prefill([token])


def meter_of(*counters: SteadyCounter, idle_s: float = 1.5, scope="cpu-package") -> Meter:
    return Meter(energy=EnergyMeter(scope, [EnergySource("stand-in", counters)], idle_s))


def values(result, name: str) -> tuple[float, ...]:
    return next((s.values for s in result.series if s.name == name), ())


def test_repetitions_long_enough_are_the_windows(clock):
    meter = meter_of(
        SteadyCounter(20.0), SteadyCounter(3.0, name="dram of package-0", scope="dram")
    )
    result = decode(SlowEngine(clock), Decode(tokens=60, repetitions=3), meter)
    seconds = values(result, "decode_energy_s")
    assert len(seconds) == 3
    assert seconds == pytest.approx(values(result, "decode_s"), rel=0.1)
    assert values(result, "decode_energy_tokens") == (60.0,) * 3
    watts = [j / s for j, s in zip(values(result, "decode_energy_j"), seconds, strict=True)]
    assert watts == pytest.approx([20.0] * 3, rel=0.1)
    dram = values(result, "decode_dram_energy_j")
    assert sum(dram) / sum(seconds) == pytest.approx(3.0, rel=0.1)
    assert values(result, "idle_w") == pytest.approx([20.0] * 10, rel=0.05)
    facts = result.environment
    assert facts["energy_scope"] == "cpu-package"
    assert facts["energy_counters"] == "package-0"
    assert float(facts["energy_error"]) < 0.15


def test_passes_too_short_for_the_counter_are_measured_in_longer_windows(clock):
    meter = meter_of(SteadyCounter(50.0, step_s=0.01), idle_s=0.3)
    result = prefill(SlowEngine(clock), Prefill(tokens=8, repetitions=3), meter)
    seconds, tokens = (values(result, f"prefill_energy_{unit}") for unit in ("s", "tokens"))
    assert len(seconds) == 5
    assert min(seconds) > 0.1
    assert len(set(tokens)) == 1
    assert tokens[0] > 8 * 10
    assert sum(values(result, "prefill_energy_j")) / sum(seconds) == pytest.approx(50.0, rel=0.1)
    assert len(values(result, "prefill_s")) == 3


def test_windows_that_do_not_fit_in_the_budget_are_no_figure(clock):
    meter = meter_of(SteadyCounter(50.0, step_s=0.05), idle_s=0.3)
    result = prefill(SlowEngine(clock), Prefill(tokens=8, repetitions=3, budget_s=0.5), meter)
    assert "too short for a counter that needs 0.5 s" in result.environment["energy_lack"]
    assert "energy_scope" not in result.environment
    assert not values(result, "prefill_energy_j")
    assert len(values(result, "prefill_s")) == 3


def test_a_counter_that_vanishes_while_measuring_is_no_figure(clock):
    meter = meter_of(SteadyCounter(20.0, fails_at=60))
    result = decode(SlowEngine(clock), Decode(tokens=60, repetitions=20), meter)
    assert result.environment["energy_lack"] == "package-0 vanished"
    assert not values(result, "decode_energy_j")
    assert len(values(result, "decode_s")) == 20


def test_of_several_cards_those_count_whose_memory_the_engine_took(clock):
    mib = 2**20
    idle = SteadyCounter(90.0, scope="gpu", name="card 0", used=(mib,))
    used = SteadyCounter(300.0, scope="gpu", name="card 1", used=(mib, 900 * mib))
    meter = meter_of(idle, used, scope="gpu")
    result = decode(SlowEngine(clock), Decode(tokens=60, repetitions=3), meter)
    assert result.environment["energy_counters"] == "card 1"
    seconds = sum(values(result, "decode_energy_s"))
    assert sum(values(result, "decode_energy_j")) / seconds == pytest.approx(300.0, rel=0.1)
    assert values(result, "idle_w") == pytest.approx([300.0] * 10, rel=0.05)


def test_cards_that_do_not_say_their_memory_are_not_guessed_among(clock):
    cards = [SteadyCounter(90.0, scope="gpu", name=f"card {i}") for i in range(2)]
    result = decode(SlowEngine(clock), Decode(tokens=60), meter_of(*cards, scope="gpu"))
    lack = "it is not known which of the cards the engine uses"
    assert result.environment["energy_lack"] == lack


def test_a_machine_that_others_use_has_no_idle_power(clock):
    meter = meter_of(SteadyCounter(20.0, others="card 0 was 80 % busy"))
    result = decode(SlowEngine(clock), Decode(tokens=60), meter)
    assert "card 0 was 80 % busy" in result.environment["idle_lack"]
    assert not values(result, "idle_w")
    assert values(result, "decode_energy_j")


def test_idle_power_is_over_whole_updates_of_the_counter():
    # read every 10 ms, brought up to date every 100 ms by 3 J, then by 6 J
    samples = [(i / 100, 3.0 * (i // 10) + 3.0 * max(0, i // 10 - 10)) for i in range(200)]
    power = idle_power(samples)
    assert power is not None
    assert power.update_s == pytest.approx(0.1)
    assert power.watts[:4] == pytest.approx((30.0,) * 4)
    assert power.watts[-1] == pytest.approx(60.0)
    assert len(power.watts) == 10


def test_a_counter_that_hardly_changes_has_no_idle_power():
    assert idle_power([(i / 100, float(i >= 50)) for i in range(100)]) is None


def test_the_engines_process_counts_joules_of_a_powercap_tree(tmp_path: Path, monkeypatch, clock):
    zone = write_zone(tmp_path / "powercap", "intel-rapl:0", "package-0", 0)
    monkeypatch.setenv(TREE_VARIABLE, str(tmp_path / "powercap"))
    clock.on_move = lambda now: set_uj(zone, round(25e6 * now) % RANGE_UJ)
    monkeypatch.setattr(clock, "_step_s", 0.001)
    path = grid_fake.write(tmp_path / "toy.fake")
    options = grid_fake.backend.options({}, None)
    host = EngineHost()
    load = messages.Load(backend="fake", path=str(path), device="cpu", options=options)
    assert isinstance(host.serve(load), messages.Loaded)
    reply = host.serve(messages.Measure(workload=Decode(tokens=64, repetitions=3)))
    assert isinstance(reply, messages.Raw)
    assert reply.environment["energy_scope"] == "cpu-package"
    metrics = metrics_of(
        "decode",
        Decode(tokens=64, repetitions=3),
        Measurement(
            cell_id="c", status="ok", series=reply.series, environment=dict(reply.environment)
        ),
    )
    figures = {metric.name: metric.value for metric in metrics}
    by_name = {s.name: s.values for s in reply.series}
    seconds, tokens = (sum(by_name[f"decode_energy_{unit}"]) for unit in ("s", "tokens"))
    assert figures["decode_j_per_token"] == pytest.approx(25.0 * seconds / tokens, rel=0.05)
    assert figures["idle_w"] == pytest.approx(25.0, rel=0.05)


def test_a_machine_that_counts_nothing_says_why(tmp_path: Path, monkeypatch, clock):
    monkeypatch.setenv(TREE_VARIABLE, str(tmp_path / "nothing"))
    meter = EnergyMeter.of_device("cpu")
    result = decode(SlowEngine(clock), Decode(tokens=2), Meter(energy=meter))
    assert result.environment["energy_lack"].startswith("no counter: ")
