"""Apple's chips: a small table, as no free database has their bandwidth.

Sources: bandwidth and GPU cores as Apple states them in its press releases and on its pages of
technical specifications. A core of the GPU has 128 units that multiply and add, 256 operations a
cycle, at 16 bits as at 32; clocks are those that such pages and the operating system report
(Apple states 2.6 TFLOP/s for the M1 with 8 cores: 8 x 256 x 1.278 GHz).
"""

from __future__ import annotations

from grid.hardware.chips.chip import Chip

OPERATIONS_PER_CYCLE = 256
SOURCE = "Apple's technical specifications; operations = cores x clock x 256"

# chip, GPU cores, bandwidth in GB/s, clock in GHz where it is known
_TABLE: tuple[tuple[str, tuple[int, ...], float, float | None], ...] = (
    ("M1", (7, 8), 68.25, 1.278),
    ("M1 Pro", (14, 16), 200, 1.296),
    ("M1 Max", (24, 32), 400, 1.296),
    ("M1 Ultra", (48, 64), 800, 1.296),
    ("M2", (8, 10), 100, 1.398),
    ("M2 Pro", (16, 19), 200, 1.398),
    ("M2 Max", (30, 38), 400, 1.398),
    ("M2 Ultra", (60, 76), 800, 1.398),
    ("M3", (8, 10), 100, 1.398),
    ("M3 Pro", (14, 18), 150, 1.398),
    ("M3 Max", (30,), 300, 1.398),
    ("M3 Max", (40,), 400, 1.398),
    ("M3 Ultra", (60, 80), 819, 1.398),
    ("M4", (8, 10), 120, 1.470),
    ("M4 Pro", (16, 20), 273, 1.578),
    ("M4 Max", (32,), 410, 1.578),
    ("M4 Max", (40,), 546, 1.578),
    ("M5", (8, 10), 153, None),
)


def apple_chips() -> list[Chip]:
    """One chip for each number of GPU cores, `Apple M2 Ultra (76)`; memory is as bought."""
    return [
        Chip(
            name=f"Apple {name} ({count})",
            vendor="Apple",
            platform="metal",
            bandwidth_bytes_s=bandwidth * 1e9,
            flops_half=_flops(count, clock),
            flops_single=_flops(count, clock),
            unified=True,
            clock_hz=None if clock is None else clock * 1e9,
            source=SOURCE,
            generation=f"Apple {name[:2]}",
        )
        for name, cores, bandwidth, clock in _TABLE
        for count in cores
    ]


def _flops(cores: int, clock_ghz: float | None) -> float | None:
    return None if clock_ghz is None else cores * clock_ghz * 1e9 * OPERATIONS_PER_CYCLE
