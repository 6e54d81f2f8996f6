"""Fits a ladder head: for each tier but the top, the gain that a higher one brings, from recorded outcomes.

Several ways are tried, judged by cross-validation, and mixed with the generic score, which holds where rows are few.
Failure rule: too few rows, or scores that are none, are an `InputError`; outcomes without a difference give a head that
says the same of every text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tiergraph.errors import InputError
from tiergraph.extras import require
from tiergraph.proposers.heads import GenericHead, LadderHead, Points, Scorer, sufficiency
from tiergraph.tuning.levels import fit_points
from tiergraph.tuning.ridge import MIXES, Config, Learner, codes_of, mean_square
from tiergraph.tuning.rows import logit_matrix, names_of, read_inputs

MIN_ROWS = 30
"""Fewer rows that compare a tier with a higher one say nothing that the generic score does not."""

MAX_TIERS = 6

PRIOR_ROWS = 20.0
"""Rows that it takes to move half way from the generic score, taken at its word, to what the rows say."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class LadderFit:
    """A head and what it is worth.

    Attributes:
        head: Learned from all rows.
        cross_fitted: Probability that each tier but the top suffices, (n, tiers - 1), learned without the row's fold.
        shrinkage: Weight of the generic score in [0, 1]: its share of what moves the final score.
        chosen: For each tier but the top: rows, weights of the ways that were mixed, and the mean squared error of
            every way in cross-validation beside that of a constant.
    """

    head: LadderHead
    cross_fitted: Floats
    shrinkage: float
    chosen: Mapping[str, Any]


def fit_ladder(
    texts: Sequence[str],
    logits: ArrayLike,
    outcomes: ArrayLike,
    *,
    tiers: Sequence[str],
    generic: ArrayLike | None = None,
    base: GenericHead | None = None,
    seed: int = 0,
    model_sha256: str = "",
    logit_names: Sequence[str] = (),
    data: Mapping[str, Any] | None = None,
    created: str = "",
    tick: Callable[[], object] = lambda: None,
) -> LadderFit:
    """Learn which tier suffices.

    Args:
        texts: The requests as the router reads them, (n,).
        logits: (n, m) of the router model, m may be 0.
        outcomes: (n, tiers) scores in [0, 1], NaN where a tier was not scored.
        tiers: Names, cheapest first, 2 to 6.
        generic: (n, tiers - 1) probability that each tier but the top suffices, by a score that knows no outcomes of
            these rows: that of ``base``, computed where it is left out, or any other.
        base: The generic head, which becomes a part of the new one. Without it the head copies ``generic`` as well as
            the rows allow, and relies on the copy, not on what it copied.
        seed: The same head each time.
        model_sha256, logit_names, data, created: For the manifest.
        tick: Called after every fold of every way.

    Raises:
        InputError: Fewer than `MIN_ROWS` rows that score a tier and a higher one, a score outside [0, 1], or shapes
            that do not fit.
    """
    names = tuple(tiers)
    scores = _checked_outcomes(outcomes, len(texts), names)
    inputs = logit_matrix(logits, len(texts))
    gains, known = _gains(scores)
    _check_rows(known, names)
    means = np.array([gains[known[:, k] > 0, k].mean() for k in range(len(names) - 1)])
    target = np.where(known > 0, gains - means, 0.0)
    learner = Learner(read_inputs(texts, inputs), seed=seed, codes=codes_of(texts))
    tried = learner.cross_fit(target, known, tick=tick)
    losses = _generic_losses(texts, inputs, generic, base, len(names))
    copied = losses is not None and base is None
    heard = losses
    if losses is not None and copied:
        losses = losses - losses.mean(axis=0)
        everywhere = np.ones(losses.shape)
        heard = learner.cross_fit(losses, everywhere, configs=[learner.copying], tick=tick)[learner.copying]
    blends = [
        _blend(target[:, k], known[:, k] > 0, {way: made[:, k] for way, made in tried.items()}, _column(heard, k))
        for k in range(len(names) - 1)
    ]
    score = np.stack([blend.score for blend in blends], axis=1)
    loss = np.clip(gains, 0, 1)
    trust = np.array([blend.trust for blend in blends], np.float32)
    scorer = _mixed(learner, target, known, blends)
    if losses is not None and copied and trust.any():
        scorer = learner.fit(losses, np.ones(losses.shape), learner.copying).scaled(trust).plus(scorer)
    bias = np.array([-blend.trust * blend.centre for blend in blends], np.float32)
    relies = base is not None and bool(trust.any())
    head = LadderHead(
        tiers=names,
        scorer=replace(scorer, bias=bias).rounded(),
        levels=tuple(_points(score, loss, known, k) for k in range(len(names) - 1)),
        base=base if relies else None,
        trust=trust if relies else np.zeros(0, np.float32),
        model_sha256=model_sha256,
        logit_names=names_of(logit_names, inputs),
        data=dict(data or {}),
        created=created,
    )
    return LadderFit(
        head=head,
        cross_fitted=_cross_fitted(score, loss, known, learner.folds),
        shrinkage=float(np.mean([blend.share for blend in blends])),
        chosen={name: blend.as_json() for name, blend in zip(names, blends, strict=False)},
    )


