"""Heads: small models learned from outcomes or labels, on what one decode yields and on cheap features of the text.

Stored as arrays in an ``.npz`` without pickle, and a manifest beside it (``NAME.json``) that holds its sha256, what it
was fitted on and what it scored. Run time needs numpy alone.

Failure rule: a file that is missing, damaged, of another version or off its shapes is a `ModelError` that names the
fix; a score that is not a finite number raises `ValueError`, and nothing is guessed.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tiergraph.errors import ModelError
from tiergraph.proposers import features
from tiergraph.proposers.calibration import SLOTS as SLOTS
from tiergraph.proposers.features import TextFeatures, text_features

VERSION = 1
MAX_BYTES = 256 * 1024 * 1024
"""Of all arrays of a head, unpacked."""

Floats = NDArray[np.float32]
_META, _BASE = "meta", "base."
_SHARPNESS = 3  # of the step between inside and outside; 3 leaves a sure text 3 % at a threshold of .3


@dataclass(frozen=True, kw_only=True)
class Scorer:
    """Raw scores from features.

    Linear in the n-grams, with weights that change with the length of the text; linear in the counts and the logits;
    and linear in waves of these, which bend.

    Attributes:
        knots: Rising values of the first count, the log of the length, (t,); between two of them weights are blended.
            t may be 0.
        hashed: Weights of the buckets, (`features.BUCKETS`, 1 + t, k): those that always hold, and those at each knot.
        mean, scale: Of the counts of the text followed by the logits, (d + m,); inputs are (x - mean) / scale.
        linear: Weights of the inputs, (d + m, k).
        frequencies, phases: Of the waves, cos(inputs @ frequencies + phases); (d + m, w) and (w,), w may be 0.
        waves: Their weights, (w, k).
        bias: (k,).
    """

    knots: Floats
    hashed: Floats
    mean: Floats
    scale: Floats
    linear: Floats
    frequencies: Floats
    phases: Floats
    waves: Floats
    bias: Floats

    def __call__(self, text: TextFeatures, logits: Floats) -> NDArray[np.float64]:
        """(k,).

        Raises:
            ValueError: Another number of logits than it was fitted on, or one that is not finite, or such a score.
        """
        inputs = np.concatenate([text.dense, logits])
        if len(inputs) != len(self.mean):
            raise ValueError(f"{len(inputs) - len(text.dense)} logits were given, {self.logits} are needed")
        if not np.isfinite(logits).all():
            raise ValueError("logits are not finite numbers")
        _, parts, outputs = self.hashed.shape
        grams = (text.values @ self.hashed[text.indices].reshape(-1, parts * outputs)).reshape(parts, outputs)
        inputs = (inputs - self.mean) / self.scale
        scores = self.bias + grams[0] + inputs @ self.linear
        if parts > 1:
            scores += tents(text.dense[:1], self.knots)[0] @ grams[1:]
        if len(self.phases):
            scores += np.cos(inputs @ self.frequencies + self.phases) @ self.waves
        found: NDArray[np.float64] = scores.astype(np.float64)
        if not np.isfinite(found).all():
            raise ValueError("scores are not finite numbers")
        return found

    def arrays(self) -> dict[str, NDArray[Any]]:
        """As they are stored: ``hashed`` as float16 under a factor, since its weights are many and small."""
        found: dict[str, NDArray[Any]] = {each.name: getattr(self, each.name) for each in fields(self)}
        factor = np.float32(np.abs(self.hashed).max(initial=0) or 1)
        return found | {"hashed": (self.hashed / factor).astype(np.float16), "factor": np.array([factor])}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], prefix: str = "") -> Self:
        """Raises ``ValueError`` where one is missing, not finite, or off the others' shape."""
        found = {each.name: _floats(arrays, f"{prefix}{each.name}") for each in fields(cls)}
        for name in ("knots", "mean", "phases", "bias"):
            if found[name].ndim != 1:
                raise ValueError(f"{prefix}{name} has the shape {found[name].shape}, not one dimension")
        inputs, waves, outputs = (len(found[name]) for name in ("mean", "phases", "bias"))
        wanted = {
            "hashed": (features.BUCKETS, 1 + len(found["knots"]), outputs),
            "scale": (inputs,),
            "linear": (inputs, outputs),
            "frequencies": (inputs, waves),
            "waves": (waves, outputs),
        }
        for name, shape in wanted.items():
            if found[name].shape != shape:
                raise ValueError(f"{prefix}{name} has the shape {found[name].shape}, not {shape}")
        if inputs < len(features.DENSE) or not (found["scale"] > 0).all() or not (np.diff(found["knots"]) > 0).all():
            raise ValueError(f"{prefix}mean, {prefix}scale or {prefix}knots is none of these features")
        factor = _floats(arrays, f"{prefix}factor")
        return cls(**found | {"hashed": found["hashed"] * factor})

    def scaled(self, weights: NDArray[Any]) -> Self:
        """Every output times its weight, (k,)."""
        w = weights.astype(np.float32)
        parts = {name: getattr(self, name) * w for name in ("hashed", "linear", "waves", "bias")}
        return replace(self, **parts)

    def plus(self, other: Scorer | None) -> Self:
        """The sum with one on the same inputs; ``None`` adds nothing."""
        if other is None:
            return self
        parts = {name: getattr(self, name) + getattr(other, name) for name in ("hashed", "linear", "waves", "bias")}
        return replace(self, **parts)

    def rounded(self) -> Self:
        """As it is read back after it was stored."""
        return self.from_arrays(self.arrays())

    @property
    def outputs(self) -> int:
        return len(self.bias)

    @property
    def logits(self) -> int:
        """Logits that it needs."""
        return len(self.mean) - len(features.DENSE)


