"""``tiergraph train --kind classifier``: labelled rows to a classical router, stored without pickle.

For each field that the rows label a linear model or boosted trees, whichever cross-validates better, on hashed n-grams
and a few counts. A field that too few rows label is left out, and the manifest says why.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tiergraph.errors import InputError, ModelError
from tiergraph.proposal import FIELDS as PROPOSED
from tiergraph.proposal import INTENTS
from tiergraph.proposers import classifier_model, features
from tiergraph.proposers.classifier_model import ClassifierModel, Linear, Trees, Vocabulary
from tiergraph.proposers.reading import FLAG_VALUES
from tiergraph.training import classical_fit as fitting
from tiergraph.training import data
from tiergraph.training.calibration import expected_calibration_error
from tiergraph.training.classical_fit import Problem
from tiergraph.training.equality import softmax
from tiergraph.training.extras import require
from tiergraph.training.fields import FIELDS, TIER_SLOTS
from tiergraph.training.labels import Row
from tiergraph.training.report import auc

FALSE_POSITIVES = 0.05
"""Share of rows without a flag that may raise it."""

LEAST = 20
"""Rows to fit on, at least."""

FLAG_ROWS, FLAG_RECALL = 100, 0.9
"""Rows of each value and cross-fitted recall, of both flags, from which the embedded model is not asked for them."""

EQUAL_WITHIN = 0.02
"""Greatest difference of a probability between scikit-learn and the written arrays that is put down to rounding."""

_COLUMNS = 30_000  # n-grams at most
_COMPARED = 300  # texts run through the written arrays

Array = NDArray[Any]


class Fitted(NamedTuple):
    """One field."""

    model: Linear | Trees
    estimator: fitting.Estimator
    values: tuple[str, ...]
    calibration: dict[str, Any]
    level: dict[str, Any] | None
    entry: dict[str, Any]


def train_classifier(
    rows: Path,
    out: Path,
    *,
    seed: int = 0,
    false_positives: float = FALSE_POSITIVES,
    licence: str = "not stated",
    kinds: Sequence[fitting.Kind] = fitting.KINDS,
    command: str = "tiergraph train --kind classifier",
    quiet: bool = False,
) -> dict[str, Any]:
    """Fit a classical router and write ``classifier.npz`` and ``classifier.json`` into ``out``.

    Args:
        rows: A user's own rows, JSON lines (see ``tiergraph.training.data.read_rows``); intents may be any closed set.
        out: Folder for the result, made if absent.
        seed: Of folds, trees and samples.
        false_positives: In (0, 1): the share of rows without a flag that may raise it.
        licence: Of the rows, as the user states it; goes into the manifest, as does ``command``.
        kinds: Model classes to compare; without ``boosting`` it takes a tenth of the time.
        quiet: No progress on stderr.

    Returns:
        The manifest.

    Raises:
        MissingExtraError: scikit-learn is not installed.
        InputError: Too few rows, or none whose labels differ; ``RowError`` for a bad line.
        ModelError: The written arrays do not say what scikit-learn says.
    """
    for package in ("sklearn", "scipy"):
        require(package)
    if not 0 < false_positives < 1:
        raise InputError(f"false_positives must be in (0, 1), got {false_positives!r}", code="bad_false_positives")
    say = _Say(quiet)
    say("reading rows")
    closed = {**{name: FIELDS[name] for name in PROPOSED}, "intent": own_intents(rows)}
    allowed = {**FIELDS, "intent": closed["intent"]}
    parts = data.split(list(data.read_rows(rows, allowed)))
    fit_rows, unseen = [*parts["train"], *parts["calibration"]], parts["held_out"]
    if len(fit_rows) < LEAST:
        raise InputError(f"{len(fit_rows)} rows are too few to fit on. Fix: label {LEAST} at least.", code="too_few")
    say(f"reading {len(fit_rows)} texts")
    vocabulary = make_vocabulary([row.text for row in fit_rows])
    matrix = to_matrix(vocabulary, [row.text for row in fit_rows])
    folds = fitting.make_folds(data.groups(fit_rows), seed)
    fields: dict[str, Fitted] = {}
    left_out: dict[str, str] = {}
    with require("threadpoolctl").threadpool_limits(1):  # sparse products do not share; waiting threads cost tenfold
        for name, values in closed.items():
            say(name)
            found = _fit_field(name, values, fit_rows, matrix, folds, seed, false_positives, kinds)
            if isinstance(found, Fitted):
                fields[name] = found
            else:
                left_out[name] = found
    if not fields:
        raise InputError(f"No field can be fitted: {left_out}.", code="no_labels")
    packed = classifier_model.pack(vocabulary, {name: each.model for name, each in fields.items()})
    calibration: dict[str, Any] = {name: each.calibration for name, each in fields.items()}
    if "tier" in fields:
        calibration["level"] = fields["tier"].level
    manifest: dict[str, Any] = {
        "format": classifier_model.FORMAT,
        "version": classifier_model.VERSION,
        "created": datetime.now(UTC).date().isoformat(),
        "arrays_sha256": hashlib.sha256(packed).hexdigest(),
        "features": {"version": features.VERSION, "buckets": features.BUCKETS, "dense": list(features.DENSE)},
        "columns": len(vocabulary.columns),
        "fields": {name: each.entry for name, each in fields.items()},
        "left_out": left_out,
        "packaged_intents": set(fields["intent"].values) <= set(INTENTS) if "intent" in fields else True,
        "reads_flags": _flags_stand_alone(fields),
        "calibration": calibration,
        "false_positives": false_positives,
        "data": [_used(rows, licence, fit_rows, unseen, list(fields))],
        "training": {"seed": seed, "scikit_learn": str(require("sklearn").__version__)},
        "command": command,
    }
    out.mkdir(parents=True, exist_ok=True)
    (out / classifier_model.ARRAYS_NAME).write_bytes(packed)
    _write(out, manifest)
    say("judging on rows that were kept apart")
    loaded = ClassifierModel.load(out)
    _check_equality(loaded, fields, vocabulary, [row.text for row in fit_rows][:_COMPARED])
    for name, each in fields.items():
        each.entry["figures"]["held_out"] = judge(loaded, name, fit_rows, unseen, closed[name])
    _write(out, manifest)
    return manifest


def own_intents(path: Path) -> tuple[str, ...]:
    """The intents of a user's rows, in the packaged order where they are all of the packaged list, else sorted.

    Raises:
        InputError: One is longer than 64 characters or there are too many: that is no closed set.
    """
    found: set[str] = set()
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            try:
                value = json.loads(line).get("intent")
            except (ValueError, AttributeError):
                continue  # reading the rows says which line it is
            if isinstance(value, str):
                found.add(value)
    most, longest = classifier_model.MAX_VALUES, classifier_model.MAX_VALUE_LENGTH
    if len(found) > most or any(not 0 < len(value) <= longest for value in found):
        raise InputError(
            f"The rows have {len(found)} intents. Fix: use at most {most}, each of 1 to {longest} characters.",
            code="bad_intents",
        )
    return tuple(name for name in INTENTS if name in found) if found <= set(INTENTS) else tuple(sorted(found))


def make_vocabulary(texts: Sequence[str]) -> Vocabulary:
    """The n-grams that at least two texts have, the most frequent ones where there are too many."""
    read = [features.text_features(text) for text in texts]
    counts = np.bincount(np.concatenate([each.indices for each in read]), minlength=features.BUCKETS)
    often = np.argsort(-counts, kind="stable")[:_COLUMNS]
    columns = np.sort(often[counts[often] >= 2]).astype(np.int32)
    dense = np.stack([each.dense for each in read])
    spread = dense.std(axis=0)
    return Vocabulary(
        columns=columns,
        idf=(np.log((1 + len(texts)) / (1 + counts[columns])) + 1).astype(np.float32),
        mean=dense.mean(axis=0).astype(np.float32),
        scale=np.where(spread > 1e-4, spread, 1.0).astype(np.float32),
    )


def to_matrix(vocabulary: Vocabulary, texts: Sequence[str]) -> Any:
    """One row for each text, (n, width), sparse float32."""
    sparse = require("scipy.sparse")
    found = [vocabulary.sparse(text) for text in texts]
    starts = np.cumsum([0, *(len(places) for places, _ in found)])
    places = np.concatenate([places for places, _ in found]) if found else np.zeros(0, np.intp)
    numbers = np.concatenate([values for _, values in found]) if found else np.zeros(0, np.float32)
    return sparse.csr_matrix((numbers, places.astype(np.int32), starts), shape=(len(found), vocabulary.width))


def _fit_field(
    name: str,
    names: Sequence[str],
    rows: Sequence[Row],
    matrix: Any,
    folds: Array,
    seed: int,
    false_positives: float,
    kinds: Sequence[fitting.Kind],
) -> Fitted | str:
    """The fitted field, or why it is left out."""
    at = np.array([i for i, row in enumerate(rows) if name in row.labels], dtype=int)
    if not len(at):
        return "no row labels it"
    targets = np.array([rows[i].labels[name] for i in at]).reshape(len(at), len(names))
    counts = np.bincount(targets.argmax(axis=1), minlength=len(names))
    enough = counts >= fitting.LEAST_ROWS
    if enough.sum() < 2:
        return f"only {int(enough.sum())} of its values has {fitting.LEAST_ROWS} rows"
    soft = name == "tier"
    kept = targets.sum(axis=0) >= fitting.LEAST_ROWS if soft else enough
    usable = np.ones(len(at), bool) if soft else kept[targets.argmax(axis=1)]
    at, targets = at[usable], targets[usable][:, kept]
    targets = targets / targets.sum(axis=1, keepdims=True)
    values = tuple(value for value, keep in zip(names, kept, strict=True) if keep)
    problem = Problem(
        matrix=matrix[at],
        targets=targets,
        folds=folds[at],
        dense=len(features.DENSE),
        soft=soft,
        seed=seed,
    )
    choice = fitting.choose(problem, kinds)
    logits = fitting.out_of_fold(problem, choice.best)
    estimator = fitting.fit(problem, choice.best)
    model = fitting.export(estimator)
    calibration, level, figures = _calibrate(name, problem, logits, values, false_positives)
    entry = {
        "model": choice.best.kind,
        "values": list(values),
        "figures": {
            "rows": len(at),
            "values_left_out": [value for value, keep in zip(names, kept, strict=True) if not keep and not soft],
            "chosen": str(choice.best),
            "compared": {"rows": choice.rows, "log_loss": dict(choice.losses)},
            "cross_fitted": figures,
        },
    }
    return Fitted(model, estimator, values, calibration, level, entry)


def _calibrate(
    name: str, problem: Problem, logits: Array, values: tuple[str, ...], false_positives: float
) -> tuple[dict[str, Any], dict[str, Any] | None, dict[str, Any]]:
    """Calibration, level map (of the tier) and figures, all from logits of models that did not see the row."""
    if values == FLAG_VALUES:
        truth = problem.truth == 0
        curve, losses = fitting.fit_curve(logits[:, 0] - logits[:, 1], truth, problem.folds)
        chance = fitting.apply_curve(curve, logits[:, 0] - logits[:, 1])
        found: dict[str, Any] = {"temperature": curve.temperature, "curve": curve.as_json(), "tried": dict(losses)}
        if name in ("contains_pii", "is_legal"):
            found["threshold"] = fitting.fit_flag_threshold(chance, truth, false_positives)
        probabilities = np.stack([chance, 1 - chance], axis=1)
        figures = _figures(probabilities, problem.wanted, problem.wanted.mean(axis=0), found.get("threshold"))
        return found, None, figures
    temperature = fitting.best_temperature(logits, problem.wanted)
    probabilities = softmax(logits / temperature)
    level = None
    if name == "tier":
        slots, labels = (_as_slots(part, values) for part in (probabilities, problem.wanted))
        found_level = fitting.fit_levels(slots, labels)
        level = {"x": list(found_level.x), "y": list(found_level.y)}
    figures = _figures(probabilities, problem.wanted, problem.wanted.mean(axis=0), None)
    return {"temperature": temperature}, level, figures


def _as_slots(part: Array, values: Sequence[str]) -> Array:
    whole = np.zeros((len(part), TIER_SLOTS))
    whole[:, [int(value) for value in values]] = part
    return whole


def _figures(probabilities: Array, wanted: Array, base: Array, threshold: float | None) -> dict[str, Any]:
    """What probabilities (n, values) are worth, beside always saying how frequent each value is (``base``)."""
    truth = wanted.argmax(axis=1)
    right = probabilities.argmax(axis=1) == truth
    found = {
        "n": len(truth),
        "accuracy": _round(right.mean()),
        "accuracy_of_base_rate": _round((truth == base.argmax()).mean()),
        "log_loss": _round(fitting.log_loss(probabilities, wanted)),
        "log_loss_of_base_rate": _round(fitting.log_loss(np.tile(base, (len(truth), 1)), wanted)),
        "ece": _round(expected_calibration_error(probabilities.max(axis=1), right)),
    }
    if threshold is None:
        return found
    is_true, raised = truth == 0, probabilities[:, 0] >= threshold
    return {
        **found,
        "true_rows": int(is_true.sum()),
        "auc": _round(auc(probabilities[:, 0], is_true)) if 0 < is_true.sum() < len(truth) else None,
        "recall": _round(raised[is_true].mean()) if is_true.any() else None,
        "false_positive_rate": _round(raised[~is_true].mean()) if (~is_true).any() else None,
    }


def judge(
    model: ClassifierModel, name: str, known: Sequence[Row], unseen: Sequence[Row], names: Sequence[str]
) -> dict[str, Any]:
    """Figures of a field on rows kept apart, beside the base rate of those it was fitted on; ``n`` may be small or 0.

    Rows whose value it was not fitted for are counted in ``unknown_value`` and are in no figure.
    """
    values = model.values[name]
    places = [list(names).index(value) for value in values]

    def labelled(rows: Sequence[Row]) -> list[Row]:
        return [row for row in rows if name in row.labels]

    def targets(rows: Sequence[Row]) -> Array:
        whole = np.array([row.labels[name] for row in rows]).reshape(len(rows), len(names))[:, places]
        likeliest: Array = np.eye(len(places))[whole.argmax(axis=1)]
        return likeliest

    def fits(row: Row) -> bool:
        return name == "tier" or int(np.argmax(row.labels[name])) in places

    judged = [row for row in labelled(unseen) if fits(row)]
    skipped = len(labelled(unseen)) - len(judged)
    if not judged:
        return {"n": 0, "unknown_value": skipped}
    base = targets([row for row in labelled(known) if fits(row)]).mean(axis=0)
    found = np.array([probabilities_of(model, name, model.logits(row.text)[name]) for row in judged])
    threshold = model.calibration.threshold(name) if name in ("contains_pii", "is_legal") else None
    return {**_figures(found, targets(judged), base, threshold), "unknown_value": skipped}


def probabilities_of(model: ClassifierModel, name: str, logits: Array) -> list[float]:
    """Calibrated probabilities of a field's values, before any level map."""
    if name in model.curves:
        chance = model.flag(name, logits)
        return [chance, 1.0 - chance]
    return [float(p) for p in softmax(np.asarray(logits, float) / model.calibration.temperature(name))]