@dataclass(frozen=True, kw_only=True)
class _Blend:
    """How one tier's gain is put together. ``score``: (n,) in cross-validation; ``centre``: mean generic loss."""

    score: Floats
    centre: float
    own: Mapping[Config, float]
    trust: float
    share: float
    errors: Mapping[str, float]
    rows: int

    def as_json(self) -> dict[str, Any]:
        return {
            "rows": self.rows,
            "own": {f"{way.mix}, alpha {way.alpha:g}": round(weight, 4) for way, weight in self.own.items()},
            "generic": round(self.trust, 4),
            "mean_squared_error": {name: round(error, 6) for name, error in self.errors.items()},
        }


def _checked_outcomes(outcomes: ArrayLike, n: int, tiers: tuple[str, ...]) -> Floats:
    scores = np.asarray(outcomes, dtype=np.float64)
    if not 2 <= len(tiers) <= MAX_TIERS or len(set(tiers)) != len(tiers):
        raise InputError(f"A ladder of the tiers {list(tiers)!r} cannot be tuned. Fix: name 2 to 6.", code="bad_ladder")
    if scores.shape != (n, len(tiers)):
        raise InputError(
            f"The outcomes have the shape {scores.shape}; ({n}, {len(tiers)}) is needed. "
            "Fix: give one score or NaN for each row and tier.",
            code="bad_outcomes",
        )
    off = scores[~np.isnan(scores) & ~((scores >= 0) & (scores <= 1))]
    if len(off):
        raise InputError(f"A score is {float(off[0])!r}, not in [0, 1]. Fix: scale the scores.", code="bad_outcomes")
    return scores


def _gains(scores: Floats) -> tuple[Floats, Floats]:
    """For each tier but the top, the best score of a higher tier above its own in [-1, 1], and 1 where it is known."""
    best = np.fmax.accumulate(scores[:, ::-1], axis=1)[:, ::-1][:, 1:]
    gains = best - scores[:, :-1]
    known = ~np.isnan(gains)
    return np.where(known, gains, 0.0), known.astype(np.float64)


def _check_rows(known: Floats, tiers: tuple[str, ...]) -> None:
    for k, count in enumerate(known.sum(axis=0).astype(int).tolist()):
        if count < MIN_ROWS:
            raise InputError(
                f"{count} rows score the tier {tiers[k]!r} and a higher one; at least {MIN_ROWS} are needed. "
                f"Fix: run `tiergraph label` on {MIN_ROWS - count} more requests.",
                code="too_few_rows",
            )


