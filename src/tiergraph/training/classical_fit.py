"""One field of a classical router: which model, how it is calibrated, and its arrays. All on scikit-learn.

Candidates are compared by cross-validation over groups of near-equal texts, by their log loss at the best temperature.
Calibration is fitted on the same out-of-fold logits, so that no row is used that the model saw.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tiergraph.proposers.classifier_model import Curve, Linear, Trees
from tiergraph.training.calibration import LevelMap, fit_level, fit_temperature
from tiergraph.training.equality import softmax
from tiergraph.training.extras import require

Array = NDArray[Any]

LEAST_ROWS = 5
"""Rows, of at least two groups, that a value needs in order to be fitted."""

_PENALTIES = (2.0, 20.0)  # inverse strength of the linear models' regularisation
_BOOSTED_VALUES = 8  # every stage has a tree for each value: with 15 intents they took minutes and lost at every size
_STAGES, _PICKED = 80, 300
_COMPARED = 3000  # rows over which candidates are compared
_LEAST_WEIGHT = 0.02  # of a soft label's value
_ABSENT = -12.0  # logit of a value that a fold's rows do not have
_CURVED = 100  # rows of each value from which an isotonic curve is tried
_LEVELLED = 200  # rows from which the level map is fitted
_STRICT = 0.01  # share of the identity in an isotonic curve, so that it ranks as the model does


Kind = Literal["linear", "boosting"]

KINDS: tuple[Kind, ...] = ("linear", "boosting")
"""Model classes that are compared."""


class Candidate(NamedTuple):
    """A model class with its setting; ``penalty`` is of a linear one."""

    kind: Kind
    penalty: float = 0.0

    def __str__(self) -> str:
        return self.kind if self.kind == "boosting" else f"linear, C {self.penalty:g}"


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Rows of one field.

    Attributes:
        matrix: (n, width) sparse; the last ``dense`` columns are the counts.
        targets: Soft labels over the values, (n, values).
        folds: Number of the fold that each row is in, (n,).
        dense: How many of the columns are no n-grams.
        soft: Whether models learn all of a label, and not only its likeliest value. Calibration is to that value in
            any case: a smoothed label would make every answer look doubtful.
    """

    matrix: Any
    targets: Array
    folds: Array
    dense: int
    soft: bool
    seed: int

    def part(self, at: Array) -> Problem:
        """Some of the rows."""
        return Problem(
            matrix=self.matrix[at],
            targets=self.targets[at],
            folds=self.folds[at],
            dense=self.dense,
            soft=self.soft,
            seed=self.seed,
        )

    @property
    def truth(self) -> Array:
        """Place of the likeliest value, (n,)."""
        likeliest: Array = self.targets.argmax(axis=1)
        return likeliest

    @property
    def wanted(self) -> Array:
        """What probabilities are compared with, (n, values): 1 for the likeliest value."""
        return np.eye(self.targets.shape[1])[self.truth]


class Estimator(NamedTuple):
    """A fitted scikit-learn model and the columns that it reads; ``None`` is all of them."""

    model: Any
    picked: Array | None
    values: int

    def logits(self, matrix: Any) -> Array:
        """(n, values); of two values the first has 0."""
        if self.model is None:
            return np.zeros((matrix.shape[0], self.values))
        read = matrix if self.picked is None else matrix[:, self.picked].toarray()
        raw = self.model.decision_function(read)
        if raw.ndim == 1:
            raw = np.stack([np.zeros(len(raw)), raw], axis=1)
        whole = np.full((len(raw), self.values), _ABSENT)
        whole[:, self.model.classes_] = raw
        return whole


class Choice(NamedTuple):
    """The candidate that won and the log loss of each."""

    best: Candidate
    losses: Mapping[str, float]
    rows: int


def choose(problem: Problem, kinds: Sequence[Kind] = KINDS) -> Choice:
    """Compare the candidates of these kinds on at most a few thousand rows."""
    n, values = problem.targets.shape
    some = np.random.default_rng(problem.seed).permutation(n)[:_COMPARED]
    part = problem.part(np.sort(some))
    candidates = [Candidate("linear", penalty) for penalty in _PENALTIES] if "linear" in kinds else []
    if "boosting" in kinds and (values <= _BOOSTED_VALUES or not candidates):
        candidates.append(Candidate("boosting"))
    losses = {candidate: _loss(out_of_fold(part, candidate), part.wanted) for candidate in candidates}
    best = min(candidates, key=lambda candidate: losses[candidate])
    return Choice(best, {str(each): round(loss, 4) for each, loss in losses.items()}, len(some))