def _flags_stand_alone(fields: Mapping[str, Fitted]) -> bool:
    """Whether both flags were seen often enough, and found often enough, to do without the embedded model's."""
    for name in ("contains_pii", "is_legal"):
        if name not in fields:
            return False
        figures = fields[name].entry["figures"]["cross_fitted"]
        if min(figures["true_rows"], figures["n"] - figures["true_rows"]) < FLAG_ROWS:
            return False
        if figures["recall"] < FLAG_RECALL:
            return False
    return True


def _check_equality(
    loaded: ClassifierModel, fields: Mapping[str, Fitted], vocabulary: Vocabulary, texts: Sequence[str]
) -> None:
    matrix = to_matrix(vocabulary, texts)
    read = [loaded.logits(text) for text in texts]
    for name, each in fields.items():
        theirs = softmax(each.estimator.logits(matrix))
        ours = softmax(np.stack([logits[name] for logits in read]).astype(float))
        worst = float(np.abs(theirs - ours).max())
        if worst > EQUAL_WITHIN:
            raise ModelError(f"{name}: the written arrays and scikit-learn differ by {worst:.3f} in a probability.")


def _used(
    path: Path, licence: str, fit_rows: Sequence[Row], unseen: Sequence[Row], fields: list[str]
) -> dict[str, Any]:
    """What went into the models. The file's name stays out: it could name a person."""
    also = Counter(name for row in fit_rows for name in row.labels if name not in PROPOSED)
    return {
        "name": "rows",
        "licence": licence,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "rows": len(fit_rows),
        "held_out": len(unseen),
        "used_for": fields,
        "labels_not_used": sorted(also),
    }


def _write(out: Path, manifest: Mapping[str, Any]) -> None:
    text = json.dumps(manifest, indent=1, ensure_ascii=False) + "\n"
    (out / classifier_model.MANIFEST_NAME).write_text(text, encoding="utf-8")


def _round(value: Any) -> float:
    return round(float(value), 4)


class _Say:
    """Stages of the work, one line each on stderr, with the seconds since the start."""

    def __init__(self, quiet: bool) -> None:
        self._quiet, self._start = quiet, time.monotonic()

    def __call__(self, stage: str) -> None:
        if not self._quiet:
            sys.stderr.write(f"train: {time.monotonic() - self._start:6.1f} s  {stage}\n")
            sys.stderr.flush()
