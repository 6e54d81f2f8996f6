"""How measured times are summed up."""

from __future__ import annotations

import statistics
from collections.abc import Sequence


def spread(seconds: Sequence[float], scale: float) -> dict[str, float]:
    """Median, 10th and 90th percentile and n; ``scale`` 1e3 gives milliseconds, 1e6 microseconds."""
    if len(seconds) > 1:
        tenths = statistics.quantiles(seconds, n=10, method="inclusive")
    else:
        tenths = [seconds[0]] * 9
    values = (statistics.median(seconds), tenths[0], tenths[-1])
    median, low, high = (round(value * scale, 3) for value in values)
    return {"median": median, "p10": low, "p90": high, "n": len(seconds)}
