"""The file format and the arithmetic of a classical router: hashed n-grams, and for each field a linear model or trees.

Two files in one folder: arrays without pickle, and a JSON manifest with their sha256. Numpy is all that reading takes.

Failure rule: whatever is missing, damaged or not what the manifest says is a `ModelError` when it is loaded.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiergraph.errors import ModelError
from tiergraph.proposal import DIFFICULTIES, FIELDS
from tiergraph.proposers import features
from tiergraph.proposers.calibration import Calibration
from tiergraph.proposers.reading import FLAG_VALUES

ARRAYS_NAME, MANIFEST_NAME = "classifier.npz", "classifier.json"
"""The two files of a classifier, side by side."""

FORMAT = "tiergraph-classifier"
VERSION = 1

FAMILY_WEIGHTS = (1.0, 1.4, 0.3)
"""Lengths of the n-grams of words, of characters and of the shape: what is asked for is hardly ever in the shape."""

DENSE_WEIGHT = 0.1
"""What a standardised count weighs beside n-grams of length 1."""

MAX_VALUES = 1000
MAX_VALUE_LENGTH = 64

Floats = NDArray[np.float32]


class Unusable(ValueError):
    """A part of the files that cannot be used; the message says which."""


@dataclass(frozen=True, kw_only=True)
class Vocabulary:
    """Which hashed n-grams count, and how much.

    Attributes:
        columns: Buckets of `features.text_features` that are read, rising, int32 (k,).
        idf: What each weighs, > 0, float32 (k,).
        mean, scale: Of the dense features on the rows, float32 (d,); ``scale`` > 0.
    """

    columns: NDArray[np.int32]
    idf: Floats
    mean: Floats
    scale: Floats

    @property
    def width(self) -> int:
        """Numbers of a whole vector."""
        return len(self.columns) + len(self.mean)

    def sparse(self, text: str) -> tuple[NDArray[np.intp], Floats]:
        """Positions of the numbers of a text that are not 0, and the numbers; the dense ones are always there.

        Words, characters and shape have the lengths of `FAMILY_WEIGHTS` each, or 0 where none is known.
        """
        found = features.text_features(text)
        at = np.searchsorted(self.columns, found.indices)
        at[at == len(self.columns)] = 0
        known = self.columns[at] == found.indices if len(self.columns) else np.zeros(len(at), bool)
        at = at[known]
        values = found.values[known] * self.idf[at]
        characters, shape = np.searchsorted(self.columns[at], (features.CHARACTERS_AT, features.SHAPE_AT)).tolist()
        families = (values[:characters], values[characters:shape], values[shape:])
        for family, weight in zip(families, FAMILY_WEIGHTS, strict=True):
            length = float(np.sqrt(family @ family))
            if length > 0:
                family *= np.float32(weight / length)
        dense = np.clip((found.dense - self.mean) / self.scale, -4.0, 4.0) * np.float32(DENSE_WEIGHT)
        places = np.concatenate([at, np.arange(len(self.columns), self.width)])
        return places, np.concatenate([values, dense]).astype(np.float32)


@dataclass(frozen=True, kw_only=True)
class Linear:
    """Multinomial logistic regression: ``weights`` (width, outputs), ``bias`` (outputs,); one output for two values."""

    weights: Floats
    bias: Floats

    def __call__(self, places: NDArray[np.intp], values: Floats) -> Floats:
        logits: Floats = values @ self.weights[places] + self.bias
        return logits


@dataclass(frozen=True, kw_only=True)
class Trees:
    """Boosted trees over some of the numbers.

    Attributes:
        picked: Positions in the whole vector, int32 (m,).
        feature: For each node the place in ``picked`` that it asks, int32 (nodes,).
        threshold: Left where the number is at most this, float64 (nodes,).
        left, right: Nodes below, always further on than the node; -1 in a leaf, int32 (nodes,).
        value: What a leaf adds to its output, float32 (nodes,).
        roots: First node of every tree, int32 (stages, outputs).
    """

    picked: NDArray[np.int32]
    feature: NDArray[np.int32]
    threshold: NDArray[np.float64]
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    value: Floats
    roots: NDArray[np.int32]

    def __call__(self, places: NDArray[np.intp], values: Floats) -> Floats:
        whole = np.zeros(int(max(self.picked.max(), places.max())) + 1, np.float32)
        whole[places] = values
        asked = whole[self.picked]
        node = self.roots.reshape(-1)
        while (inner := self.left[node] >= 0).any():
            lower = asked[self.feature[node]] <= self.threshold[node]
            node = np.where(inner, np.where(lower, self.left[node], self.right[node]), node)
        summed: Floats = self.value[node].reshape(self.roots.shape).sum(axis=0, dtype=np.float64).astype(np.float32)
        return summed


@dataclass(frozen=True, kw_only=True)
class Curve:
    """What a two-valued field's logit becomes: divided by the temperature, moved by ``bias``, then along ``x``, ``y``.

    The points are of the probability of ``true`` and rise; none is the identity.
    """

    temperature: float = 1.0
    bias: float = 0.0
    x: tuple[float, ...] = ()
    y: tuple[float, ...] = ()

    def __call__(self, logit: float) -> float:
        """Probability in [0, 1] of ``true``."""
        p = float(1.0 / (1.0 + np.exp(-np.clip(logit / self.temperature + self.bias, -60.0, 60.0))))
        return float(np.interp(p, self.x, self.y)) if self.x else p

    def as_json(self) -> dict[str, Any]:
        return {"temperature": self.temperature, "bias": self.bias, "x": list(self.x), "y": list(self.y)}

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> Curve:
        """Raises `Unusable` or ``KeyError``."""
        curve = cls(
            temperature=float(data["temperature"]),
            bias=float(data["bias"]),
            x=tuple(map(float, data["x"])),
            y=tuple(map(float, data["y"])),
        )
        numbers = (curve.temperature, curve.bias, *curve.x, *curve.y)
        if not np.isfinite(numbers).all() or curve.temperature <= 0 or len(curve.x) != len(curve.y):
            raise Unusable("a curve has no finite numbers, no temperature above 0 or points without partner")
        if any(a >= b for a, b in pairwise(curve.x)) or any(a > b for a, b in pairwise(curve.y)):
            raise Unusable("a curve does not rise")
        if any(not 0 <= value <= 1 for value in curve.y):
            raise Unusable("a curve leaves [0, 1]")
        return curve


@dataclass(frozen=True, kw_only=True)
class ClassifierModel:
    """A classical router in memory, never changed.

    Attributes:
        vocabulary: From a text to numbers.
        models: Field to what reads it; a field that the rows did not label is absent.
        values: Field to its closed set, in the order of the logits.
        calibration: Temperatures, thresholds and the level map.
        curves: Two-valued field to what its logit becomes.
        reads_flags: Whether its flags were found good enough to stand alone; else they only tighten.
        figures: What the manifest says of every field.
        digest: sha256 of the manifest, which names that of the arrays.
    """

    vocabulary: Vocabulary
    models: Mapping[str, Linear | Trees]
    values: Mapping[str, tuple[str, ...]]
    calibration: Calibration
    curves: Mapping[str, Curve] = field(default_factory=dict)
    reads_flags: bool = False
    figures: Mapping[str, Any] = field(default_factory=dict)
    digest: str = ""

    def logits(self, text: str) -> dict[str, Floats]:
        """Field to logits in the order of its values; of two values the first has 0."""
        places, numbers = self.vocabulary.sparse(text)
        found = {}
        for name, model in self.models.items():
            raw = model(places, numbers)
            found[name] = raw if len(raw) > 1 else np.array([0.0, raw[0]], np.float32)
        return found

    def flag(self, name: str, logits: Floats) -> float:
        """Probability in [0, 1] that a two-valued field is ``true``. Its values are ``true`` and ``false``."""
        return self.curves[name](float(logits[0] - logits[1]))

    @classmethod
    def load(cls, path: str | Path) -> ClassifierModel:
        """From its folder, or from the manifest in it.

        Raises:
            ModelError: A file that is missing, damaged, of another version or not what the manifest says.
        """
        given = Path(path)
        manifest_file = given if given.suffix == ".json" else given / MANIFEST_NAME
        arrays_file = manifest_file.with_name(ARRAYS_NAME)
        try:
            raw = manifest_file.read_bytes()
            packed = arrays_file.read_bytes()
        except OSError as error:
            name = Path(error.filename or manifest_file).name
            raise ModelError(
                f"classifier: {name!r} in {given.name!r} cannot be read ({type(error).__name__}). "
                "Fix: name the folder that `tiergraph train --kind classifier` wrote."
            ) from None
        try:
            manifest: Any = json.loads(raw)
            stated = manifest["arrays_sha256"]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise _refused(manifest_file.name, f"is no manifest ({type(error).__name__})") from None
        digest = hashlib.sha256(packed).hexdigest()
        if digest != stated:
            raise _refused(
                arrays_file.name, f"has a sha256 that begins {digest[:12]}, its manifest says {stated!s:.12}"
            )
        try:
            return cls._parse(manifest, _unpack(packed), hashlib.sha256(raw).hexdigest())
        except KeyError as error:
            raise _refused(manifest_file.name, f"lacks {error}") from None
        except (ValueError, TypeError, AttributeError, IndexError) as error:
            problem = str(error) if isinstance(error, ValueError) else type(error).__name__
            raise _refused(manifest_file.name, f"cannot be used: {problem}") from None

    @classmethod
    def _parse(cls, manifest: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], digest: str) -> ClassifierModel:
        if manifest["format"] != FORMAT or manifest["version"] != VERSION:
            raise Unusable(f"it is {manifest['format']!r} version {manifest['version']!r}, not {FORMAT} {VERSION}")
        shape = {"version": features.VERSION, "buckets": features.BUCKETS, "dense": list(features.DENSE)}
        if manifest["features"] != shape:
            raise Unusable("it was fitted on other features than this tiergraph computes")
        vocabulary = _vocabulary(arrays)
        fields = manifest["fields"]
        values = {name: _values(name, entry["values"]) for name, entry in fields.items()}
        models = {
            name: _model(entry["model"], name, arrays, vocabulary.width, len(values[name]))
            for name, entry in fields.items()
        }
        calibration = manifest["calibration"]
        curves = {name: Curve.parse(calibration[name]["curve"]) for name in fields if values[name] == FLAG_VALUES}
        reads_flags = manifest["reads_flags"]
        if not isinstance(reads_flags, bool) or (reads_flags and not {"contains_pii", "is_legal"} <= set(fields)):
            raise Unusable(f"reads_flags is {reads_flags!r}, and it has the fields {list(fields)}")
        return cls(
            vocabulary=vocabulary,
            models=models,
            values=values,
            calibration=Calibration.parse(calibration),
            curves=curves,
            reads_flags=reads_flags,
            figures={name: dict(entry["figures"]) for name, entry in fields.items()},
            digest=digest,
        )


def pack(vocabulary: Vocabulary, models: Mapping[str, Linear | Trees]) -> bytes:
    """The arrays of a classifier as bytes; the same ones for the same numbers. Weights are rounded to 16 bits."""
    arrays: dict[str, NDArray[Any]] = {
        "columns": vocabulary.columns.astype(np.int32),
        "idf": vocabulary.idf.astype(np.float32),
        "mean": vocabulary.mean.astype(np.float32),
        "scale": vocabulary.scale.astype(np.float32),
    }
    for name, model in models.items():
        if isinstance(model, Linear):
            arrays[f"{name}.weights"] = model.weights.astype(np.float16)
            arrays[f"{name}.bias"] = model.bias.astype(np.float32)
        else:
            for part in ("picked", "feature", "threshold", "left", "right", "value", "roots"):
                arrays[f"{name}.{part}"] = getattr(model, part)
    stream = io.BytesIO()
    np.savez_compressed(stream, allow_pickle=False, **arrays)
    return stream.getvalue()


def _unpack(packed: bytes) -> dict[str, NDArray[Any]]:
    try:
        with np.load(io.BytesIO(packed), allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (OSError, EOFError, zipfile.BadZipFile) as error:
        raise Unusable(f"the arrays are no archive ({type(error).__name__})") from None


def _refused(file: str, problem: str) -> ModelError:
    return ModelError(f"{file}: {problem}. Fix: restore the file, or fit it again with `tiergraph train`.")


def _array(arrays: Mapping[str, NDArray[Any]], name: str, kind: str, *shape: int | None) -> NDArray[Any]:
    """An array of a dtype kind and shape (``None``: any length), of finite numbers."""
    found = arrays[name]
    fits = len(found.shape) == len(shape) and all(
        want is None or want == have for want, have in zip(shape, found.shape, strict=True)
    )
    if found.dtype.kind != kind or not fits or not np.isfinite(found).all():
        raise Unusable(f"the array {name!r} has the wrong type, shape or numbers")
    return found


def _vocabulary(arrays: Mapping[str, NDArray[Any]]) -> Vocabulary:
    columns = _array(arrays, "columns", "i", None).astype(np.int32)
    dense = len(features.DENSE)
    if len(columns) and (columns[0] < 0 or columns[-1] >= features.BUCKETS or (np.diff(columns) <= 0).any()):
        raise Unusable("'columns' do not rise within the buckets")
    scale = _array(arrays, "scale", "f", dense).astype(np.float32)
    if (scale <= 0).any():
        raise Unusable("'scale' is not above 0")
    return Vocabulary(
        columns=columns,
        idf=_array(arrays, "idf", "f", len(columns)).astype(np.float32),
        mean=_array(arrays, "mean", "f", dense).astype(np.float32),
        scale=scale,
    )


_CLOSED: Mapping[str, tuple[str, ...]] = {
    "tier": tuple(str(slot) for slot in range(6)),
    "difficulty": tuple(map(str, DIFFICULTIES)),
}


def _values(name: str, given: Sequence[Any]) -> tuple[str, ...]:
    values = tuple(given)
    if name not in FIELDS:
        raise Unusable(f"it has the unknown field {name!r}")
    if not all(isinstance(value, str) and 0 < len(value) <= MAX_VALUE_LENGTH for value in values):
        raise Unusable(f"a value of {name!r} is no text of 1 to {MAX_VALUE_LENGTH} characters")
    if not 2 <= len(values) <= MAX_VALUES or len(set(values)) != len(values):
        raise Unusable(f"{name!r} has {len(values)} values, or one of them twice")
    if name in ("needs_retrieval", "contains_pii", "is_legal") and values != FLAG_VALUES:
        raise Unusable(f"{name!r} has the values {list(values)}, not {list(FLAG_VALUES)}")
    if name in _CLOSED and not set(values) <= set(_CLOSED[name]):
        raise Unusable(f"{name!r} has the values {list(values)}, not some of {list(_CLOSED[name])}")
    return values


def _model(kind: str, name: str, arrays: Mapping[str, NDArray[Any]], width: int, values: int) -> Linear | Trees:
    outputs = 1 if values == 2 else values
    if kind == "linear":
        return Linear(
            weights=_array(arrays, f"{name}.weights", "f", width, outputs).astype(np.float32),
            bias=_array(arrays, f"{name}.bias", "f", outputs).astype(np.float32),
        )
    if kind != "boosting":
        raise Unusable(f"the model of {name!r} is {kind!r}")
    picked = _array(arrays, f"{name}.picked", "i", None)
    feature = _array(arrays, f"{name}.feature", "i", None)
    nodes = len(feature)
    trees = Trees(
        picked=picked.astype(np.int32),
        feature=feature.astype(np.int32),
        threshold=_array(arrays, f"{name}.threshold", "f", nodes).astype(np.float64),
        left=_array(arrays, f"{name}.left", "i", nodes).astype(np.int32),
        right=_array(arrays, f"{name}.right", "i", nodes).astype(np.int32),
        value=_array(arrays, f"{name}.value", "f", nodes).astype(np.float32),
        roots=_array(arrays, f"{name}.roots", "i", None, outputs).astype(np.int32),
    )
    own = np.arange(nodes)
    leaf = (trees.left == -1) & (trees.right == -1)
    onward = (trees.left > own) & (trees.right > own) & (trees.left < nodes) & (trees.right < nodes)
    inside = (trees.feature >= 0) & (trees.feature < len(picked))
    rooted = trees.roots.size > 0 and (trees.roots >= 0).all() and (trees.roots < nodes).all()
    if not (leaf | (onward & inside)).all() or not rooted or (leaf & ~inside).any():
        raise Unusable(f"the trees of {name!r} lead nowhere")
    if not len(picked) or picked.min() < 0 or picked.max() >= width:
        raise Unusable(f"the trees of {name!r} ask for numbers that are not there")
    return trees
