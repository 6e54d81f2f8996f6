"""Clusters of example vectors: which one a vector belongs to, how surely, and where they overlap. Pure.

Vectors have length 1. The similarity of a vector to an example is the mean of two cosines: to the example and to the
centre of its cluster. The nearest examples vote; what their votes are worth, and how near is near enough, is fitted on
the examples themselves, each left out in turn.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.intp]

DEFAULT_TEMPERATURE = 0.05
DEFAULT_THRESHOLD = 0.5
DEFAULT_SPREAD = 0.05

SHRINK = 4
"""Examples that the common threshold is worth beside a cluster's own: few examples say little of their own."""

SEPARATED = 0.75
"""Balanced accuracy in [0, 1] below which a threshold separates a cluster from nothing: .5 is chance."""

DEFAULT_DOUBT = 0.1

_ROWS = 512  # of the similarities of all examples to all others, in memory at once
_TEMPERATURES = np.geomspace(0.005, 0.5, 25)
_SPREADS = np.geomspace(0.005, 0.5, 25)
_DOUBTS = (0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6)


class Cut(NamedTuple):
    """A threshold, and the share that it gets right of the own examples and of the others, half each, in [0, 1]."""

    at: float
    accuracy: float


class Match(NamedTuple):
    """Where a vector belongs.

    Attributes:
        probabilities: Of each cluster, given that it is one of them; sum 1.
        margins: Similarity of the nearest example of each cluster, less the cluster's threshold.
    """

    probabilities: NDArray[np.float64]
    margins: NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Fit:
    """What the examples say of themselves, each left out in turn.

    Attributes:
        temperature: > 0, what differences of similarity between neighbours are divided by when they vote.
        doubt: In (0, 1), the probability that is spread over all clusters alike: even neighbours of one mind can err.
        thresholds: For each cluster the similarity from which a vector is near it.
        common: Threshold over all clusters.
        spread: > 0, what the distance to a threshold is divided by for the log odds of being near.
        accuracies: Balanced accuracy of each threshold in [0, 1]; not a number for a cluster of one example.
    """

    temperature: float
    doubt: float
    thresholds: tuple[float, ...]
    common: float
    spread: float
    accuracies: tuple[float, ...]

    def near(self, margin: float, outside: float) -> float:
        """Probability in [0, 1] that a vector belongs to the cluster that it is this far inside, < 0 outside.

        ``outside``: in (0, 1), the share of all requests that belong to no cluster.
        """
        odds = margin / self.spread + math.log((1 - outside) / outside)
        return 1 / (1 + math.exp(-max(-60.0, min(60.0, odds))))


