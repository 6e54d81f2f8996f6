"""Bootstrap intervals: resamples as counts of rows, and the spread of a figure over them.

A resample is a row of weights: how often each case was drawn. Where cases come in groups, whole groups are drawn.
Intervals are of 95 %, by the percentile method. Failure rule: a resample that gives no figure (nothing to divide by) is
left out; where there is no figure at all there is no interval (``None``).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

RESAMPLES = 1000
ENDS = (0.025, 0.975)
Z = 1.959963984540054
"""The normal quantile of 97.5 %."""

_CELLS = 2_000_000  # 16 MB of float64: a chunk and its temporaries stay in the tens of megabytes

Floats = NDArray[np.float64]
Groups = Sequence[Hashable | None] | NDArray[Any]
"""One value for each row; rows of one value are one group, ``None`` is a group of its own."""


class Interval(NamedTuple):
    """A figure with the ends of its 95 % interval, over ``n`` rows.

    One row, or one group of rows, says nothing of the spread: ``low`` and ``high`` are ``None``.
    """

    value: float
    low: float | None
    high: float | None
    n: int


def as_column(values: ArrayLike, name: str, n: int | None = None) -> Floats:
    """``values`` as floats of shape (n,).

    Raises:
        ValueError: Another shape, or NaN.
    """
    column = np.asarray(values, dtype=np.float64)
    if column.ndim != 1 or (n is not None and len(column) != n):
        wanted = f"({n},)" if n is not None else "(n,)"
        raise ValueError(f"{name} has the shape {column.shape}; {wanted} is needed.")
    if np.isnan(column).any():
        raise ValueError(f"{name} holds NaN. Fix: drop the rows that are not scored.")
    return column


def as_weights(weights: ArrayLike | None, n: int) -> Floats:
    """``weights`` as floats of shape (n,); ``None`` is one for each row.

    Raises:
        ValueError: Another shape, NaN, or a negative count.
    """
    if weights is None:
        return np.ones(n)
    column = as_column(weights, "weights", n)
    if (column < 0).any():
        raise ValueError("weights hold a negative count. Fix: count how often each row was drawn.")
    return column


def group_codes(n: int, groups: Groups | None) -> NDArray[np.intp]:
    """The number of each row's group, (n,), in the order of first appearance.

    Raises:
        ValueError: ``groups`` is not of length ``n``.
    """
    if groups is None:
        return np.arange(n)
    if len(groups) != n:
        raise ValueError(f"groups has {len(groups)} values for {n} rows.")
    known: dict[Any, int] = {}
    # a row without a group gets a key that no value equals
    keys = ((None, row) if group is None else (group,) for row, group in enumerate(groups))
    return np.fromiter((known.setdefault(key, len(known)) for key in keys), dtype=np.intp, count=n)


def resample_chunks(
    n: int, groups: Groups | None = None, count: int = RESAMPLES, seed: int = 0, rows: int | None = None
) -> Iterator[NDArray[np.int16]]:
    """The rows of `resamples`, a few at a time: (up to ``rows``, n). What is drawn does not depend on ``rows``."""
    codes = group_codes(n, groups)
    size = int(codes.max()) + 1 if n else 0
    rng = np.random.default_rng(seed)
    step = rows or max(1, _CELLS // max(n, 1))
    for start in range(0, count, step):
        chunk = np.zeros((min(step, count - start), n), dtype=np.int16)
        for row in chunk if n else ():
            row[:] = np.bincount(rng.integers(0, size, size), minlength=size)[codes]
        yield chunk


def resamples(n: int, groups: Groups | None = None, count: int = RESAMPLES, seed: int = 0) -> NDArray[np.int16]:
    """How often each row was drawn, (count, n): with replacement, as many groups as there are.

    Args:
        n: Rows.
        groups: Rows of one group are drawn together; without them each row by itself.
        count: Resamples, > 0. A thousand of 15,000 rows are 30 MB; `resample_chunks` holds less.
        seed: The same draws each time.
    """
    return np.concatenate(list(resample_chunks(n, groups, count, seed)) or [np.zeros((0, n), dtype=np.int16)])


def over_chunks(weights: ArrayLike, figure: Callable[[Floats], ArrayLike], width: int = 1) -> Floats:
    """``figure`` of (r, n) weights as floats, in chunks of rows, joined.

    Args:
        weights: (r, n) counts >= 0, of any number type.
        figure: Gives r values, or (r, k).
        width: How many times n its temporaries are wide.
    """
    counts = np.asarray(weights)
    if counts.ndim != 2:
        raise ValueError(f"weights has the shape {counts.shape}; (resamples, n) is needed.")
    step = max(1, _CELLS // max(counts.shape[1] * width, 1))
    parts = [
        np.asarray(figure(counts[at : at + step].astype(np.float64)), dtype=np.float64)
        for at in range(0, len(counts), step)
    ]
    return np.concatenate(parts) if parts else np.zeros(0)


def percentiles(value: float, resampled: ArrayLike, n: int) -> Interval | None:
    """The interval of a figure that was had on the rows (``value``) and on resamples of them.

    Returns:
        ``None`` where the value is NaN or there is no row; without ends where no resample has a figure or there is one
        row.
    """
    if n == 0 or math.isnan(value):
        return None
    values = np.asarray(resampled, dtype=np.float64)
    values = values[~np.isnan(values)]
    if n == 1 or not len(values):
        return Interval(float(value), None, None, n)
    low, high = np.quantile(values, ENDS)
    return Interval(float(value), float(low), float(high), n)


def interval(statistic: Callable[[Any], float | None], weights: NDArray[Any]) -> Interval | None:
    """The interval of any statistic of weights.

    Args:
        statistic: Takes weights (n,), gives a float; NaN or ``None`` where there is none.
        weights: (r, n), as of `resamples`.
    """
    n = weights.shape[1]
    if n == 0:
        return None
    values = [_number(statistic(row)) for row in weights]
    return percentiles(_number(statistic(np.ones(n))), values, n)


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def wilson(share: float, n: float) -> tuple[float, float]:
    """Wilson's 95 % interval of a share in [0, 1] of ``n``; of nothing it is all of [0, 1]."""
    if n <= 0:
        return 0.0, 1.0
    middle = share + Z * Z / (2 * n)
    half = Z * math.sqrt(share * (1 - share) / n + Z * Z / (4 * n * n))
    scale = 1 + Z * Z / n
    # rounding must not leave a share of 0 or 1 outside its own interval
    return min(max(0.0, (middle - half) / scale), share), max(min(1.0, (middle + half) / scale), share)


