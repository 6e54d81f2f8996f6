"""How true the probability is that a tier suffices: against recorded outcomes, before and after tuning."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from tiergraph.evaluation.calibration import brier_skill, expected_calibration_error
from tiergraph.evaluation.intervals import Floats, Interval, percentiles
from tiergraph.evaluation.router_gains import LENGTH, left_out_note
from tiergraph.evaluation.router_generic import as_known
from tiergraph.evaluation.router_pairs import GEMINI, PHI, SHORT, STRONG_MODEL, WEAK_MODELS, Pair, llmrouter, mmlu_pro
from tiergraph.evaluation.router_rows import Bar, Row, Unit
from tiergraph.evaluation.router_trial import Trial
from tiergraph.evaluation.router_tuned import llmrouter_fits, mmlu_pro_fit

Said = Sequence[tuple[str, Pair, Floats]]
"""Name of a pair, the pair, and the probability that its weak model suffices, (n,)."""

_ECE = Bar(sense="at_most", must=0.05, aim=0.02)
_SKILL = Bar(sense="at_least", must=0.0, aim=0.10, strict=True)


def truth(trial: Trial) -> tuple[Row, ...]:
    """Calibration error and Brier skill of a tuned and of an untuned router."""
    tuned = [(SHORT[weak], pair, suffices) for weak, (pair, suffices) in llmrouter_fits(trial).items()]
    phi, suffices = mmlu_pro_fit(trial)
    asked = llmrouter(trial)
    read = as_known(trial, trial.asking.readings(asked.texts))
    plain = [(SHORT[weak], asked.pair(weak, STRONG_MODEL), read.suffices) for weak in WEAK_MODELS]
    other = mmlu_pro(trial).pair(PHI, GEMINI)
    return (
        *_rows(trial, "LLMRouter, tuned", tuned),
        *_rows(trial, "MMLU-Pro, tuned", [("Phi-3-mini", phi, suffices)]),
        *_rows(trial, "LLMRouter, untuned", plain),
        *_rows(
            trial,
            "MMLU-Pro, untuned",
            [("Phi-3-mini", other, trial.asking.readings(other.questions.texts).suffices)],
        ),
    )


def sufficed(pair: Pair) -> Floats:
    """1 minus what the weak model's answer lacks of the strong one's, (n,) in [0, 1]."""
    found: Floats = 1.0 - np.maximum(pair.gain, 0.0)
    return found


def _rows(trial: Trial, name: str, said: Said) -> list[Row]:
    figures: tuple[tuple[str, Unit, Callable[..., float], Bar], ...] = (
        ("calibration error", "ECE", expected_calibration_error, _ECE),
        ("Brier skill", "skill", brier_skill, _SKILL),
    )
    rows = []
    for title, unit, figure, bar in figures:
        whole, each = _mean(trial, said, figure)
        by_length = _mean(trial, [(pair_name, pair, _of_length(pair)) for pair_name, pair, _ in said], figure)[0]
        base = _mean(trial, [(pair_name, pair, _base_rate(pair)) for pair_name, pair, _ in said], figure)[0]
        rows.append(
            Row(
                name=f"{name}: {title}",
                figure=whole,
                unit=unit,
                bar=bar,
                baselines={"base rate": base, LENGTH: by_length},
                note=left_out_note(said[0][1]),
                details={"pairs": each} if len(each) > 1 else {},
            )
        )
    return rows


def _mean(trial: Trial, said: Said, figure: Callable[..., float]) -> tuple[Interval | None, dict[str, float]]:
    """Mean of a figure over the pairs, the same questions drawn for all of them, and the figure of each."""
    values, resampled, rows = {}, [], 0
    for name, pair, suffices in said:
        kept = pair.questions.unseen
        judged, probability = pair.only(kept), np.clip(suffices[kept], 0.0, 1.0)
        came = sufficed(judged)
        values[name] = round(figure(probability, came), 6)
        weights = trial.weights(len(judged), judged.questions.groups)
        resampled.append([figure(probability, came, weights=counts) for counts in weights])
        rows = len(judged)
    return percentiles(float(np.mean(list(values.values()))), np.mean(resampled, axis=0), rows), values


def _base_rate(pair: Pair) -> Floats:
    return np.full(len(pair), float(sufficed(pair)[pair.questions.unseen].mean()))


def _of_length(pair: Pair) -> Floats:
    """Probability by length alone: a straight line of its rank, fitted on the very rows, hence a kind baseline."""
    rank = pair.lengths.argsort(kind="stable").argsort(kind="stable") / max(1, len(pair) - 1)
    slope, start = np.polyfit(rank, sufficed(pair), 1)
    found: Floats = np.clip(start + slope * rank, 0.0, 1.0)
    return found