class Clusters:
    """Example vectors in clusters, fitted. Immutable; safe to use from several threads."""

    def __init__(self, members: Sequence[Floats], *, k: int, thresholds: Sequence[float | None] = ()) -> None:
        """
        Args:
            members: For each cluster its example vectors, one row each, at least one; all of one width.
            k: Neighbours that vote, >= 1.
            thresholds: Of each cluster, or ``None`` to fit it.
        """
        self.sizes = np.array([len(rows) for rows in members], np.intp)
        self.vectors: Floats = np.concatenate(list(members)).astype(np.float32)
        self.owner: Ints = np.repeat(np.arange(len(members)), self.sizes)
        self.starts: Ints = np.concatenate([[0], np.cumsum(self.sizes)[:-1]]).astype(np.intp)
        self._sums: Floats = np.add.reduceat(self.vectors, self.starts, axis=0)
        self._centres = _unit(self._sums)
        self.k = min(k, len(self.vectors))
        self.fit = self._fit(list(thresholds) or [None] * len(members))

    @property
    def width(self) -> int:
        """Numbers in a vector."""
        return int(self.vectors.shape[1])

    def match(self, vector: Floats) -> Match:
        """Where a vector of length 1 belongs."""
        similarities = (self.vectors @ vector + (self._centres @ vector)[self.owner]) / 2
        nearest = np.argpartition(-similarities, self.k - 1)[: self.k]
        votes = self._votes(similarities[nearest][None], self.owner[nearest][None])[0]
        closest = np.maximum.reduceat(similarities, self.starts).astype(np.float64)
        return Match(votes, closest - np.array(self.fit.thresholds))

    def overlap(self, worst: int = 3) -> tuple[tuple[Crossing, ...], tuple[int, ...]]:
        """Pairs of clusters that reach into each other, most first, and the clusters that no threshold separates.

        ``worst``: pairs of examples that are named for each pair of clusters.
        """
        nearest = np.concatenate([np.argmax(block, axis=1) for _, block in self._left_out(centres=False)])
        crossing: dict[tuple[int, int], list[int]] = {}
        for example, other in enumerate(nearest.tolist()):
            a, b = int(self.owner[example]), int(self.owner[other])
            if a != b:
                crossing.setdefault((min(a, b), max(a, b)), []).append(example)
        found = [self._crossing(a, b, examples, nearest, worst) for (a, b), examples in crossing.items()]
        found.sort(key=lambda each: (-each.share, each.first, each.second))
        loose = tuple(c for c, accuracy in enumerate(self.fit.accuracies) if accuracy < SEPARATED)
        return tuple(found), loose

    def _crossing(self, a: int, b: int, examples: list[int], nearest: Ints, worst: int) -> Crossing:
        near = [(float(self.vectors[i] @ self.vectors[nearest[i]]), i, int(nearest[i])) for i in examples]
        pairs: dict[tuple[int, int], float] = {}
        for similarity, i, j in near:
            here, there = (i, j) if self.owner[i] == a else (j, i)
            pairs[here - int(self.starts[a]), there - int(self.starts[b])] = similarity
        ranked = sorted(pairs.items(), key=lambda item: (-item[1], item[0]))[:worst]
        return Crossing(
            first=a,
            second=b,
            share=len(examples) / int(self.sizes[a] + self.sizes[b]),
            pairs=tuple((i, j, round(similarity, 4)) for (i, j), similarity in ranked),
        )

    def _left_out(self, *, centres: bool = True) -> Iterator[tuple[slice, Floats]]:
        """Similarities of examples to all others, some rows at a time; to itself, and to a cluster of its own: -inf."""
        for start in range(0, len(self.vectors), _ROWS):
            rows = slice(start, min(start + _ROWS, len(self.vectors)))
            own, block = self.owner[rows], self.vectors[rows] @ self.vectors.T
            if centres:
                middle = self.vectors[rows] @ self._centres.T
                without = _unit(self._sums[own] - self.vectors[rows])
                middle[np.arange(len(own)), own] = np.einsum("ij,ij->i", without, self.vectors[rows])
                block = (block + middle[:, self.owner]) / 2
            block[np.arange(len(own)), np.arange(rows.start, rows.stop)] = -np.inf
            yield rows, block

    def _votes(self, similarities: NDArray[Any], owners: Ints) -> NDArray[np.float64]:
        """Probability of each cluster, one row for each row of neighbours."""
        weights = _weights(similarities, self.fit.temperature)
        count = len(self.sizes)
        places = (np.arange(len(owners))[:, None] * count + owners).ravel()
        votes = np.bincount(places, weights.ravel(), len(owners) * count).reshape(-1, count)
        return np.asarray((1 - self.fit.doubt) * votes + self.fit.doubt / count)

    def _fit(self, given: Sequence[float | None]) -> Fit:
        count = len(self.sizes)
        if len(self.vectors) < 2:
            own = tuple(DEFAULT_THRESHOLD if value is None else value for value in given)
            return Fit(
                temperature=DEFAULT_TEMPERATURE,
                doubt=DEFAULT_DOUBT,
                thresholds=own,
                common=DEFAULT_THRESHOLD,
                spread=DEFAULT_SPREAD,
                accuracies=(math.nan,) * count,
            )
        similarities, owners, closest = self._neighbours()
        shared = self.sizes[self.owner] > 1
        thresholds, common, accuracies = self._thresholds(closest, shared, given)
        temperature, doubt = self._calibrate(similarities, owners, shared)
        return Fit(
            temperature=temperature,
            doubt=doubt,
            thresholds=thresholds,
            common=common,
            spread=self._spread(closest - np.array(thresholds), shared),
            accuracies=accuracies,
        )

    def _neighbours(self) -> tuple[Floats, Ints, NDArray[np.float64]]:
        """For each example: its nearest others, their clusters, and the similarity to the nearest of every cluster."""
        k = min(self.k, len(self.vectors) - 1)
        similarities, owners, closest = [], [], []
        for _, block in self._left_out():
            nearest = np.argpartition(-block, k - 1, axis=1)[:, :k]
            similarities.append(np.take_along_axis(block, nearest, axis=1))
            owners.append(self.owner[nearest])
            closest.append(np.maximum.reduceat(block, self.starts, axis=1).astype(np.float64))
        return np.concatenate(similarities), np.concatenate(owners), np.concatenate(closest)

    def _calibrate(self, similarities: Floats, owners: Ints, shared: NDArray[np.bool_]) -> tuple[float, float]:
        """Temperature and doubt of least log loss over the examples that are not alone in their cluster.

        One further example counts as outvoted, and a temperature far from the usual one costs as much as one: a handful
        of examples that agree must not pass for certainty.
        """
        if len(self.sizes) < 2 or not shared.any():
            return DEFAULT_TEMPERATURE, DEFAULT_DOUBT
        agree = owners[shared] == self.owner[shared][:, None]
        count, best = len(self.sizes), (math.inf, DEFAULT_TEMPERATURE, DEFAULT_DOUBT)
        for temperature in _TEMPERATURES.tolist():
            votes = (_weights(similarities[shared], temperature) * agree).sum(axis=1)
            for doubt in _DOUBTS:
                loss = -float(np.log((1 - doubt) * votes + doubt / count).sum()) - math.log(doubt / count)
                best = min(best, (loss + math.log(temperature / DEFAULT_TEMPERATURE) ** 2, temperature, doubt))
        return best[1], best[2]

    def _thresholds(
        self, closest: NDArray[np.float64], shared: NDArray[np.bool_], given: Sequence[float | None]
    ) -> tuple[tuple[float, ...], float, tuple[float, ...]]:
        own = closest[np.arange(len(closest)), self.owner]
        foreign = np.where(np.arange(len(self.sizes)) == self.owner[:, None], -np.inf, closest)
        common = best_cut(own[shared], foreign.max(axis=1) if len(self.sizes) > 1 else own[:0]).at
        thresholds, accuracies = [], []
        for cluster, (size, stated) in enumerate(zip(self.sizes.tolist(), given, strict=True)):
            inside = self.owner == cluster
            mine, others = own[inside], closest[~inside, cluster]
            if stated is None:
                stated = common
                if size > 1:
                    stated = (size * best_cut(mine, others).at + SHRINK * common) / (size + SHRINK)
            thresholds.append(float(stated))
            accuracies.append(accuracy_at(stated, mine, others) if size > 1 and len(others) else math.nan)
        return tuple(thresholds), common, tuple(accuracies)

    def _spread(self, margins: NDArray[np.float64], shared: NDArray[np.bool_]) -> float:
        """How sharply near parts from far: examples beside their own cluster, and as if theirs did not exist.

        As in Platt's scaling the targets are a little short of certain, the more so the fewer examples there are.
        """
        if len(self.sizes) < 2 or not shared.any():
            return DEFAULT_SPREAD
        rows = np.arange(len(margins))
        near = margins[rows, self.owner][shared]
        far = np.where(np.arange(len(self.sizes)) == self.owner[:, None], -np.inf, margins).max(axis=1)

        def loss(spread: float) -> float:
            return _log_loss(near / spread) + _log_loss(-far / spread)

        return float(min(_SPREADS, key=loss))