def out_of_fold(problem: Problem, candidate: Candidate) -> Array:
    """Logits of every row by a model that did not see its fold, (n, values)."""
    found = np.zeros(problem.targets.shape)
    for fold in np.unique(problem.folds):
        unseen = problem.folds == fold
        if unseen.all():
            continue
        found[unseen] = fit(problem.part(~unseen), candidate).logits(problem.matrix[unseen])
    return found


def fit(problem: Problem, candidate: Candidate) -> Estimator:
    """One model on all rows of a problem."""
    values = problem.targets.shape[1]
    rows, classes, weights = _expanded(problem)
    if len(set(classes.tolist())) < 2:
        return Estimator(None, None, values)
    if candidate.kind == "linear":
        linear = require("sklearn.linear_model")
        model = linear.LogisticRegression(C=candidate.penalty, max_iter=300, tol=1e-3)
        return Estimator(model.fit(problem.matrix[rows], classes, sample_weight=weights), None, values)
    ensemble = require("sklearn.ensemble")
    picked = _picked(problem)
    model = ensemble.GradientBoostingClassifier(
        n_estimators=_STAGES,
        learning_rate=0.15,
        max_depth=3,
        subsample=0.7,
        max_features=0.2,
        init="zero",
        random_state=problem.seed,
    )
    return Estimator(
        model.fit(problem.matrix[:, picked].toarray()[rows], classes, sample_weight=weights), picked, values
    )


def _picked(problem: Problem) -> Array:
    """The n-grams that tell the values apart best, and all counts."""
    selection = require("sklearn.feature_selection")
    grams = problem.matrix.shape[1] - problem.dense
    counts = np.arange(grams, problem.matrix.shape[1])
    if not grams:
        return counts
    scores = np.nan_to_num(selection.chi2(problem.matrix[:, :grams], problem.truth)[0])
    best = np.sort(np.argsort(-scores, kind="stable")[:_PICKED])
    return np.concatenate([best, counts])


def _expanded(problem: Problem) -> tuple[Array, Array, Array]:
    """Row, value and weight: a soft label is several rows of the same text."""
    if not problem.soft:
        return np.arange(len(problem.targets)), problem.truth, np.ones(len(problem.targets))
    rows, classes = np.nonzero(problem.targets >= _LEAST_WEIGHT)
    return rows, classes, problem.targets[rows, classes]


def best_temperature(logits: Array, wanted: Array) -> float:
    """The temperature of logits (n, values), as sure as so many rows allow: none is wrong among a few by luck too."""
    return fit_temperature(logits, _doubted(wanted))


def _doubted(wanted: Array) -> Array:
    """Targets as if one further row had been labelled evenly (Platt's)."""
    n, values = wanted.shape
    doubted: Array = (wanted * n + 1.0 / values) / (n + 1)
    return doubted


def _loss(logits: Array, wanted: Array) -> float:
    return log_loss(softmax(logits / best_temperature(logits, wanted)), wanted)


def log_loss(probabilities: Array, wanted: Array) -> float:
    """Mean cross-entropy in nats."""
    return float(-(wanted * np.log(np.clip(probabilities, 1e-6, 1.0))).sum(axis=1).mean())


def export(estimator: Estimator) -> Linear | Trees:
    """The arrays of a fitted model.

    Raises:
        ValueError: It saw one value only.
    """
    if estimator.model is None:
        raise ValueError("one value cannot be told apart from itself")
    if estimator.picked is None:
        model = estimator.model
        return Linear(weights=model.coef_.T.astype(np.float32), bias=model.intercept_.astype(np.float32))
    return _trees(estimator.model, estimator.picked)


def _trees(model: Any, picked: Array) -> Trees:
    parts: dict[str, list[Array]] = {name: [] for name in ("feature", "threshold", "left", "right", "value")}
    roots, start = [], 0
    for tree in (each.tree_ for stage in model.estimators_ for each in stage):
        leaf = tree.children_left < 0
        parts["feature"].append(np.where(leaf, 0, tree.feature))
        parts["threshold"].append(np.where(leaf, 0.0, tree.threshold))
        parts["left"].append(np.where(leaf, -1, tree.children_left + start))
        parts["right"].append(np.where(leaf, -1, tree.children_right + start))
        parts["value"].append(tree.value.reshape(-1) * model.learning_rate)
        roots.append(start)
        start += tree.node_count
    joined = {name: np.concatenate(arrays) for name, arrays in parts.items()}
    return Trees(
        picked=picked.astype(np.int32),
        feature=joined["feature"].astype(np.int32),
        threshold=joined["threshold"].astype(np.float64),
        left=joined["left"].astype(np.int32),
        right=joined["right"].astype(np.int32),
        value=joined["value"].astype(np.float32),
        roots=np.array(roots, np.int32).reshape(model.estimators_.shape),
    )