def _generic_losses(
    texts: Sequence[str],
    logits: NDArray[np.float32],
    generic: ArrayLike | None,
    base: GenericHead | None,
    tiers: int,
) -> Floats | None:
    """What the generic score expects each tier but the top to lose, (n, tiers - 1); ``None`` without one."""
    if generic is None and base is None:
        return None
    if generic is None and base is not None:
        found = [base.cumulative(text, row, tiers=tiers) for text, row in zip(texts, logits, strict=True)]
        return 1.0 - np.array(found).reshape(len(texts), tiers - 1)
    given = np.asarray(generic, dtype=np.float64)
    if given.shape != (len(texts), tiers - 1) or not np.isfinite(given).all():
        raise InputError(
            f"generic has the shape {given.shape}; ({len(texts)}, {tiers - 1}) finite numbers are needed.",
            code="bad_generic",
        )
    return 1.0 - given


def _column(losses: Floats | None, k: int) -> Floats | None:
    return None if losses is None else losses[:, k]


def _blend(target: Floats, known: NDArray[np.bool_], tried: Mapping[Config, Floats], loss: Floats | None) -> _Blend:
    """Weights >= 0 of the best penalty of each mix and of the generic loss, by what they say of rows they never saw."""
    optimise = require("scipy.optimize", extra="eval")
    y = target[known]
    errors = {way: mean_square(y - made[known], np.ones(len(y))) for way, made in tried.items()}
    ways = [min((w for w in tried if w.mix == mix), key=errors.__getitem__) for mix in MIXES if _has(tried, mix)]
    centre = 0.0 if loss is None else float(loss[known].mean())
    centred = [] if loss is None else [loss - centre]
    columns = [*(tried[way] for way in ways), *centred]
    # what each is worth before the rows have spoken: the generic loss its word, the ways together theirs
    prior = np.array([1 / len(ways)] * len(ways) + [1.0] * len(centred))
    a = np.stack([column[known] for column in columns], axis=1)
    held = np.sqrt(PRIOR_ROWS * (a * a).mean(axis=0))
    weights, _ = optimise.nnls(np.vstack([a, np.diag(held)]), np.concatenate([y, held * prior]))
    if not weights.any():
        weights = prior  # rows too few or too noisy to say anything: what one would guess, not one score for all
    parts = [weight * column for weight, column in zip(weights.tolist(), columns, strict=True)]
    own = sum(parts[: len(ways)], np.zeros(len(target)))
    general = sum(parts[len(ways) :], np.zeros(len(target)))
    moves = (float(general[known].std()), float(own[known].std()))
    score = own + general
    return _Blend(
        score=score,
        centre=centre,
        own=dict(zip(ways, weights[: len(ways)].tolist(), strict=True)),
        trust=float(weights[-1]) if centred else 0.0,
        share=moves[0] / sum(moves) if sum(moves) else float(bool(centred)),
        errors={
            "constant": mean_square(y, np.ones(len(y))),
            **{f"{way.mix}, alpha {way.alpha:g}": error for way, error in errors.items()},
            "chosen": mean_square(y - score[known], np.ones(len(y))),
        },
        rows=int(known.sum()),
    )


def _has(tried: Mapping[Config, Floats], mix: str) -> bool:
    return any(way.mix == mix for way in tried)


def _mixed(learner: Learner, target: Floats, known: Floats, blends: Sequence[_Blend]) -> Scorer:
    """One scorer with an output for each tier but the top."""
    total: Scorer | None = None
    for way in sorted({way for blend in blends for way, weight in blend.own.items() if weight > 0}):
        weights = np.array([blend.own.get(way, 0.0) for blend in blends], np.float32)
        total = learner.fit(target, known, way).scaled(weights).plus(total)
    return total or learner.nothing(len(blends))


def _points(score: Floats, loss: Floats, known: Floats, k: int) -> Points:
    rows = known[:, k] > 0
    return fit_points(score[rows, k], loss[rows, k])


def _cross_fitted(score: Floats, loss: Floats, known: Floats, folds: NDArray[Any]) -> Floats:
    """Each fold's levels learned from the others."""
    found = np.zeros(score.shape)
    for fold in np.unique(folds):
        others = (folds != fold)[:, None] * known
        levels = [_points(score, loss, others if others[:, k].any() else known, k) for k in range(score.shape[1])]
        found[folds == fold] = sufficiency(score[folds == fold], levels)
    return found
