"""Kernel ridge regression on the features of a head, solved by rows and stored by features.

A kernel says how alike two texts are: in their n-grams, more so where they are about as long; in their counts; and in
the logits of the router model. Up to `CHUNK` rows are solved at once; of more rows the mean of several such solutions
is taken, so that memory and time stay bounded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tiergraph.extras import require
from tiergraph.proposers import features
from tiergraph.proposers.heads import Scorer, tents
from tiergraph.tuning.rows import Inputs

CHUNK = 4000
FEW_ROWS = 600
"""Below it there are ten folds instead of five: a tenth less to learn from is felt there, and costs little."""

KNOTS = 6
COUNT_WAVES, LOGIT_WAVES = 128, 256
FAMILIES = 3

Floats = NDArray[np.float64]


class Mix(NamedTuple):
    """How much each kind of likeness counts.

    Attributes:
        grams: N-grams.
        lengths: N-grams of texts that are about as long.
        counts, logits: Waves of these.
    """

    grams: float
    lengths: float
    counts: float
    logits: float


MIXES = {
    "text": Mix(1.0, 1.0, 0.5, 0.0),
    "text and logits": Mix(1.0, 1.0, 0.5, 0.5),
    "logits": Mix(0.3, 0.3, 0.5, 1.5),
}
ALPHAS = (1.5, 4.0, 10.0, 25.0, 70.0)


class Config(NamedTuple):
    """One way to fit. ``mix`` names one of `MIXES`; ``alpha``: penalty, > 0, in units of the kernel."""

    mix: str
    alpha: float


@dataclass(frozen=True, kw_only=True)
class Basis:
    """The inputs of a `Scorer`, fixed before anything is learned from outcomes."""

    knots: NDArray[np.float32]
    mean: NDArray[np.float32]
    scale: NDArray[np.float32]
    frequencies: NDArray[np.float32]
    phases: NDArray[np.float32]

    @classmethod
    def of(cls, inputs: Inputs, *, seed: int = 0) -> Basis:
        """From n rows: where lengths lie, what is usual, and waves about as long as rows are apart."""
        rng = np.random.default_rng(seed)
        dense = inputs.dense
        mean, scale = dense.mean(axis=0), dense.std(axis=0)
        scale = np.where(scale > 1e-6, scale, 1).astype(np.float32)
        scaled = (dense - mean) / scale
        low, high = np.quantile(dense[:, 0], (0.02, 0.98))
        knots = np.linspace(low, high, KNOTS) if high - low > 1e-3 else np.zeros(0)
        counts, logits = len(features.DENSE), dense.shape[1] - len(features.DENSE)
        width = COUNT_WAVES + (LOGIT_WAVES if logits else 0)
        frequencies = np.zeros((dense.shape[1], width))
        blocks = [(slice(0, counts), slice(0, COUNT_WAVES))]
        blocks += [(slice(counts, None), slice(COUNT_WAVES, None))] if logits else []
        for rows, columns in blocks:
            part = frequencies[rows, columns]
            frequencies[rows, columns] = rng.normal(size=part.shape) / _distance(scaled[:, rows], rng)
        return cls(
            knots=knots.astype(np.float32),
            mean=mean.astype(np.float32),
            scale=scale,
            frequencies=frequencies.astype(np.float32),
            phases=rng.uniform(0, 2 * np.pi, width).astype(np.float32),
        )

    def waves(self, dense: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n, w)."""
        found: NDArray[np.float32] = np.cos((dense - self.mean) / self.scale @ self.frequencies + self.phases)
        return found

    def strengths(self, mix: Mix) -> NDArray[np.float32]:
        """Of each wave in the kernel, (w,)."""
        of = np.full(len(self.phases), 2 * mix.counts / COUNT_WAVES, np.float32)
        of[COUNT_WAVES:] = 2 * mix.logits / LOGIT_WAVES
        return of


def _distance(rows: NDArray[np.float32], rng: np.random.Generator) -> float:
    """Median distance of two rows over the root of 2, at least a little."""
    a, b = (rows[rng.integers(0, len(rows), 2000)] for _ in range(2))
    return max(float(np.sqrt(np.median(((a - b) ** 2).sum(axis=1)) / 2)), 1e-3)


class Rows(NamedTuple):
    """What the kernel needs of some rows."""

    hashed: Any
    near: NDArray[np.float32]
    waves: NDArray[np.float32]

    def take(self, at: NDArray[Any]) -> Rows:
        return Rows(self.hashed[at], self.near[at], self.waves[at])