def fit_curve(logits: Array, truth: Array, folds: Array) -> tuple[Curve, Mapping[str, float]]:
    """The calibration of a two-valued field that does best on folds it was not fitted on, and the log loss of each.

    logits: of ``true`` against ``false``, (n,). truth: whether it is, (n,).
    """
    kinds = ["temperature", "sigmoid"]
    if min(truth.sum(), (~truth).sum()) >= _CURVED:
        kinds.append("isotonic")
    losses = {}
    for kind in kinds:
        judged = np.zeros(len(truth))
        for fold in np.unique(folds):
            unseen = folds == fold
            judged[unseen] = apply_curve(_curve(kind, logits[~unseen], truth[~unseen]), logits[unseen])
        losses[kind] = log_loss(np.stack([judged, 1 - judged], axis=1), np.stack([truth, ~truth], axis=1))
    best = min(kinds, key=lambda kind: losses[kind])
    return _curve(best, logits, truth), {kind: round(loss, 4) for kind, loss in losses.items()}


def apply_curve(curve: Curve, logits: Array) -> Array:
    """Probabilities of ``true``, (n,)."""
    return np.array([curve(float(logit)) for logit in logits])


def _curve(kind: str, logits: Array, truth: Array) -> Curve:
    wanted = np.stack([truth, ~truth], axis=1).astype(float)
    temperature = best_temperature(np.stack([logits, np.zeros(len(logits))], axis=1), wanted)
    plain = Curve(temperature=temperature)
    if truth.all() or not truth.any():
        return plain
    if kind == "sigmoid":
        linear = require("sklearn.linear_model")
        twice, classes = np.tile(logits, 2).reshape(-1, 1), np.repeat([True, False], len(logits))
        model = linear.LogisticRegression(C=1e4).fit(twice, classes, sample_weight=_doubted(wanted).T.reshape(-1))
        slope = float(model.coef_[0, 0])
        # a slope that does not rise would turn the model around
        return plain if slope < 1e-3 else Curve(temperature=1.0 / slope, bias=float(model.intercept_[0]))
    if kind == "isotonic":
        least = 0.5 / (len(truth) + 1)
        model = require("sklearn.isotonic").IsotonicRegression(y_min=least, y_max=1 - least, out_of_bounds="clip")
        model.fit(apply_curve(plain, logits), truth)
        x = np.unique(np.concatenate([[0.0], model.X_thresholds_, [1.0]]))
        y = (1 - _STRICT) * model.predict(x) + _STRICT * x
        return Curve(temperature=temperature, x=tuple(map(float, x)), y=tuple(map(float, y)))
    return plain


def fit_flag_threshold(probability: Array, truth: Array, false_positives: float) -> float:
    """The lowest threshold at which at most ``false_positives`` of the untrue rows are raised.

    Where that is lower than any true row needs, half the probability of the least likely true row.
    """
    untrue = np.sort(probability[~truth])[::-1]
    spare = int(false_positives * len(untrue))
    bound = float(np.nextafter(untrue[spare], 2.0)) if spare < len(untrue) else 0.0
    needed = float(probability[truth].min()) / 2 if truth.any() else 0.5
    return max(bound, needed)


def fit_levels(slots: Array, labels: Array) -> LevelMap:
    """The map from cumulative probabilities of the capability slots to how often a slot suffices.

    slots, labels: (n, slots), rows sum to 1.
    """
    if len(slots) < _LEVELLED:
        return LevelMap()
    return fit_level(slots.cumsum(axis=1)[:, :-1], labels.cumsum(axis=1)[:, :-1])


def make_folds(groups: Sequence[str], seed: int) -> Array:
    """Fold of each row: groups stay whole, folds are of near-equal size; 5 folds for few rows, else 3."""
    count = 5 if len(groups) <= 2000 else 3
    sizes: dict[str, int] = {}
    for group in groups:
        sizes[group] = sizes.get(group, 0) + 1
    names = sorted(sizes)
    order = np.random.default_rng(seed).permutation(len(names))
    filled = [0] * count
    fold_of = {}
    for name in sorted((names[i] for i in order), key=lambda name: -sizes[name]):
        fold_of[name] = filled.index(min(filled))
        filled[fold_of[name]] += sizes[name]
    return np.array([fold_of[group] for group in groups])
