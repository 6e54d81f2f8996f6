"""Fits the generic head: what a stronger model gains over a weaker one, averaged over many pairs of models.

No pair's own outcomes decide, so that the score says something of a ladder that it has never seen; how much, only that
ladder's outcomes tell.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tiergraph.errors import InputError
from tiergraph.proposers.heads import SLOTS, GenericHead
from tiergraph.tuning.levels import fit_points
from tiergraph.tuning.ridge import Config, Learner, codes_of, mean_square
from tiergraph.tuning.rows import logit_matrix, names_of, read_inputs

MIN_ROWS = 30

ALPHAS = (4.0, 10.0, 25.0)

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class GenericFit:
    """A head and what it is worth.

    Attributes:
        head: Learned from all rows.
        cross_fitted: Score of every row, (n,), learned without its fold; comparable with the head's.
        chosen: The way that was taken and the mean squared error of every way in cross-validation.
    """

    head: GenericHead
    cross_fitted: Floats
    chosen: Mapping[str, Any]


def fit_generic(
    texts: Sequence[str],
    logits: ArrayLike,
    levels: ArrayLike,
    *,
    gain: ArrayLike | None = None,
    sources: Sequence[str] | None = None,
    seed: int = 0,
    model_sha256: str = "",
    logit_names: Sequence[str] = (),
    data: Mapping[str, Any] | None = None,
    created: str = "",
    tick: Callable[[], object] = lambda: None,
) -> GenericFit:
    """Learn the gain.

    Args:
        texts: The requests, (n,).
        logits: (n, m) of the router model, m may be 0.
        levels: (n, `SLOTS`) mean score in [0, 1] of the models of each level of capability, the weakest first. They
            need not rise: where a stronger model is worse, that is learned too. NaN where none is known: such a row
            teaches the order alone, and needs ``gain``.
        gain: (n,) what is learned, in any unit; by default the mean of `pair_gain` and `top_gain` of the levels.
        sources: (n,) data set of each row. Every set counts the same as the others, however many rows it has.
        seed, model_sha256, logit_names, data, created: As of `fit_ladder`.
        tick: Called after every fold of every way.

    Raises:
        InputError: Fewer than `MIN_ROWS` rows, scores outside [0, 1], or shapes that do not fit.
    """
    reached = _checked_levels(levels, len(texts))
    inputs = logit_matrix(logits, len(texts))
    target = _checked_gain(gain, reached)[:, None]
    graded = np.isfinite(reached).all(axis=1)
    weights = _source_weights(sources, len(texts))[:, None]
    mean = float((weights * target).sum() / weights.sum())
    learner = Learner(read_inputs(texts, inputs), seed=seed, codes=codes_of(texts))
    mixes = dict.fromkeys(way.mix for way in learner.configs)
    ways = [Config(mix, alpha) for mix in mixes for alpha in ALPHAS]
    tried = learner.cross_fit(target - mean, weights, configs=ways, tick=tick)
    errors = {way: mean_square(target - mean - made, weights) for way, made in tried.items()}
    best = min(errors, key=errors.__getitem__)
    score = tried[best][:, 0] + mean
    scorer = replace(learner.fit(target - mean, weights, best), bias=np.array([mean], np.float32))
    head = GenericHead(
        scorer=scorer.rounded(),
        levels=tuple(fit_points(score[graded], loss) for loss in slot_losses(reached[graded]).T),
        model_sha256=model_sha256,
        logit_names=names_of(logit_names, inputs),
        data=dict(data or {}),
        created=created,
    )
    return GenericFit(
        head=head,
        cross_fitted=score,
        chosen={
            "way": f"{best.mix}, alpha {best.alpha:g}",
            "mean_squared_error": {
                "constant": round(mean_square(target - mean, weights), 6),
                **{f"{way.mix}, alpha {way.alpha:g}": round(error, 6) for way, error in errors.items()},
            },
        },
    )


def pair_gain(levels: Floats) -> Floats:
    """Mean gain over all pairs of a higher and a lower level, (n,), in [-1, 1]."""
    count = levels.shape[1]
    # level j is the higher one of j pairs and the lower one of count - 1 - j
    signs = np.arange(count) * 2.0 - (count - 1)
    gain: Floats = levels @ signs / (count * (count - 1) / 2)
    return gain


def top_gain(levels: Floats) -> Floats:
    """Mean of the two top levels above that of the two in the middle, (n,), in [-1, 1].

    Ladders end in strong models, and of all pairs those of two weak ones say least about them.
    """
    middle = levels.shape[1] // 2
    gain: Floats = levels[:, -2:].mean(axis=1) - levels[:, middle - 1 : middle + 1].mean(axis=1)
    return gain


def difficulty(levels: Floats) -> Floats:
    """How often the two levels in the middle fail, (n,), in [0, 1].

    Of questions that the strongest fail too the gain is small; asked of easier ones, the same kind gains. On a set as
    hard as that this carries over better than its gain.
    """
    middle = levels.shape[1] // 2
    found: Floats = 1.0 - levels[:, middle - 1 : middle + 1].mean(axis=1)
    return found


def recorded_gain(scores: ArrayLike) -> Floats:
    """What a stronger model gains, from (n, models) scores of at least 6 models, NaN where one was not scored: (n,).

    Half is the gain over all pairs of levels, half that of the top fifth of the models over the third in the middle,
    each in units of its spread and above its mean, so that sets of other models can be learned together.
    """
    table = np.asarray(scores, dtype=np.float64)
    ordered = table[:, np.argsort(np.nanmean(table, axis=0), kind="stable")]
    count = table.shape[1]
    top, middle = ordered[:, -max(2, count // 5) :], ordered[:, count // 3 : 2 * count // 3]
    ends = _row_means(top) - _row_means(middle)
    return (_standard(pair_gain(np.nan_to_num(slot_levels(table)))) + _standard(ends)) / 2


def _row_means(part: Floats) -> Floats:
    """Mean of what is known of each row; 0 where nothing is."""
    known = ~np.isnan(part)
    found: Floats = np.where(known, part, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    return found


def _standard(values: Floats) -> Floats:
    spread = float(values.std())
    found: Floats = (values - values.mean()) / (spread if spread > 0 else 1.0)
    return found


def slot_levels(scores: ArrayLike) -> Floats:
    """`SLOTS` levels of (n, models) scores, NaN where a model was not scored: (n, `SLOTS`).

    Models in the order of their mean score, cut into parts of near-equal size; NaN where all of a part are.
    """
    table = np.asarray(scores, dtype=np.float64)
    ordered = table[:, np.argsort(np.nanmean(table, axis=0), kind="stable")]
    levels = []
    for part in np.array_split(ordered, SLOTS, axis=1):
        known = ~np.isnan(part)
        counts = known.sum(axis=1)
        sums = np.where(known, part, 0.0).sum(axis=1)
        levels.append(np.divide(sums, counts, out=np.full(len(table), np.nan), where=counts > 0))
    return np.stack(levels, axis=1)


def slot_losses(levels: Floats) -> Floats:
    """For each level but the top, what it misses of the best level above it, (n, levels - 1), in [0, 1]."""
    best = np.maximum.accumulate(levels[:, ::-1], axis=1)[:, ::-1]
    return np.maximum(best[:, 1:] - levels[:, :-1], 0.0)


def _checked_levels(levels: ArrayLike, n: int) -> Floats:
    found = np.asarray(levels, dtype=np.float64)
    known = found[np.isfinite(found).all(axis=1)] if found.shape == (n, SLOTS) else found
    if found.shape != (n, SLOTS) or not ((known >= 0) & (known <= 1)).all():
        raise InputError(
            f"levels have the shape {found.shape}; ({n}, {SLOTS}) numbers in [0, 1] are needed.", code="bad_levels"
        )
    if len(known) < MIN_ROWS:
        raise InputError(
            f"{len(known)} rows have levels, and {MIN_ROWS} are needed. Fix: give more rows.", code="too_few_rows"
        )
    return found


def _checked_gain(gain: ArrayLike | None, levels: Floats) -> Floats:
    found = (pair_gain(levels) + top_gain(levels)) / 2 if gain is None else np.asarray(gain, dtype=np.float64)
    if found.shape != (len(levels),) or not np.isfinite(found).all():
        raise InputError(
            "Some rows have neither levels nor a gain. Fix: give gain, a finite number for each row.", code="bad_gain"
        )
    return found


def _source_weights(sources: Sequence[str] | None, n: int) -> Floats:
    """Weight of each row, of mean 1."""
    if sources is None:
        return np.ones(n)
    if len(sources) != n:
        raise InputError(f"{len(sources)} sources for {n} texts. Fix: give one for each.", code="bad_sources")
    codes = codes_of(sources)
    counts = np.bincount(codes)
    weights: Floats = n / len(counts) / counts[codes].astype(np.float64)
    return weights