class Learner:
    """Fits targets on the features of n rows."""

    def __init__(self, inputs: Inputs, *, seed: int = 0, codes: NDArray[np.intp] | None = None) -> None:
        """``codes``: (n,) rows of one code are never on both sides of a fold."""
        self.basis = Basis.of(inputs, seed=seed)
        self._rows = Rows(inputs.hashed, tents(inputs.dense[:, 0], self.basis.knots), self.basis.waves(inputs.dense))
        self._logits = inputs.dense.shape[1] > len(features.DENSE)
        n = len(inputs.dense)
        rng = np.random.default_rng(seed)
        groups = np.arange(n) if codes is None else codes
        chunks = -(-n // CHUNK)
        dealt = rng.permutation(int(groups.max()) + 1)[groups]
        self._chunks = [np.flatnonzero(dealt % chunks == chunk) for chunk in range(chunks)]
        self.folds = dealt // chunks % (10 if n < FEW_ROWS else 5)

    @property
    def copying(self) -> Config:
        """How a score is copied that has no noise of its own: everything counts, and little is held back."""
        return Config("text and logits" if self._logits else "text", 0.3)

    @property
    def configs(self) -> list[Config]:
        """Every way to fit that these rows allow."""
        return [
            Config(name, alpha) for name, mix in MIXES.items() if self._logits or not mix.logits for alpha in ALPHAS
        ]

    def cross_fit(
        self,
        target: Floats,
        weights: Floats,
        *,
        configs: Sequence[Config] | None = None,
        tick: Callable[[], object] = lambda: None,
    ) -> dict[Config, Floats]:
        """What each way says of every row above the mean of the other folds, learned without its fold: (n, k) each.

        Args:
            target: (n, k), read only where its weight is above 0.
            weights: (n, k), >= 0.
            configs: The ways; all by default.
            tick: Called after every fold of every mix.
        """
        configs = self.configs if configs is None else list(configs)
        found = {config: np.zeros(target.shape) for config in configs}
        for chunk in self._chunks:
            rows, folds = self._rows.take(chunk), self.folds[chunk]
            grams, lengths = _grams(rows)
            for name in dict.fromkeys(config.mix for config in configs):
                kernel = self._kernel(rows, grams, lengths, MIXES[name])
                for fold in np.unique(folds):
                    known, held_out = folds != fold, folds == fold
                    across = kernel[np.ix_(held_out, known)]
                    inside = kernel[np.ix_(known, known)]
                    y, w = target[chunk[known]], weights[chunk[known]]
                    # above the mean of these rows: a mean that held the fold would make what is learned lean against it
                    y = y - (w * y).sum(axis=0) / np.maximum(w.sum(axis=0), 1e-9)
                    for config in configs:
                        if config.mix == name:
                            found[config][chunk[held_out]] = across @ _solve(inside, y, w, config.alpha)
                    tick()
        return found

    def fit(self, target: Floats, weights: Floats, config: Config) -> Scorer:
        """Learned from every row. ``target`` and ``weights`` as of `cross_fit`."""
        scorer = self.nothing(target.shape[1])
        mix = MIXES[config.mix]
        knots = len(self.basis.knots)
        for chunk in self._chunks:
            rows = self._rows.take(chunk)
            made = _solve(self._kernel(rows, *_grams(rows), mix), target[chunk], weights[chunk], config.alpha)
            made = (made / len(self._chunks)).astype(np.float32)
            parts = [mix.grams * made, *(mix.lengths * rows.near[:, knot, None] * made for knot in range(knots))]
            for place, part in enumerate(parts):
                scorer.hashed[:, place] += rows.hashed.T @ part / FAMILIES
            scorer.waves[:] += self.basis.strengths(mix)[:, None] * (rows.waves.T @ made)
        return scorer

    def nothing(self, outputs: int) -> Scorer:
        """A scorer on these inputs whose weights are all 0."""
        basis, inputs = self.basis, len(self.basis.mean)
        return Scorer(
            knots=basis.knots,
            hashed=np.zeros((features.BUCKETS, 1 + len(basis.knots), outputs), np.float32),
            mean=basis.mean,
            scale=basis.scale,
            linear=np.zeros((inputs, outputs), np.float32),
            frequencies=basis.frequencies,
            phases=basis.phases,
            waves=np.zeros((len(basis.phases), outputs), np.float32),
            bias=np.zeros(outputs, np.float32),
        )

    def _kernel(self, rows: Rows, grams: Any, lengths: Any, mix: Mix) -> NDArray[np.float32]:
        kernel: NDArray[np.float32] = grams * (mix.grams + mix.lengths * lengths)
        kernel += (rows.waves * self.basis.strengths(mix)) @ rows.waves.T
        return kernel


def _grams(rows: Rows) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    grams = np.asarray((rows.hashed @ rows.hashed.T).todense(), np.float32)
    grams /= FAMILIES
    return grams, rows.near @ rows.near.T


def _solve(kernel: NDArray[np.float32], target: Floats, weights: Floats, alpha: float) -> Floats:
    """Coefficients of the rows, (n, k); rows of weight 0 have 0. Columns with equal weights are solved together."""
    linalg = require("scipy.linalg", extra="eval")
    found = np.zeros(target.shape)
    patterns, of = np.unique(weights, axis=1, return_inverse=True)
    for number, pattern in enumerate(patterns.T):
        known = np.flatnonzero(pattern > 0)
        columns = np.flatnonzero(of.reshape(-1) == number)
        if not len(known):
            continue
        matrix = kernel if len(known) == len(kernel) else kernel[np.ix_(known, known)]
        matrix = matrix.astype(np.float32, copy=True)
        matrix[np.diag_indices(len(known))] += (alpha / pattern[known]).astype(np.float32)
        factor = linalg.cho_factor(matrix, overwrite_a=True, check_finite=False)
        right = target[np.ix_(known, columns)].astype(np.float32)
        found[np.ix_(known, columns)] = linalg.cho_solve(factor, right, check_finite=False)
    return found


def mean_square(error: ArrayLike, weights: ArrayLike) -> float:
    """Weighted mean of squares; NaN without weight."""
    e, w = np.asarray(error, float), np.asarray(weights, float)
    return float((w * e * e).sum() / w.sum()) if w.sum() else float("nan")


def codes_of(texts: Sequence[str]) -> NDArray[np.intp]:
    """The number of each text, equal ones the same: (n,)."""
    known: dict[str, int] = {}
    return np.fromiter((known.setdefault(text, len(known)) for text in texts), np.intp, count=len(texts))