@dataclass(frozen=True, kw_only=True)
class Crossing:
    """Two clusters that reach into each other.

    Attributes:
        first, second: Their numbers, the lower first.
        share: In (0, 1], the share of both clusters' examples whose nearest other example lies in the other one.
        pairs: The most similar ones: position in the first, position in the second, cosine.
    """

    first: int
    second: int
    share: float
    pairs: tuple[tuple[int, int, float], ...]


@dataclass(frozen=True, kw_only=True)
class ClusterOverlap:
    """One pair of `Overlap`, by name. ``same_route``: both lead to the same tier and labels, so that it is harmless."""

    first: str
    second: str
    share: float
    same_route: bool
    pairs: tuple[tuple[int, int, float], ...]


@dataclass(frozen=True, kw_only=True)
class Overlap:
    """Where the examples contradict each other. Holds positions, never a text.

    Attributes:
        examples: Number of examples.
        pairs: Clusters that reach into each other, most first.
        unseparated: Names of clusters that no threshold separates from the others, with the balanced accuracy in
            [0, 1] of the best one.
    """

    examples: int
    pairs: tuple[ClusterOverlap, ...]
    unseparated: tuple[tuple[str, float], ...]

    def as_json(self) -> dict[str, Any]:
        """JSON-like, positions counted from 0."""
        return {
            "examples": self.examples,
            "pairs": [
                {
                    "clusters": [pair.first, pair.second],
                    "share": round(pair.share, 4),
                    "same_route": pair.same_route,
                    "worst": [{"positions": [i, j], "similarity": cosine} for i, j, cosine in pair.pairs],
                }
                for pair in self.pairs
            ],
            "unseparated": [{"cluster": name, "accuracy": round(value, 4)} for name, value in self.unseparated],
        }


