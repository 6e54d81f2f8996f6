"""The generic score on questions that it may have been fitted on: cross-fitted, so that none judges itself."""

from __future__ import annotations

import json
from importlib.resources import files

import numpy as np

from tiergraph.evaluation.intervals import Floats
from tiergraph.evaluation.router_asking import Readings
from tiergraph.evaluation.router_pairs import Questions, llmrouter, mmlu_pro
from tiergraph.evaluation.router_trial import Trial
from tiergraph.proposers.heads import SLOTS


def packaged() -> bool:
    """Whether a generic head ships beside the embedded model."""
    for file in (files("tiergraph") / "models").iterdir():
        if file.name.endswith(".json") and file.name != "embedded.json":
            found = json.loads(file.read_text(encoding="utf-8"))
            if isinstance(found, dict) and found.get("kind") == "generic":
                return True
    return False


def levels(questions: Questions) -> Floats:
    """Mean score of the models of each level of capability, (n, slots).

    Levels are models in the order of their mean score, cut into parts of near-equal size. Where none of a level has a
    score, that of the level below stands.
    """
    columns = np.array([column for column in questions.scores.values() if not np.isnan(column).all()])
    ordered = columns[np.argsort(np.nanmean(columns, axis=1), kind="stable")]
    found = np.zeros((len(questions), SLOTS))
    for number, part in enumerate(np.array_split(ordered, SLOTS)):
        scored = ~np.isnan(part)
        sums, counts = np.where(scored, part, 0.0).sum(axis=0), scored.sum(axis=0)
        below = found[:, max(0, number - 1)]
        found[:, number] = np.where(counts > 0, sums / np.maximum(counts, 1), below)
    return found


def cross_fitted(trial: Trial) -> tuple[Floats, Floats]:
    """Of `llmrouter`'s questions, each from a generic head that was fitted on neither it nor its fold.

    The heads are fitted on LLMRouter and on MMLU-Pro without what RouteLLM's sets hold too.

    Returns:
        The score (n,), higher where a stronger model gains more, and the probability that the weak tier of two
        suffices (n,).
    """
    from tiergraph.tuning.generic import fit_generic

    one, other = llmrouter(trial), mmlu_pro(trial, overlapping=False)
    read = [trial.asking.readings(each.texts) for each in (one, other)]
    fit = fit_generic(
        (*one.texts, *other.texts),
        np.concatenate([each.logits for each in read]),
        np.concatenate([levels(each) for each in (one, other)]),
        sources=["llmrouter"] * len(one) + ["mmlu_pro"] * len(other),
        seed=trial.seed,
    )
    score = np.asarray(fit.cross_fitted, dtype=np.float64)[: len(one)]
    suffices = np.array([fit.head.spread(float(each), 2)[0] for each in score], dtype=np.float64)
    return score, suffices


def as_known(trial: Trial, read: Readings) -> Readings:
    """Readings of `llmrouter`'s questions whose generic score saw none of their outcomes."""
    if not packaged():
        return read
    _, suffices = trial.once("generic", lambda: cross_fitted(trial))
    return Readings(suffices, read.logits)