def mean_interval(
    values: ArrayLike,
    groups: Groups | None = None,
    *,
    weights: NDArray[Any] | None = None,
    share: bool | None = None,
    count: int = RESAMPLES,
    seed: int = 0,
) -> Interval | None:
    """The mean of values (n,).

    Args:
        values: Numbers or booleans.
        groups: Rows that are drawn together.
        weights: (r, n) resamples to use in place of new ones. They must fit ``groups``.
        share: Whether the mean is a share of [0, 1]; as given it is one where the values are booleans. A share of 0 or
            1 has no spread in any resample and gets Wilson's interval, over the number of groups.
        count, seed: Of new resamples.
    """
    raw = np.asarray(values)
    column = as_column(raw, "values")
    ones = np.ones(len(column))
    return ratio_interval(column, ones, groups, weights=weights, share=_is_share(share, raw), count=count, seed=seed)


def difference_interval(
    a: ArrayLike,
    b: ArrayLike,
    groups: Groups | None = None,
    *,
    weights: NDArray[Any] | None = None,
    count: int = RESAMPLES,
    seed: int = 0,
) -> Interval | None:
    """Mean of ``a`` minus mean of ``b``, (n,) each, paired: both were had on the same rows.

    Where every pair differs by the same the interval has no width.
    """
    first = as_column(a, "a")
    column = first - as_column(b, "b", len(first))
    return mean_interval(column, groups, weights=weights, share=False, count=count, seed=seed)


def ratio_interval(
    numerator: ArrayLike,
    denominator: ArrayLike,
    groups: Groups | None = None,
    *,
    weights: NDArray[Any] | None = None,
    share: bool | None = None,
    count: int = RESAMPLES,
    seed: int = 0,
) -> Interval | None:
    """The sum of ``numerator`` over the sum of ``denominator``, (n,) each; ``n`` counts rows with a denominator.

    Arguments as of `mean_interval`; it is a share where both are booleans.

    Returns:
        ``None`` where the denominators sum to 0.
    """
    shares = _is_share(share, np.asarray(numerator), np.asarray(denominator))
    below = as_column(denominator, "denominator")
    above = as_column(numerator, "numerator", len(below))
    total, counted = float(below.sum()), below != 0
    n = int(counted.sum())
    if total == 0:
        return None
    value = float(above.sum()) / total
    codes = group_codes(len(below), groups)
    units = len(np.unique(codes[counted]))
    if shares and value in (0.0, 1.0):
        return Interval(value, *wilson(value, units), n)
    if units == 1:
        return Interval(value, None, None, n)
    if weights is not None and np.shape(weights)[1:] != (len(below),):
        raise ValueError(f"weights has the shape {np.shape(weights)}; (resamples, {len(below)}) is needed.")
    both = np.column_stack([above, below])
    chunks = [weights] if weights is not None else resample_chunks(len(below), groups, count, seed)
    sums = np.concatenate([over_chunks(chunk, lambda part: part @ both) for chunk in chunks])
    return percentiles(value, divided(sums[:, 0], sums[:, 1]), n)


def divided(above: Floats, below: Floats) -> Floats:
    """``above / below``, NaN where there is nothing to divide by."""
    shares: Floats = np.divide(above, below, out=np.full(np.shape(below), np.nan), where=below != 0)
    return shares


def _is_share(share: bool | None, *values: NDArray[Any]) -> bool:
    return all(each.dtype == np.bool_ for each in values) if share is None else share