def best_cut(own: NDArray[np.float64], others: NDArray[np.float64]) -> Cut:
    """The threshold that best parts the two; of equally good ones that in the widest gap.

    The lowest own one where there are no others, and `DEFAULT_THRESHOLD` where there is nothing of its own.
    """
    own, others = np.sort(own[np.isfinite(own)]), np.sort(others[np.isfinite(others)])
    if not len(own):
        return Cut(DEFAULT_THRESHOLD, math.nan)
    if not len(others):
        return Cut(float(own[0]), math.nan)
    values = np.unique(np.concatenate([own, others]))
    if len(values) == 1:
        return Cut(float(values[0]), 0.5)
    middles = (values[1:] + values[:-1]) / 2
    right = (1 - np.searchsorted(own, middles) / len(own) + np.searchsorted(others, middles) / len(others)) / 2
    gaps = np.where(right >= right.max() - 1e-12, np.diff(values), -1.0)
    best = int(np.argmax(gaps))
    return Cut(float(middles[best]), float(right[best]))


def accuracy_at(cut: float, own: NDArray[np.float64], others: NDArray[np.float64]) -> float:
    """Share of own at or above the cut and of others below it, half each, in [0, 1]."""
    return float((np.mean(own >= cut) + np.mean(others < cut)) / 2)


def _log_loss(odds: NDArray[np.float64]) -> float:
    """Mean log loss of log odds whose outcomes were all true, but for one in ``len(odds) + 2``."""
    short = 1 / (len(odds) + 2)
    return float(((1 - short) * np.logaddexp(0, -odds) + short * np.logaddexp(0, odds)).mean())


def _weights(similarities: NDArray[Any], temperature: float) -> NDArray[np.float64]:
    top = similarities.max(axis=1, keepdims=True)
    weights = np.exp((similarities - top).astype(np.float64) / temperature)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def _unit(rows: Floats) -> Floats:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(lengths, 1e-9), np.float32)
