"""Assert on the rows of a default sweep: `python scripts/check_sweep.py STORE`.

Says what was found; exits with 1 and the first broken expectation otherwise.
"""

from __future__ import annotations

import sys

import grid
from grid.results.reader import Results

QUANTS, SIZES = 12, 2
"""At least this many quantizations of at least this many models."""

ROUNDING = 2 * 0.01 * 2**20
"""llama.cpp's log gives the cache of keys and of values to 0.01 MiB each."""


def count(results: Results, sql: str) -> int:
    """The single number that a query gives."""
    return int(results.query(sql).column(0)[0].as_py())


def expectations(results: Results) -> dict[str, bool]:
    """Each expectation in words, and whether it holds."""
    quality = "SELECT model, quant, value FROM results WHERE name = '{}' AND measure = 'quality'"
    kld = quality.format("kld_mean")
    worse = f"""SELECT count(*) FROM ({kld}) low JOIN ({kld}) high USING (model)
        WHERE low.quant = 'Q2_K' AND high.quant = 'Q8_0' AND low.value > high.value"""
    models = count(results, "SELECT count(DISTINCT model) FROM final")
    quants = count(
        results,
        "SELECT min(n) FROM (SELECT count(DISTINCT quant) AS n FROM final GROUP BY model)",
    )
    return {
        "no file of the store is damaged": not results.problems,
        "every cell is ok": count(results, "SELECT count(*) FROM final WHERE status <> 'ok'") == 0,
        f"at least {SIZES} models": models >= SIZES,
        f"at least {QUANTS} quantizations of each": quants >= QUANTS,
        "each cell has one final attempt": count(
            results, "SELECT count(*) - count(DISTINCT cell_id) FROM final"
        )
        == 0,
        "2 bits are worse than 8 in every model": count(results, worse) == models,
        "every decode rate is positive": count(
            results, "SELECT count(*) FROM results WHERE name = 'decode_tps' AND NOT value > 0"
        )
        == 0,
        "every variant has peak memory": count(
            results, "SELECT count(*) FROM results WHERE name = 'peak_rss_bytes' AND value > 0"
        )
        == models * quants,
        "the predicted KV cache is what the engine reports": count(
            results,
            "SELECT count(*) FROM wide WHERE measure = 'memory' "
            f"AND abs(kv_bytes - kv_buffer_bytes) > {ROUNDING}",
        )
        == 0,
        "raw samples are kept": count(results, "SELECT count(*) FROM samples") > 0,
        "task items are kept": count(results, "SELECT count(*) FROM items") > 0,
    }


def main(store: str) -> int:
    results = grid.open(store)
    broken = [text for text, holds in expectations(results).items() if not holds]
    for text in broken:
        sys.stderr.write(f"broken: {text}\n")
    print(f"{results.final().num_rows} cells checked, {len(broken)} expectations broken")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
