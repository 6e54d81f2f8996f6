"""How much of the strong model it takes to keep its quality, by the number of rows that a head was fitted on."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tiergraph.evaluation.baselines import random_score
from tiergraph.evaluation.intervals import Floats, as_column, over_chunks, percentiles
from tiergraph.evaluation.router_gains import BEST_TIER, CATEGORY, LENGTH, ORACLE, RANDOM, TFIDF
from tiergraph.evaluation.router_generic import as_known
from tiergraph.evaluation.router_learned import LadderFitter, category_gain, fitted_ladder, tfidf_gain
from tiergraph.evaluation.router_pairs import SHORT, STRONG_MODEL, WEAK_MODELS, Pair, llmrouter
from tiergraph.evaluation.router_rows import Bar, Row
from tiergraph.evaluation.router_trial import Trial

QWEN = WEAK_MODELS[3]
KEPT = 0.97
"""Share of the strong model's quality that has to be kept."""

_SMALL = 1e-12


class Draw(NamedTuple):
    """Rows to fit on, ``known``, drawn ``times`` times; the others judge."""

    known: int
    times: int
    must: float
    aim: float


DRAWS = (Draw(3000, 5, 0.33, 0.25), Draw(300, 10, 0.50, 0.38))


def shares(trial: Trial, fit: LadderFitter = fitted_ladder) -> tuple[Row, ...]:
    """Strong share that keeps 97 % of Nemotron-51B's quality beside Qwen2.5-7B."""
    asked = llmrouter(trial)
    read = as_known(trial, trial.asking.readings(asked.texts))
    pair = asked.pair(QWEN, STRONG_MODEL)
    total, done, rows = sum(draw.times for draw in DRAWS), 0, []
    for draw in DRAWS:
        # a sample for a quick look holds fewer rows than are to be drawn
        known = min(draw.known, round(0.8 * len(pair)))
        fits: list[tuple[NDArray[np.intp], dict[str, Floats]]] = []
        for number in range(draw.times):
            order = np.random.default_rng([trial.seed, draw.known, number]).permutation(len(pair))
            inside, outside = np.sort(order[:known]), np.sort(order[known:])
            texts = [pair.questions.texts[place] for place in outside]
            suffices = fit(pair.only(inside), read.only(inside), texts, read.only(outside), trial.seed)
            judged = pair.questions.unseen[outside]
            scores = {"": 1.0 - suffices} | _baselines(trial, pair, inside, outside)
            fits.append((outside[judged], {name: score[judged] for name, score in scores.items()}))
            done += 1
            trial.asking.tell(done, total)
        rows.append(_row(trial, pair, draw, known, fits))
    return tuple(rows)


def _row(
    trial: Trial, pair: Pair, draw: Draw, known: int, fits: list[tuple[NDArray[np.intp], dict[str, Floats]]]
) -> Row:
    weights = trial.weights(len(pair), pair.questions.groups)
    judged = len(np.unique(np.concatenate([outside for outside, _ in fits])))
    figures = {}
    for name in fits[0][1]:
        drawn = [_of(pair, outside, scores[name], weights[:, outside]) for outside, scores in fits]
        value = float(np.mean([each[0] for each in drawn]))
        figures[name] = percentiles(value, np.mean([each[1] for each in drawn], axis=0), judged)
    always = percentiles(1.0, [1.0], judged)
    return Row(
        name=f"{SHORT[QWEN]} -> {SHORT[STRONG_MODEL]}, tuned on {known:,} rows",
        figure=figures.pop(""),
        unit="share",
        bar=Bar(sense="at_most", must=draw.must, aim=draw.aim),
        baselines=figures | {BEST_TIER: always},
        note=f"mean of {draw.times} draws, each judged on the rows outside it; baselines learned from the same rows",
    )


def _of(pair: Pair, outside: NDArray[np.intp], score: Floats, weights: NDArray[np.int16]) -> tuple[float, Floats]:
    weak, strong = pair.weak[outside], pair.strong[outside]
    ones = np.ones((1, len(outside)))
    return float(share_needed(score, weak, strong, ones)[0]), share_needed(score, weak, strong, weights)


def share_needed(
    score: ArrayLike, weak: ArrayLike, strong: ArrayLike, weights: NDArray[np.generic], kept: float = KEPT
) -> Floats:
    """The least strong share at which quality reaches ``kept`` of the strong model's, for each row of weights (r, n).

    The strong model takes the rows in falling score; rows of one score are one straight segment.

    Args:
        score: (n,), higher for questions that need the strong model.
        weak, strong: (n,) quality of either model.

    Returns:
        (r,); 0 where the weak model alone reaches it, NaN without rows.
    """
    ranks = as_column(score, "score")
    low, high = as_column(weak, "weak", len(ranks)), as_column(strong, "strong", len(ranks))
    if not len(ranks):
        return np.full(len(weights), np.nan)
    order = np.argsort(-ranks, kind="stable")
    ends = np.flatnonzero(np.append(ranks[order][1:] != ranks[order][:-1], True))
    gain = (high - low)[order]

    def first(counts: Floats) -> Floats:
        total = counts.sum(axis=1, keepdims=True)
        moved = counts[:, order]
        start = np.zeros((len(counts), 1))
        share = np.concatenate([start, moved.cumsum(axis=1)[:, ends]], axis=1) / total
        quality = (counts @ low)[:, None] + np.concatenate([start, (moved * gain).cumsum(axis=1)[:, ends]], axis=1)
        target = kept * (counts @ high)[:, None]
        return _crossing(share, quality, target)

    with np.errstate(invalid="ignore", divide="ignore"):
        return over_chunks(weights, first, width=4)


def _crossing(share: Floats, quality: Floats, target: Floats) -> Floats:
    """Where each of r curves (r, points) first reaches its target (r, 1)."""
    reached = quality >= target - _SMALL
    at = reached.argmax(axis=1)[:, None]
    before = np.maximum(at - 1, 0)
    ends = [np.take_along_axis(table, place, axis=1) for table in (share, quality) for place in (before, at)]
    rise = ends[3] - ends[2]
    along = np.divide(target - ends[2], rise, out=np.ones_like(rise), where=rise > 0)
    found = ends[0] + np.clip(along, 0.0, 1.0) * (ends[1] - ends[0])
    return np.where(reached.any(axis=1), found[:, 0], np.nan)


def _baselines(trial: Trial, pair: Pair, inside: NDArray[np.intp], outside: NDArray[np.intp]) -> dict[str, Floats]:
    """Scores of the rows outside, those that learn from the rows inside."""
    asked, gain = pair.questions, pair.gain[inside]

    def parts(values: tuple[str, ...], at: NDArray[np.intp]) -> list[str]:
        return [values[place] for place in at]

    return {
        RANDOM: random_score(len(outside), trial.seed),
        LENGTH: pair.lengths[outside],
        CATEGORY: category_gain(parts(asked.categories, inside), gain, parts(asked.categories, outside)),
        TFIDF: tfidf_gain(parts(asked.texts, inside), gain, parts(asked.texts, outside)),
        ORACLE: pair.gain[outside],
    }
