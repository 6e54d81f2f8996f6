"""A sheet gathers the figures of one scope, all cases or one stratum, from one set of bootstrap resamples.

One set for all of them: figures of the router and of its baselines move together in it, so that their difference is
paired.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from tiergraph.evaluation.intervals import Interval, mean_interval, ratio_interval, resamples
from tiergraph.evaluation.report import ROUTER, Figure

Array = Any
Better = Literal["higher", "lower"] | None


@dataclass
class Sheet:
    """Figures of the cases ``at`` (indices into all cases).

    Attributes:
        groups: Group of each of all cases, or ``None``.
        by, stratum: As of `Figure`.
        count, seed: Of the resamples.
    """

    at: Array
    groups: Array | None
    count: int
    seed: int
    by: str | None = None
    stratum: str | None = None
    figures: list[Figure] = field(default_factory=list)
    _drawn: dict[bytes, Array] = field(default_factory=dict, repr=False)

    def add(
        self, name: str, found: Interval | None, *, of: str = ROUTER, unit: str = "", better: Better = None
    ) -> None:
        """One figure; ``None`` is one that cannot be had from these cases, and is left out."""
        if found is None or found.value is None or not np.isfinite(found.value):
            return
        self.figures.append(
            Figure(
                name=name,
                value=_short(found.value),
                low=_short(found.low),
                high=_short(found.high),
                n=int(found.n),
                of=of,
                unit=unit,
                better=better,
                by=self.by,
                stratum=self.stratum,
            )
        )

    def mean(self, name: str, values: Array, *, at: Array, **more: Any) -> None:
        """The mean of ``values`` over the cases ``at``; NaN is unscored and left out."""
        known = ~np.isnan(values)
        if known.any():
            weights = self.weights(at[known])
            share = more.get("unit") == "share" or bool(np.isin(values[known], (0.0, 1.0)).all())
            found = mean_interval(values[known], self.groups_of(at[known]), weights=weights, share=share)
            self.add(name, found, **more)

    def ratio(self, name: str, numerator: Array, denominator: Array, *, at: Array, **more: Any) -> None:
        """The sum of one over the sum of the other; left out where there is nothing to divide by."""
        weights, share = self.weights(at), more.get("unit") == "share"
        found = ratio_interval(numerator, denominator, self.groups_of(at), weights=weights, share=share)
        self.add(name, found, **more)

    def of_sums(self, name: str, numerator: Array, denominator: Array, *, at: Array, **more: Any) -> None:
        """The sum of one over the sum of the other, which is no share of cases: every case counts into its n."""
        found = ratio_interval(numerator, denominator, self.groups_of(at), weights=self.weights(at), share=False)
        self.add(name, None if found is None else found._replace(n=len(at)), **more)

    def each(self, statistic: Callable[[Array], float], at: Array, most: int) -> Array:
        """The statistic in ``most`` resamples at most; for those that cannot be had for all of them at once."""
        return np.array([statistic(weights) for weights in self.weights(at)[:most]])

    def groups_of(self, at: Array) -> Array | None:
        """Groups of the cases ``at``."""
        return None if self.groups is None else self.groups[at]

    def weights(self, at: Array) -> Array:
        """How often each of the cases ``at`` stands in each resample, (count, len(at)); the same ones every time."""
        key = np.asarray(at).tobytes()
        if key not in self._drawn:
            self._drawn.clear()  # one at a time: for 14,000 cases they take tens of megabytes
            self._drawn[key] = resamples(len(at), self.groups_of(at), count=self.count, seed=self.seed)
        return self._drawn[key]


def _short(value: float | None) -> float | None:
    """Twelve digits: beyond them the order of summation shows."""
    return None if value is None or not np.isfinite(value) else float(f"{value:.12g}")
