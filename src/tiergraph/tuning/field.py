"""Fits a field head: a user's own labels, such as intents, from labelled texts.

One linear machine per label, judged on rows that it never saw; from the same rows come the temperature that makes
probabilities of its scores, and the threshold below which a text belongs to none of the labels.

Failure rule: labels that cannot be learned (one label, fewer than `MIN_PER_VALUE` texts of one) are an `InputError`.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tiergraph.errors import InputError
from tiergraph.extras import require
from tiergraph.proposers import features
from tiergraph.proposers.heads import FieldHead, Scorer, field_probabilities
from tiergraph.tuning.ridge import codes_of
from tiergraph.tuning.rows import Inputs, logit_matrix, names_of, read_inputs

MIN_PER_VALUE = 3
"""Texts of each label: one for each fold."""

FOLDS = 3
PENALTIES = (0.1, 0.5, 2.0)
"""Inverse strengths of the penalty that are tried where there are at most `MANY_ROWS`."""

MANY_ROWS = 4000
MANY_PENALTY = 2.0
"""With many rows the strength hardly matters, and trying it would take most of the time."""

LOGIT_WEIGHT = 2.0
"""Length of the logits' part of a text beside 1 of each family of n-grams."""

DENSE_WEIGHT = 0.5

OUTSIDE_WORTH = 0.15
"""What finding one more of a hundred texts from outside is worth, in points of accuracy on the rest."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class FieldFit:
    """A head and what it is worth.

    Attributes:
        head: Learned from all rows.
        cross_fitted: Probabilities, (n, values), learned without the row's fold.
        chosen: Accuracy of every penalty in cross-validation; with ``outside`` also what its threshold finds.
    """

    head: FieldHead
    cross_fitted: Floats
    chosen: Mapping[str, Any]


class _Machine(NamedTuple):
    """Weights (features, values) and bias (values,)."""

    weights: NDArray[np.float32]
    bias: NDArray[np.float32]


def fit_field(
    texts: Sequence[str],
    logits: ArrayLike,
    labels: Sequence[str],
    *,
    field: str,
    outside: str | None = None,
    seed: int = 0,
    model_sha256: str = "",
    logit_names: Sequence[str] = (),
    data: Mapping[str, Any] | None = None,
    created: str = "",
    tick: Callable[[], object] = lambda: None,
) -> FieldFit:
    """Learn a field.

    Args:
        texts: The requests as the router reads them, (n,).
        logits: (n, m) of the router model, m may be 0.
        labels: (n,) the value of each.
        field: Name of the field.
        outside: The value that means "none of these"; it may have no row at all, then any text is inside.
        seed, model_sha256, logit_names, data, created: As of `fit_ladder`.
        tick: Called after every fit.

    Raises:
        InputError: Too few labels, too few texts of one, or shapes that do not fit.
    """
    values = _values(labels, len(texts), outside)
    matrix = logit_matrix(logits, len(texts))
    inputs = read_inputs(texts, matrix)
    mean, scale = _scaling(inputs)
    rows = _rows(inputs, mean, scale)
    truth = np.array([values.index(label) for label in labels])
    folds = _folds(truth, codes_of(texts), seed)
    tried: dict[float, Floats] = {}
    for penalty in PENALTIES if len(truth) <= MANY_ROWS else (MANY_PENALTY,):
        scores = np.zeros((len(truth), len(values)))
        for fold in range(FOLDS):
            known = folds != fold
            machine = _fit(rows[known], truth[known], len(values), penalty, seed)
            scores[~known] = rows[~known] @ machine.weights + machine.bias
            tick()
        tried[penalty] = scores
    right = {penalty: float((scores.argmax(axis=1) == truth).mean()) for penalty, scores in tried.items()}
    best = max(right, key=right.__getitem__)
    temperature = _temperature(tried[best], truth)
    place = values.index(outside) if outside in labels and outside is not None else None
    threshold = _threshold(tried[best] / temperature, truth, place)
    machine = _fit(rows, truth, len(values), best, seed)
    tick()
    head = FieldHead(
        field=field,
        values=values,
        scorer=_scorer(machine, mean, scale).rounded(),
        temperature=temperature,
        outside=outside if place is not None else None,
        outside_threshold=threshold,
        model_sha256=model_sha256,
        logit_names=names_of(logit_names, matrix),
        data=dict(data or {}),
        created=created,
    )
    fitted = np.stack([field_probabilities(row / temperature, place, threshold) for row in tried[best]])
    return FieldFit(head=head, cross_fitted=fitted, chosen=_chosen(right, best, fitted, truth, place))


def _values(labels: Sequence[str], n: int, outside: str | None) -> tuple[str, ...]:
    if len(labels) != n:
        raise InputError(f"{len(labels)} labels for {n} texts. Fix: give one for each.", code="bad_labels")
    counts = Counter(labels)
    if len(set(counts) - {outside}) < 2:
        raise InputError("Fewer than two labels. Fix: give texts of at least two.", code="too_few_labels")
    rare = min(counts, key=lambda value: (counts[value], value))
    if counts[rare] < MIN_PER_VALUE:
        raise InputError(
            f"{counts[rare]} texts have the label {rare!r}; at least {MIN_PER_VALUE} are needed. "
            "Fix: label more of them, or leave the label out.",
            code="too_few_rows",
        )
    return tuple(sorted(counts))


def _scaling(inputs: Inputs) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean and scale of the dense inputs: counts have length `DENSE_WEIGHT` together, logits `LOGIT_WEIGHT`."""
    counts = len(features.DENSE)
    mean, scale = inputs.dense.mean(axis=0), inputs.dense.std(axis=0)
    scale[scale <= 1e-6] = 1
    scale[:counts] *= np.sqrt(counts) / DENSE_WEIGHT
    # one scale for all logits: where the model separates texts widely, that is worth keeping
    if len(scale) > counts:
        spread = np.sqrt(((inputs.dense[:, counts:] - mean[counts:]) ** 2).sum(axis=1).mean())
        scale[counts:] = max(float(spread), 1e-6) / LOGIT_WEIGHT
    return mean.astype(np.float32), scale.astype(np.float32)


