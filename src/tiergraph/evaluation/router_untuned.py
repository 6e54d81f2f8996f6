"""The router on ladders that nothing was fitted to: LLMRouter's widest pair, and RouteLLM's MMLU and GSM8K."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from tiergraph.evaluation import router_generic as generic
from tiergraph.evaluation.baselines import tfidf_score
from tiergraph.evaluation.curves import apgr, routellm_apgr
from tiergraph.evaluation.intervals import Floats, Interval, percentiles
from tiergraph.evaluation.router_gains import LENGTH, TFIDF, apgr_row, baseline_scores, difference
from tiergraph.evaluation.router_learned import tfidf_gain
from tiergraph.evaluation.router_pairs import (
    SHORT,
    STRONG_MODEL,
    WEAK_MODELS,
    Pair,
    Questions,
    generic_gain,
    llmrouter,
    of_cases,
)
from tiergraph.evaluation.router_rows import Bar, Row
from tiergraph.evaluation.router_trial import Trial
from tiergraph.suites.routellm import ARTEFACT, STRONG, WEAK

GENERIC = "TF-IDF on the generic gain"
DRAWS = 200
"""Resamples of RouteLLM's own figure, which sorts the questions anew for each."""


def llmrouter_untuned(trial: Trial) -> tuple[Row, ...]:
    """Mistral-7B or Nemotron-51B by a score that knows neither."""
    asked = llmrouter(trial)
    read = trial.asking.readings(asked.texts)
    pair = asked.pair(WEAK_MODELS[0], STRONG_MODEL)
    said = 1.0 - read.suffices
    baselines = baseline_scores(trial, pair) | {
        GENERIC: tfidf_score(asked.texts, generic_gain(asked), asked.groups, trial.seed)
    }
    judged = asked.unseen
    must = _known(apgr(baselines[GENERIC][judged], pair.weak[judged], pair.strong[judged]))
    bar = Bar(sense="at_least", must=must, aim=0.72, strict=True, above=GENERIC)
    refitted = 1.0 - trial.once("generic", lambda: generic.cross_fitted(trial))[1]
    fitted, plain = "generic head, cross-fitted", "the model as it is packaged"
    title = f"{SHORT[WEAK_MODELS[0]]} -> {SHORT[STRONG_MODEL]}"
    rows = (
        apgr_row(trial, f"{title}, {fitted}", pair, refitted, baselines, bar if generic.packaged() else None),
        apgr_row(trial, f"{title}, {plain}", pair, said, baselines, None if generic.packaged() else bar),
    )
    if not generic.packaged():
        return rows[::-1]
    seen = "the generic head may have been fitted on these outcomes"
    return (rows[0], Row(**{**vars(rows[1]), "note": seen}))


def routellm_untuned(trial: Trial) -> tuple[Row, ...]:
    """RouteLLM's MMLU, with and without the artefact subject, and its GSM8K: none is ever trained on."""
    elsewhere = llmrouter(trial)
    learned = (elsewhere.texts, generic_gain(elsewhere))
    mmlu = of_cases(trial, trial.suite("routellm-mmlu").cases)
    sound = np.array([category != ARTEFACT for category in mmlu.categories])
    gsm8k = of_cases(trial, trial.suite("routellm-gsm8k").cases)
    rows = []
    for name, asked, aim in (
        ("MMLU", mmlu, 0.62),
        ("MMLU without the artefact subject", mmlu.only(sound), 0.62),
        ("GSM8K", gsm8k, 0.63),
    ):
        rows += _both(trial, name, asked, aim, learned)
    return tuple(rows)


def _both(trial: Trial, name: str, asked: Questions, aim: float, learned: tuple[tuple[str, ...], Floats]) -> list[Row]:
    """The exact figure and that by RouteLLM's deciles."""
    pair = asked.pair(WEAK, STRONG)
    score = 1.0 - trial.asking.readings(pair.questions.texts).suffices
    baselines = baseline_scores(trial, pair) | {GENERIC: tfidf_gain(*learned, pair.questions.texts)}
    length = baselines[LENGTH]

    def bar(must: float) -> Bar:
        return Bar(sense="at_least", must=_known(must), aim=aim, strict=True, above=LENGTH)

    exact = apgr_row(trial, f"{name}, exact", pair, score, baselines, bar(apgr(length, pair.weak, pair.strong)))
    weights = trial.weights(len(pair), pair.questions.groups)
    value, resampled = difference(score, length, pair, weights)
    over = percentiles(value, resampled, len(pair))
    details = {**exact.details, "above_length": None if over is None else over._asdict()}
    note = f"{TFIDF} and the category mean learned from the other folds of this very set"
    exact = Row(**{**vars(exact), "details": details, "note": note})
    by_deciles = Row(
        name=f"{name}, RouteLLM's deciles",
        figure=_decile_interval(score, pair, weights),
        unit="APGR",
        bar=bar(routellm_apgr(length, pair.weak, pair.strong)),
        baselines=_decile_baselines(baselines, pair),
    )
    return [exact, by_deciles]


def _decile_baselines(baselines: Mapping[str, Floats], pair: Pair) -> dict[str, Interval | None]:
    """Values alone: their intervals stand beside the exact figures."""
    n = len(pair)
    found = {name: routellm_apgr(column, pair.weak, pair.strong) for name, column in baselines.items()}
    return {name: None if np.isnan(value) else Interval(value, None, None, n) for name, value in found.items()}


def _decile_interval(score: Floats, pair: Pair, weights: NDArray[np.int16]) -> Interval | None:
    places = np.arange(len(pair))
    resampled = []
    for counts in weights[:DRAWS]:
        drawn = np.repeat(places, counts)
        resampled.append(routellm_apgr(score[drawn], pair.weak[drawn], pair.strong[drawn]))
    return percentiles(routellm_apgr(score, pair.weak, pair.strong), resampled, len(pair))


def _known(value: float) -> float | None:
    return None if np.isnan(value) else value