def tents(values: NDArray[Any], knots: NDArray[Any]) -> Floats:
    """How near each of n values is to each of t knots, (n, t): 1 at it, 0 at its neighbours, sums of 1; flat beyond."""
    if not len(knots):
        return np.zeros((len(values), 0), np.float32)
    places = np.interp(values, knots, np.arange(len(knots)))
    found: Floats = np.maximum(0, 1 - np.abs(places[:, None] - np.arange(len(knots)))).astype(np.float32)
    return found


@dataclass(frozen=True, kw_only=True)
class Points:
    """A monotone map: straight lines between points, flat beyond. ``x`` rises, ``y`` does not fall."""

    x: Floats
    y: Floats

    def __call__(self, at: ArrayLike) -> Any:
        return np.interp(np.asarray(at), self.x, self.y)


def _floats(arrays: Mapping[str, NDArray[Any]], name: str) -> Floats:
    if name not in arrays:
        raise ValueError(f"{name} is missing")
    found = arrays[name]
    if found.dtype not in (np.float16, np.float32):
        raise ValueError(f"{name} is of type {found.dtype}")
    values = np.ascontiguousarray(found, np.float32)
    if not np.isfinite(values).all():
        raise ValueError(f"{name} holds what is no finite number")
    return values


def _points(arrays: Mapping[str, NDArray[Any]], name: str) -> Points:
    x, y = _floats(arrays, f"{name}.x"), _floats(arrays, f"{name}.y")
    if x.ndim != 1 or x.shape != y.shape or not len(x):
        raise ValueError(f"{name} has {x.shape} and {y.shape} points")
    if (np.diff(x) <= 0).any() or (np.diff(y) < 0).any() or y[0] < 0 or y[-1] > 1:
        raise ValueError(f"{name} does not rise within [0, 1]")
    return Points(x=x, y=y)


def _levels(arrays: Mapping[str, NDArray[Any]], count: int, prefix: str = "") -> tuple[Points, ...]:
    return tuple(_points(arrays, f"{prefix}level{number}") for number in range(count))


def _level_arrays(levels: Sequence[Points]) -> dict[str, NDArray[Any]]:
    found: dict[str, NDArray[Any]] = {}
    for number, level in enumerate(levels):
        found |= {f"level{number}.x": level.x, f"level{number}.y": level.y}
    return found


def _check_logits(scorer: Scorer, names: Sequence[str]) -> None:
    if scorer.logits != len(names):
        raise ValueError(f"it reads {scorer.logits} logits and names {len(names)}")