def _rows(inputs: Inputs, mean: NDArray[np.float32], scale: NDArray[np.float32]) -> Any:
    sparse = require("scipy.sparse", extra="eval")
    return sparse.hstack([inputs.hashed, sparse.csr_matrix((inputs.dense - mean) / scale)], format="csr")


def _folds(truth: NDArray[np.intp], codes: NDArray[np.intp], seed: int) -> NDArray[np.intp]:
    """Labels are dealt evenly; equal texts stay together."""
    order = np.random.default_rng(seed).permutation(len(truth))
    folds = np.zeros(len(truth), np.intp)
    for value in np.unique(truth):
        rows = order[truth[order] == value]
        folds[rows] = np.arange(len(rows)) % FOLDS
    first = np.unique(codes, return_index=True)[1]
    return folds[first[codes]]


def _fit(rows: Any, truth: NDArray[np.intp], values: int, penalty: float, seed: int) -> _Machine:
    svm = require("sklearn.svm", extra="eval")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a machine that did not settle is judged by what it says, like any
        machine = svm.LinearSVC(C=penalty, tol=1e-3, max_iter=200, random_state=seed).fit(rows, truth)
    weights = np.zeros((rows.shape[1], values), np.float32)
    bias = np.full(values, -1.0, np.float32)  # of a value that these rows lack: as far off as one can be
    coefficients, offsets = machine.coef_, machine.intercept_
    if len(machine.classes_) == 2:
        coefficients, offsets = np.vstack([-coefficients, coefficients]), np.concatenate([-offsets, offsets])
    weights[:, machine.classes_] = coefficients.T
    bias[machine.classes_] = offsets
    return _Machine(weights, bias)


def _temperature(scores: Floats, truth: NDArray[np.intp]) -> float:
    """The one with the least cross-entropy."""
    grid = np.geomspace(0.02, 2.0, 60)
    rows = np.arange(len(truth))
    losses = []
    for temperature in grid:
        scaled = scores / temperature
        top = scaled.max(axis=1)
        losses.append(float((np.log(np.exp(scaled - top[:, None]).sum(axis=1)) + top - scaled[rows, truth]).mean()))
    return round(float(grid[int(np.argmin(losses))]), 4)


def _threshold(scores: Floats, truth: NDArray[np.intp], outside: int | None) -> float:
    """Probability that an inside value needs, in [0, 1]; 0 where there is no outside."""
    if outside is None:
        return 0.0
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    probability = weights / weights.sum(axis=1, keepdims=True)
    inside = np.delete(probability, outside, axis=1)
    labels = np.delete(np.arange(scores.shape[1]), outside)
    highest, right = inside.max(axis=1), labels[inside.argmax(axis=1)] == truth
    is_outside = truth == outside
    grid = np.linspace(0.01, 0.99, 99)
    worth = [
        float((right & (highest >= t))[~is_outside].mean() + OUTSIDE_WORTH * (highest < t)[is_outside].mean())
        for t in grid
    ]
    return round(float(grid[int(np.argmax(worth))]), 4)


def _scorer(machine: _Machine, mean: NDArray[np.float32], scale: NDArray[np.float32]) -> Scorer:
    inputs, values = len(mean), len(machine.bias)
    return Scorer(
        knots=np.zeros(0, np.float32),
        hashed=machine.weights[: features.BUCKETS, None, :],
        mean=mean,
        scale=scale,
        linear=machine.weights[features.BUCKETS :],
        frequencies=np.zeros((inputs, 0), np.float32),
        phases=np.zeros(0, np.float32),
        waves=np.zeros((0, values), np.float32),
        bias=machine.bias,
    )


def _chosen(
    right: Mapping[float, float], best: float, fitted: Floats, truth: NDArray[np.intp], outside: int | None
) -> dict[str, Any]:
    said = fitted.argmax(axis=1)
    found: dict[str, Any] = {
        "penalty": best,
        "accuracy_by_penalty": {f"{penalty:g}": round(share, 4) for penalty, share in right.items()},
        "rows": len(truth),
    }
    inside = truth != outside if outside is not None else np.ones(len(truth), bool)
    found["accuracy"] = round(float((said == truth)[inside].mean()), 4)
    if outside is not None:
        found["outside_recall"] = round(float((said == truth)[~inside].mean()), 4)
    return found
