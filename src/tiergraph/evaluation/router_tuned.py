"""The router fitted to a ladder by ``tiergraph tune``: cross-fitted by question, on LLMRouter and MMLU-Pro."""

from __future__ import annotations

import numpy as np

from tiergraph.evaluation.intervals import Floats, percentiles
from tiergraph.evaluation.router_gains import (
    CATEGORY,
    LENGTH,
    TFIDF,
    apgr_row,
    baseline_scores,
    difference,
    left_out_note,
)
from tiergraph.evaluation.router_generic import as_known
from tiergraph.evaluation.router_learned import cross_fitted
from tiergraph.evaluation.router_pairs import GEMINI, PHI, SHORT, STRONG_MODEL, WEAK_MODELS, Pair, llmrouter, mmlu_pro
from tiergraph.evaluation.router_rows import Bar, Row
from tiergraph.evaluation.router_trial import Trial

AIMS = dict(zip(WEAK_MODELS, (0.78, 0.82, 0.84, 0.88), strict=True))


def llmrouter_fits(trial: Trial) -> dict[str, tuple[Pair, Floats]]:
    """Weak model to its pair with Nemotron-51B and the probability that it suffices, (n,), cross-fitted."""
    return trial.once("llmrouter fits", lambda: _llmrouter_fits(trial))


def _llmrouter_fits(trial: Trial) -> dict[str, tuple[Pair, Floats]]:
    asked = llmrouter(trial)
    read = as_known(trial, trial.asking.readings(asked.texts))
    done, total = 0, 5 * len(WEAK_MODELS)
    found = {}

    def tick() -> None:
        nonlocal done
        done += 1
        trial.asking.tell(done, total)

    for weak in WEAK_MODELS:
        pair = asked.pair(weak, STRONG_MODEL)
        found[weak] = (pair, cross_fitted(pair, read, seed=trial.seed, tick=tick))
    return found


def mmlu_pro_fit(trial: Trial) -> tuple[Pair, Floats]:
    """Phi-3-mini and Gemini 1.5 Pro on MMLU-Pro, and the probability that the former suffices, (n,)."""
    return trial.once("mmlu_pro fit", lambda: _mmlu_pro_fit(trial))


def _mmlu_pro_fit(trial: Trial) -> tuple[Pair, Floats]:
    pair = mmlu_pro(trial).pair(PHI, GEMINI)
    read = trial.asking.readings(pair.questions.texts)
    return pair, cross_fitted(pair, read, seed=trial.seed)


def llmrouter_tuned(trial: Trial) -> tuple[Row, ...]:
    """APGR of each pair, and how much more that is than what TF-IDF, the task mean and length have of it."""
    fits = llmrouter_fits(trial)
    baselines = {weak: baseline_scores(trial, pair) for weak, (pair, _) in fits.items()}
    rows = [
        apgr_row(
            trial,
            f"{SHORT[weak]} -> {SHORT[STRONG_MODEL]}",
            pair,
            1.0 - suffices,
            baselines[weak],
            Bar(sense="at_least", aim=AIMS[weak]),
        )
        for weak, (pair, suffices) in fits.items()
    ]
    compared = ((TFIDF, "TF-IDF of the pair"), (CATEGORY, "the task mean"), (LENGTH, "length"))
    return (
        *rows,
        *(_over(trial, fits, {weak: of[key] for weak, of in baselines.items()}, said) for key, said in compared),
    )


def _over(trial: Trial, fits: dict[str, tuple[Pair, Floats]], baseline: dict[str, Floats], said: str) -> Row:
    """Mean over the pairs of APGR minus the baseline's: the same questions are drawn for all of them."""
    values, resampled, each = [], [], {}
    for weak, (pair, suffices) in fits.items():
        kept = pair.questions.unseen
        judged = pair.only(kept)
        weights = trial.weights(len(judged), judged.questions.groups)
        value, drawn = difference(1.0 - suffices[kept], baseline[weak][kept], judged, weights)
        alone = percentiles(value, drawn, len(judged))
        each[SHORT[weak]] = None if alone is None else alone._asdict()
        values.append(value)
        resampled.append(drawn)
    first = next(iter(fits.values()))[0]
    return Row(
        name=f"above {said}, mean of the four",
        figure=percentiles(float(np.mean(values)), np.mean(resampled, axis=0), int(first.questions.unseen.sum())),
        unit="APGR",
        bar=Bar(sense="at_least", must=0.0, strict=True, end="low"),
        note=left_out_note(first),
        details={"pairs": each},
    )


def mmlu_pro_tuned(trial: Trial) -> tuple[Row, ...]:
    """APGR from Phi-3-mini to Gemini 1.5 Pro."""
    from tiergraph.evaluation.curves import apgr

    pair, suffices = mmlu_pro_fit(trial)
    baselines = baseline_scores(trial, pair)
    kept = pair.questions.unseen
    judged = pair.only(kept)
    must = apgr(baselines[TFIDF][kept], judged.weak, judged.strong)
    bar = Bar(sense="at_least", must=None if np.isnan(must) else must, aim=0.62, strict=True, above=TFIDF)
    row = apgr_row(trial, "Phi-3-mini -> Gemini 1.5 Pro", pair, 1.0 - suffices, baselines, bar)
    weights = trial.weights(len(judged), judged.questions.groups)
    value, drawn = difference(1.0 - suffices[kept], baselines[TFIDF][kept], judged, weights)
    over = percentiles(value, drawn, len(judged))
    return (Row(**{**vars(row), "details": {**row.details, "above_tfidf": None if over is None else over._asdict()}}),)
