"""How well a score orders questions by what the strong model adds: APGR of a pair, beside its baselines."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from tiergraph.evaluation.baselines import category_score, length_score, random_score, tfidf_score
from tiergraph.evaluation.curves import apgr, apgr_resampled
from tiergraph.evaluation.intervals import Floats, Interval, percentiles
from tiergraph.evaluation.router_pairs import Pair
from tiergraph.evaluation.router_rows import Bar, Row
from tiergraph.evaluation.router_trial import Trial

RANDOM, LENGTH, CATEGORY, TFIDF, ORACLE = "random", "length", "category mean", "TF-IDF", "oracle"
BEST_TIER = "best single tier"


def baseline_scores(trial: Trial, pair: Pair) -> dict[str, Floats]:
    """Baseline to its score of each question, (n,): those that learn do so from the other folds of the same pair."""
    asked = pair.questions
    scores = {RANDOM: random_score(len(pair), trial.seed), LENGTH: length_score(pair.lengths)}
    if len(set(asked.categories)) > 1:
        scores[CATEGORY] = category_score(asked.categories, pair.gain, asked.groups, trial.seed)
    scores[TFIDF] = tfidf_score(asked.texts, pair.gain, asked.groups, trial.seed)
    scores[ORACLE] = pair.gain
    return scores


def apgr_interval(score: Floats, pair: Pair, weights: NDArray[np.int16]) -> Interval | None:
    """Exact APGR of a score over resamples (r, n) of the questions."""
    resampled = apgr_resampled(score, pair.weak, pair.strong, weights)
    return percentiles(apgr(score, pair.weak, pair.strong), resampled, len(pair))


def apgr_row(
    trial: Trial,
    name: str,
    pair: Pair,
    score: Floats,
    baselines: Mapping[str, Floats],
    bar: Bar | None,
    note: str = "",
) -> Row:
    """APGR of a score on the questions that the weights learned no outcome of.

    Args:
        score, baselines: Of all questions of the pair, (n,).
    """
    kept = pair.questions.unseen
    judged = pair.only(kept)
    weights = trial.weights(len(judged), judged.questions.groups)
    compared = {name: apgr_interval(column[kept], judged, weights) for name, column in baselines.items()}
    compared[BEST_TIER] = single_tier(judged)
    return Row(
        name=name,
        figure=apgr_interval(score[kept], judged, weights),
        unit="APGR",
        bar=bar,
        baselines=compared,
        note=_joined(note, left_out_note(pair)),
        details={
            "weak_quality": _mean(judged.weak),
            "strong_quality": _mean(judged.strong),
            "rows_left_out": int((~kept).sum()),
        },
    )


def single_tier(pair: Pair) -> Interval | None:
    """APGR of always the better of the two tiers, drawn at random so often that its share is even: .5, as of chance.

    Any mix of two single tiers lies on the line between them, so that no single tier recovers more than its share.
    """
    return Interval(0.5, 0.5, 0.5, len(pair)) if len(pair) else None


def difference(score: Floats, other: Floats, pair: Pair, weights: NDArray[np.int16]) -> tuple[float, Floats]:
    """APGR of a score minus that of another on the same questions: the value, and that of each resample, (r,)."""
    value = apgr(score, pair.weak, pair.strong) - apgr(other, pair.weak, pair.strong)
    first, second = (apgr_resampled(each, pair.weak, pair.strong, weights) for each in (score, other))
    return value, first - second


def left_out_note(pair: Pair) -> str:
    """What is said of rows that the weights learned the outcomes of; empty where there are none."""
    gone = int((~pair.questions.unseen).sum())
    return f"{gone:,} rows left out: the model learned from their outcomes" if gone else ""


def _joined(*notes: str) -> str:
    return "; ".join(note for note in notes if note)


def _mean(values: Floats) -> float | None:
    return round(float(values.mean()), 6) if len(values) else None
