"""How well a finding tells what it looks for from what it does not, beside scores that know less.

A baseline has no threshold of its own: for a recall it is given the one at which it fires as often on the negatives as
the router does, for false positives the one at which it finds as many of the positives.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tiergraph.evaluation.baselines import length_score, random_score, tfidf_labels
from tiergraph.evaluation.cases import Case
from tiergraph.evaluation.intervals import Floats, Interval, mean_interval
from tiergraph.evaluation.observations import Observation
from tiergraph.evaluation.router_gains import LENGTH, ORACLE, RANDOM, TFIDF
from tiergraph.evaluation.router_rows import Bar, Row
from tiergraph.evaluation.router_trial import Trial

Mask = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Detection:
    """n cases, what is there and what was found.

    Attributes:
        cases: With the stratum ``source``.
        truth: Whether it is there, (n,).
        found: Whether the router found it, (n,).
        scores: Baseline to its score, (n,), higher where it is likelier there.
    """

    cases: Sequence[Case]
    truth: Mask
    found: Mask
    scores: Mapping[str, Floats] = field(default_factory=dict)

    def recall(self, trial: Trial, name: str, bar: Bar, where: Mask, note: str = "") -> Row:
        """Share of the positives of ``where`` in which it was found."""
        return self._row(trial, name, bar, where & self.truth, ~self.truth, 1.0, note)

    def false_positives(self, trial: Trial, name: str, bar: Bar, where: Mask, note: str = "") -> Row:
        """Share of the negatives of ``where`` in which it was found."""
        return self._row(trial, name, bar, where & ~self.truth, self.truth, 0.0, note)

    def source(self, *names: str) -> Mask:
        """Cases of some sources, (n,)."""
        return np.array([case.strata.get("source") in names for case in self.cases], dtype=bool)

    def _row(self, trial: Trial, name: str, bar: Bar, judged: Mask, other: Mask, best: float, note: str) -> Row:
        groups = [case.group for case, kept in zip(self.cases, judged, strict=True) if kept]

        def share(raised: Mask) -> Interval | None:
            return mean_interval(raised[judged], groups, count=trial.count, seed=trial.seed)

        rate = float(self.found[other].mean()) if other.any() else float("nan")
        compared = {name: share(column >= threshold(column[other], rate)) for name, column in self.scores.items()}
        compared[ORACLE] = share(np.full(len(self.cases), best == 1.0))
        return Row(name=name, figure=share(self.found), unit="share", bar=bar, baselines=compared, note=note)


def detection(trial: Trial, cases: Sequence[Case], seen: Sequence[Observation], kind: str) -> Detection:
    """A kind of finding over cases that state whether it is there."""
    truth = np.array([case.expect.findings[kind] for case in cases], dtype=bool)
    found = np.array([kind in each.findings for each in seen], dtype=bool)
    texts = [case.text for case in cases]
    predicted = tfidf_labels(texts, truth.tolist(), [case.group for case in cases], trial.seed)
    there = predicted.classes.index(True) if True in predicted.classes else 0
    scores = {
        RANDOM: random_score(len(cases), trial.seed),
        LENGTH: length_score([len(text) for text in texts]),
        TFIDF: predicted.probability[:, there],
    }
    return Detection(cases=cases, truth=truth, found=found, scores=scores)


def threshold(scores: Floats, rate: float) -> float:
    """The score from which the share ``rate`` of ``scores`` is raised; infinite where that is none of them."""
    ordered = np.sort(scores)[::-1]
    count = 0 if np.isnan(rate) else round(rate * len(ordered))
    return float(ordered[count - 1]) if count else float("inf")
