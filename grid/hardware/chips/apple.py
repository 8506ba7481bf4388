"""Apple's chips: a small table, as no free database has their bandwidth.

Sources: bandwidth, cores and memory as Apple states them in its press releases and on its pages of
technical specifications. A core of the GPU has 128 units that multiply and add, 256 operations a
cycle, at 16 bits as at 32; clocks are those that such pages and the operating system report
(Apple states 2.6 TFLOP/s for the M1 with 8 cores: 8 x 256 x 1.278 GHz). Apple states no rate of the
M5's matrix units.
"""

from __future__ import annotations

from grid.hardware.chips.chip import Chip
from grid.units import GIB

OPERATIONS_PER_CYCLE = 256
SOURCE = "Apple's technical specifications; operations = cores x clock x 256"

# chip, (CPU cores, GPU cores), bandwidth in GB/s, clock in GHz where it is known, memory in GiB
_TABLE: tuple[tuple[str, tuple[tuple[int, int], ...], float, float | None, tuple[int, ...]], ...]
_TABLE = (
    ("M1", ((8, 7), (8, 8)), 68.25, 1.278, (8, 16)),
    ("M1 Pro", ((8, 14), (10, 16)), 200, 1.296, (16, 32)),
    ("M1 Max", ((10, 24), (10, 32)), 400, 1.296, (32, 64)),
    ("M1 Ultra", ((20, 48), (20, 64)), 800, 1.296, (64, 128)),
    ("M2", ((8, 8), (8, 10)), 100, 1.398, (8, 16, 24)),
    ("M2 Pro", ((10, 16), (12, 19)), 200, 1.398, (16, 32)),
    ("M2 Max", ((12, 30),), 400, 1.398, (32, 64)),
    ("M2 Max", ((12, 38),), 400, 1.398, (32, 64, 96)),
    ("M2 Ultra", ((24, 60), (24, 76)), 800, 1.398, (64, 128, 192)),
    ("M3", ((8, 8), (8, 10)), 100, 1.398, (8, 16, 24)),
    ("M3 Pro", ((11, 14), (12, 18)), 150, 1.398, (18, 36)),
    ("M3 Max", ((14, 30),), 300, 1.398, (36, 96)),
    ("M3 Max", ((16, 40),), 400, 1.398, (48, 64, 128)),
    ("M3 Ultra", ((28, 60),), 819, 1.398, (96, 256)),
    ("M3 Ultra", ((32, 80),), 819, 1.398, (96, 256, 512)),
    ("M4", ((8, 8), (10, 10)), 120, 1.470, (16, 24, 32)),
    ("M4 Pro", ((12, 16), (14, 20)), 273, 1.578, (24, 48, 64)),
    ("M4 Max", ((14, 32),), 410, 1.578, (36,)),
    ("M4 Max", ((16, 40),), 546, 1.578, (48, 64, 128)),
    ("M5", ((10, 8), (10, 10)), 153.6, None, (16, 24, 32)),
    ("M5 Pro", ((15, 16), (18, 20)), 307, None, (24, 48, 64)),
    ("M5 Max", ((18, 32),), 460, None, (36,)),
    ("M5 Max", ((18, 40),), 614, None, (48, 64, 128)),
)


def apple_chips() -> list[Chip]:
    """One chip for each number of GPU cores, `Apple M2 Ultra (76)`; memory is as bought."""
    return [
        Chip(
            name=f"Apple {name} ({gpu})",
            vendor="Apple",
            platform="metal",
            bandwidth_bytes_s=bandwidth * 1e9,
            flops_half=_flops(gpu, clock),
            flops_single=_flops(gpu, clock),
            unified=True,
            clock_hz=None if clock is None else clock * 1e9,
            source=SOURCE,
            generation=f"Apple {name[:2]}",
            aliases=(f"{gpu}-core-gpu", f"{cpu}-core-cpu", f"{gpu}-core", f"{cpu}-core"),
            memory_options=tuple(size * GIB for size in memory),
        )
        for name, cores, bandwidth, clock, memory in _TABLE
        for cpu, gpu in cores
    ]


def _flops(cores: int, clock_ghz: float | None) -> float | None:
    return None if clock_ghz is None else cores * clock_ghz * 1e9 * OPERATIONS_PER_CYCLE
