"""From a vector to a place among the clusters of a router, and from there to probabilities of tiers. Pure.

The tiers of clusters are taken for the cheapest sufficient ones: what a forbidden tier would have got moves up to the
next allowed one, never down.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tiergraph.errors import ProposalInvalidError
from tiergraph.proposers.calibration import TierScores, choose, mask_tiers
from tiergraph.proposers.clusters import ClusterOverlap, Clusters, Overlap
from tiergraph.proposers.reading import Labels
from tiergraph.proposers.routes import Cluster, Route

Vectors = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a request belongs, before policy.

    Attributes:
        cluster: Name of the likeliest cluster; ``None`` where none is near enough, or two are that lead elsewhere.
        labels: Its labels, or those of ``otherwise``.
        near: Probability in [0, 1] that it is near the likeliest cluster at all.
        tiers: Probabilities of the ladder's tiers; sum 1.
        fields: Field to value to probability, for the labels.
    """

    cluster: str | None
    labels: Labels
    near: float
    tiers: TierScores
    fields: Mapping[str, Mapping[str, float]]


class Choice(NamedTuple):
    """A tier of the ladder by number, and the probabilities of all: 0 where forbidden, sum 1."""

    tier: int
    probabilities: tuple[float, ...]


class Atlas:
    """Clusters, their routes and their fit. Immutable: a change makes a new one."""

    def __init__(
        self,
        clusters: Sequence[Cluster],
        rows: Sequence[Vectors],
        *,
        otherwise: Route,
        names: Sequence[str],
        k: int,
        margin: float,
        outside: float,
    ) -> None:
        """
        Args:
            rows: The vectors of each cluster's texts.
            names: Tiers of the ladder, cheapest first.
            margin: In [0, 1): how much more probable the best route has to be than the second.
            outside: In (0, 1): share of requests that belong to no cluster.
        """
        self.clusters, self.otherwise, self._names = tuple(clusters), otherwise, tuple(names)
        self._margin, self._outside = margin, outside
        self.fitted = Clusters(rows, k=k, thresholds=[cluster.threshold for cluster in clusters])
        self._routes = tuple(dict.fromkeys((*(cluster.route for cluster in clusters), otherwise)))
        places = {route: number for number, route in enumerate(self._routes)}
        self._route_of = np.array([places[cluster.route] for cluster in clusters], np.intp)
        self._fallback = places[otherwise]

    def place(self, vector: Vectors) -> Place:
        """Where a vector of length 1 belongs.

        Raises:
            ProposalInvalidError: It has another width than the examples.
        """
        if vector.shape != (self.fitted.width,):
            raise ProposalInvalidError(
                f"The embedding model returned {vector.shape[-1]} numbers, the examples have {self.fitted.width}."
            )
        match = self.fitted.match(vector)
        votes = np.bincount(self._route_of, match.probabilities, len(self._routes))
        best = int(np.argmax(votes))
        second = max((vote for route, vote in enumerate(votes.tolist()) if route != best), default=0.0)
        inside = np.flatnonzero(self._route_of == best)
        margin = float(match.margins[inside].max())
        near = self.fitted.fit.near(margin, self._outside)
        clear = margin >= 0 and votes[best] - second >= self._margin
        likeliest = self.clusters[int(inside[np.argmax(match.probabilities[inside])])].name
        spread: NDArray[np.float64] = votes.astype(np.float64) * near
        spread[self._fallback] += 1 - near
        return Place(
            cluster=likeliest if clear else None,
            labels=self._routes[best].labels if clear else self.otherwise.labels,
            near=near,
            tiers=TierScores(self._tiers(spread)),
            fields=self._fields(spread),
        )

    def choose(self, place: Place, allowed: Sequence[bool], sufficiency: float) -> Choice:
        """The tier of a place among the allowed ones, one of which is."""
        if place.cluster is not None:
            probabilities = mask_tiers(place.tiers, allowed)
            return Choice(choose(probabilities, allowed, sufficiency), probabilities)
        return undecided(self._names.index(self.otherwise.tier), allowed, sufficiency)

    def overlap(self, worst: int = 3) -> Overlap:
        """Where the examples contradict each other; ``worst``: pairs of examples that are named for each pair."""
        pairs, loose = self.fitted.overlap(worst)
        clusters = self.clusters
        return Overlap(
            examples=len(self.fitted.vectors),
            pairs=tuple(
                ClusterOverlap(
                    first=clusters[pair.first].name,
                    second=clusters[pair.second].name,
                    share=pair.share,
                    same_route=clusters[pair.first].route == clusters[pair.second].route,
                    pairs=pair.pairs,
                )
                for pair in pairs
            ),
            unseparated=tuple((clusters[c].name, self.fitted.fit.accuracies[c]) for c in loose),
        )

    def _tiers(self, spread: NDArray[np.float64]) -> tuple[float, ...]:
        mass = dict.fromkeys(self._names, 0.0)
        for route, probability in zip(self._routes, spread.tolist(), strict=True):
            mass[route.tier] += probability
        total = sum(mass.values())
        return tuple(value / total for value in mass.values())

    def _fields(self, spread: NDArray[np.float64]) -> dict[str, dict[str, float]]:
        fields: dict[str, dict[str, float]] = {name: {} for name in Labels._fields}
        for route, probability in zip(self._routes, (spread / spread.sum()).tolist(), strict=True):
            for name, value in route.labels._asdict().items():
                said = str(value).lower() if isinstance(value, bool) else str(value)
                fields[name][said] = fields[name].get(said, 0.0) + probability
        return fields


def undecided(tier: int, allowed: Sequence[bool], sufficiency: float) -> Choice:
    """``tier``, or where it is forbidden the next allowed one above, else the highest, and probabilities that say that
    nothing is known: the odds stand at ``sufficiency`` just there, so that a chain asks the next model.
    """
    open_ = [number for number, is_open in enumerate(allowed) if is_open]
    chosen = next((number for number in open_ if number >= tier), open_[-1])
    below, above = [n for n in open_ if n < chosen], [n for n in open_ if n > chosen]
    probabilities = [0.0] * len(allowed)
    if not below:
        probabilities[chosen] = sufficiency if above else 1.0
        for number in above:
            probabilities[number] = (1 - sufficiency) / len(above)
    else:
        short = sufficiency * (1 - 1e-6)
        for number in below:
            probabilities[number] = short / len(below)
        for number in (chosen, *above):
            probabilities[number] = (1 - short) / (1 + len(above))
    return Choice(chosen, tuple(probabilities))