@dataclass(frozen=True, kw_only=True)
class _Stored:
    """What every head has.

    Attributes:
        model_sha256: Of the GGUF whose logits it reads; "" for one that reads the text alone.
        logit_names: Names of these logits, in order.
        data: Rows, their sha256 and their source.
        figures: What it scored, JSON.
        created: ISO date and time, UTC.
        digest: sha256 of its ``.npz``; "" before it is saved.
    """

    model_sha256: str = ""
    logit_names: tuple[str, ...] = ()
    data: Mapping[str, Any] = field(default_factory=dict)
    figures: Mapping[str, Any] = field(default_factory=dict)
    created: str = ""
    digest: str = ""

    KIND: ClassVar[str]

    def _arrays(self) -> dict[str, NDArray[Any]]:
        raise NotImplementedError

    def _meaning(self) -> dict[str, Any]:
        """What its scores are of; part of the digest."""
        raise NotImplementedError

    @classmethod
    def _parse(cls, meta: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], **common: Any) -> Self:
        raise NotImplementedError

    def save(self, path: str | Path) -> str:
        """Write ``path`` (``NAME.npz``) and its manifest ``NAME.json``; gives the sha256 of the former.

        Raises:
            OSError: A file cannot be written.
        """
        file = Path(path)
        meta = {
            "version": VERSION,
            "features": features.VERSION,
            "kind": self.KIND,
            "model_sha256": self.model_sha256,
            "logit_names": list(self.logit_names),
            **self._meaning(),
        }
        written = io.BytesIO()
        text = np.frombuffer(json.dumps(meta, sort_keys=True).encode(), np.uint8)
        np.savez_compressed(written, allow_pickle=False, **{_META: text}, **self._arrays())
        digest = hashlib.sha256(written.getvalue()).hexdigest()
        manifest = {
            "sha256": digest,
            **meta,
            "dense_names": list(features.DENSE),
            "data": dict(self.data),
            "figures": dict(self.figures),
            "created": self.created,
        }
        file.write_bytes(written.getvalue())
        file.with_suffix(".json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
        return digest

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read what `save` wrote.

        Raises:
            ModelError: A file is missing, damaged, of another version or kind; the message names it and the fix.
        """
        file = Path(path)
        manifest = _read_manifest(file.with_suffix(".json"))
        try:
            content = file.read_bytes()
        except OSError as error:
            raise _bad(file, f"it cannot be read ({type(error).__name__})") from None
        digest = hashlib.sha256(content).hexdigest()
        if manifest.get("sha256") != digest:
            raise _bad(file, f"its sha256 begins {digest[:12]}, its manifest says {str(manifest.get('sha256'))[:12]}")
        try:
            arrays = _unpack(content)
            meta = json.loads(arrays.pop(_META).tobytes())
            for name, wanted in (("version", VERSION), ("features", features.VERSION), ("kind", cls.KIND)):
                if meta[name] != wanted:
                    raise ValueError(f"its {name} is {meta[name]!r}, this tiergraph reads {wanted!r}")
            common = {
                "model_sha256": str(meta["model_sha256"]),
                "logit_names": tuple(map(str, meta["logit_names"])),
                "data": dict(manifest.get("data", {})),
                "figures": dict(manifest.get("figures", {})),
                "created": str(manifest.get("created", "")),
                "digest": digest,
            }
            return cls._parse(meta, arrays, **common)
        except (ValueError, KeyError, TypeError, AttributeError, zipfile.BadZipFile, EOFError) as error:
            problem = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
            raise _bad(file, problem) from None


def _bad(file: Path, problem: str) -> ModelError:
    return ModelError(f"{file.name}: the head cannot be used, {problem}. Fix: run `tiergraph tune` again.")


def _read_manifest(file: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise _bad(file, f"its manifest cannot be read ({type(error).__name__})") from None
    except (ValueError, RecursionError):
        raise _bad(file, "its manifest is not JSON") from None
    if not isinstance(found, dict):
        raise _bad(file, "its manifest is no object")
    return found


def _unpack(content: bytes) -> dict[str, NDArray[Any]]:
    with zipfile.ZipFile(io.BytesIO(content)) as packed:
        size = sum(member.file_size for member in packed.infolist())
    if size > MAX_BYTES:
        raise ValueError(f"it unpacks to {size} bytes, over {MAX_BYTES}")
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


@dataclass(frozen=True, kw_only=True)
class GenericHead(_Stored):
    """Capability that a text needs, for a ladder that nothing is known of.

    Attributes:
        scorer: One output, higher for texts on which a stronger model gains more.
        levels: For each slot but the top, from score to the probability that a model of its level suffices.
    """

    scorer: Scorer
    levels: tuple[Points, ...]

    KIND: ClassVar[str] = "generic"

    def score(self, text: str, logits: Floats) -> float:
        """Expected gain of a stronger model; comparable between texts, without a unit."""
        return float(self.scorer(text_features(text), logits)[0])

    def slots(self, text: str, logits: Floats) -> tuple[float, ...]:
        """Probability of each of `SLOTS` slots being the cheapest level that suffices; sum 1. For `LevelMap`."""
        return tuple(np.diff([0.0, *self.reached(self.score(text, logits)), 1.0]).tolist())

    def cumulative(self, text: str, logits: Floats, *, tiers: int) -> tuple[float, ...]:
        """As `LadderHead.cumulative`, of a ladder of ``tiers``, whose tier i stands at the level (i + 1) / tiers."""
        return self.spread(self.score(text, logits), tiers)

    def spread(self, score: float, tiers: int) -> tuple[float, ...]:
        """`cumulative` from the score of a text."""
        ends = [0.0, *self.reached(score), 1.0]
        places = [(tier + 1) / tiers * SLOTS for tier in range(tiers - 1)]
        return tuple(np.interp(places, np.arange(SLOTS + 1), ends).tolist())

    def reached(self, score: float) -> list[float]:
        """Probability that a model of each level but the top suffices; rising."""
        found = np.maximum.accumulate([1.0 - float(level(score)) for level in self.levels])
        return [float(each) for each in found]

    def _meaning(self) -> dict[str, Any]:
        return {"slots": SLOTS}

    def _arrays(self) -> dict[str, NDArray[Any]]:
        return self.scorer.arrays() | _level_arrays(self.levels)

    @classmethod
    def _parse(cls, meta: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], **common: Any) -> Self:
        scorer = Scorer.from_arrays(arrays)
        if meta["slots"] != SLOTS or scorer.outputs != 1:
            raise ValueError(f"it has {meta['slots']!r} slots and {scorer.outputs} outputs, not {SLOTS} and 1")
        _check_logits(scorer, common["logit_names"])
        return cls(scorer=scorer, levels=_levels(arrays, SLOTS - 1), **common)


@dataclass(frozen=True, kw_only=True)
class LadderHead(_Stored):
    """Which tier of one ladder suffices.

    Attributes:
        tiers: Names, cheapest first.
        scorer: For each tier but the top, the gain that a higher one is expected to bring.
        levels: For each tier but the top, from expected gain to the loss: 1 minus the probability that it suffices.
        base: The generic head whose loss counts too, times ``trust``; ``None`` where the ladder's own rows are all.
        trust: (tiers - 1,), >= 0.
    """

    tiers: tuple[str, ...]
    scorer: Scorer
    levels: tuple[Points, ...]
    base: GenericHead | None = None
    trust: Floats = field(default_factory=lambda: np.zeros(0, np.float32))

    KIND: ClassVar[str] = "ladder"

    def cumulative(self, text: str, logits: Floats) -> tuple[float, ...]:
        """Probability that each tier but the top suffices, (tiers - 1,): rising, in [0, 1].

        Args:
            text: The request as the router reads it.
            logits: float32 (m,), as `logit_names` says.

        Raises:
            ValueError: Another number of logits, or a score that is not finite.
        """
        found = text_features(text)
        gains = self.scorer(found, logits)
        if self.base is not None:
            score = float(self.base.scorer(found, logits)[0])
            gains = gains + self.trust * (1.0 - np.array(self.base.spread(score, len(self.tiers))))
        return tuple(sufficiency(gains[None, :], self.levels)[0].tolist())

    def _meaning(self) -> dict[str, Any]:
        return {"tiers": list(self.tiers), "base": self.base is not None}

    def _arrays(self) -> dict[str, NDArray[Any]]:
        arrays = self.scorer.arrays() | _level_arrays(self.levels)
        if self.base is not None:
            arrays |= {f"{_BASE}{name}": array for name, array in self.base._arrays().items()}
            arrays["trust"] = self.trust
        return arrays

    @classmethod
    def _parse(cls, meta: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], **common: Any) -> Self:
        tiers, scorer = tuple(map(str, meta["tiers"])), Scorer.from_arrays(arrays)
        if len(tiers) < 2 or len(set(tiers)) != len(tiers) or scorer.outputs != len(tiers) - 1:
            raise ValueError(f"it has {scorer.outputs} outputs for the tiers {list(tiers)}")
        _check_logits(scorer, common["logit_names"])
        base, trust = None, np.zeros(0, np.float32)
        if meta["base"]:
            base = GenericHead(scorer=Scorer.from_arrays(arrays, _BASE), levels=_levels(arrays, SLOTS - 1, _BASE))
            _check_logits(base.scorer, common["logit_names"])
            trust = _floats(arrays, "trust")
            if base.scorer.outputs != 1 or trust.shape != (len(tiers) - 1,) or (trust < 0).any():
                raise ValueError("its base or its trust in it is off")
        levels = _levels(arrays, len(tiers) - 1)
        return cls(tiers=tiers, scorer=scorer, levels=levels, base=base, trust=trust, **common)


def sufficiency(gains: NDArray[np.float64], levels: Sequence[Points]) -> NDArray[np.float64]:
    """Probability that each tier but the top suffices, (n, tiers - 1), from its expected gains of that shape."""
    columns = [1.0 - level(gains[:, number]) for number, level in enumerate(levels)]
    found: NDArray[np.float64] = np.maximum.accumulate(np.stack(columns, axis=1), axis=1)
    return found


@dataclass(frozen=True, kw_only=True)
class FieldHead(_Stored):
    """Probabilities of a user's own labels.

    Attributes:
        field: Its name, such as ``intent``.
        values: The labels.
        scorer: One output for each value.
        temperature: Scores are divided by it, > 0.
        outside: The value that means "none of these", or ``None``.
        outside_threshold: Probability that another value needs for ``outside`` not to be the likeliest; 0 where unused.
    """

    field: str
    values: tuple[str, ...]
    scorer: Scorer
    temperature: float = 1.0
    outside: str | None = None
    outside_threshold: float = 0.0

    KIND: ClassVar[str] = "field"

    def probabilities(self, text: str, logits: Floats) -> dict[str, float]:
        """Value to probability, in the order of ``values``; sum 1. Raises ``ValueError`` as `Scorer` does."""
        scores = self.scorer(text_features(text), logits) / self.temperature
        place = None if self.outside is None else self.values.index(self.outside)
        found = field_probabilities(scores, place, self.outside_threshold)
        return dict(zip(self.values, found.tolist(), strict=True))

    def _meaning(self) -> dict[str, Any]:
        return {
            "field": self.field,
            "values": list(self.values),
            "temperature": self.temperature,
            "outside": self.outside,
            "outside_threshold": self.outside_threshold,
        }

    def _arrays(self) -> dict[str, NDArray[Any]]:
        return self.scorer.arrays()

    @classmethod
    def _parse(cls, meta: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], **common: Any) -> Self:
        values, scorer = tuple(map(str, meta["values"])), Scorer.from_arrays(arrays)
        if len(set(values)) != len(values) or scorer.outputs != len(values):
            raise ValueError(f"it has {scorer.outputs} outputs for {len(values)} values")
        _check_logits(scorer, common["logit_names"])
        temperature, threshold = float(meta["temperature"]), float(meta["outside_threshold"])
        if not 0 < temperature < np.inf or not 0 <= threshold <= 1:
            raise ValueError(f"its temperature is {temperature!r} and its threshold {threshold!r}")
        if meta["outside"] is not None and meta["outside"] not in values:
            raise ValueError(f"its value for outside, {meta['outside']!r}, is none of its values")
        return cls(
            field=str(meta["field"]),
            values=values,
            scorer=scorer,
            temperature=temperature,
            outside=meta["outside"],
            outside_threshold=threshold,
            **common,
        )


def field_probabilities(scores: NDArray[np.float64], outside: int | None, threshold: float) -> NDArray[np.float64]:
    """Softmax of (k,) scores. With ``outside``, a place among them, it is the likeliest exactly where no other reaches
    the threshold: its odds are then set by how far the likeliest of the others is from it.
    """
    weights = np.exp(scores - scores.max())
    found: NDArray[np.float64] = weights / weights.sum()
    if outside is None or threshold <= 0:
        return found
    rest = found.copy()
    rest[outside] = 0.0
    top = max(float(rest.max()), 1e-12)
    rest = rest / max(float(rest.sum()), 1e-12)
    odds = float(rest.max()) * (threshold / top) ** _SHARPNESS
    rest *= 1 / (1 + odds)
    rest[outside] = odds / (1 + odds)
    return rest
