"""The classical router: text features and a fitted model for each field, in this process, in well under a millisecond.

`tiergraph train --kind classifier` writes it. A field that its rows did not label takes the value that a request may
always have: retrieval on, middle difficulty, intent ``other``, the top tier with odds that let a chain ask the next
model. Flags are read by it where it was found good enough at both (then it is a `FlagReader`); else the embedded model
reads them and the classifier's own can only tighten.

Failure rule: whatever fails is a `ProposerError`; what of a long text remains unread counts as personal data.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tiergraph.config import RouterModelConfig, expand_env
from tiergraph.errors import ConfigError, DecisionTimeoutError, ProposalInvalidError, ProposerError
from tiergraph.proposal import DIFFICULTIES, INTENTS, REASONS
from tiergraph.proposers.base import FlagReading, Flags, Narrow, Proposed
from tiergraph.proposers.cache import FLAG_CACHE_SIZE, LruCache, text_digest
from tiergraph.proposers.calibration import SLOTS, LevelMap, TierScores, choose, mask_tiers, softmax
from tiergraph.proposers.classifier_model import ClassifierModel, Floats
from tiergraph.proposers.placing import undecided
from tiergraph.proposers.pool import CLOSED
from tiergraph.proposers.reading import FlagScores, Labels, Thresholds, proposal_of
from tiergraph.tiers import Ladder, Location

WINDOW = 1500
"""Characters of a text that are read at once for its flags."""

OVERLAP = 200
"""Characters that neighbouring windows share, so that what is cut at one window's end is whole in the next."""

NO_FLAGS = FlagScores(0.0, 0.0)


class Known(NamedTuple):
    """What the classifier says of a text before policy.

    ``tiers`` is ``None`` where it was fitted on no tiers; ``complete``: whether the flags cover all of the text.
    """

    tiers: TierScores | None
    labels: Labels
    fields: Mapping[str, Mapping[str, float]]
    flags: FlagScores
    complete: bool
    windows: int


class ClassifierProposer:
    """A classical router. Safe to call from several threads; `load` makes one."""

    def __init__(
        self,
        model: ClassifierModel,
        *,
        name: str,
        ladder: Ladder,
        config: RouterModelConfig,
        sufficiency: float,
        config_digest: str,
    ) -> None:
        """Use `load`, which also reads the files.

        Raises:
            ConfigError: A configured intent or reason that it was not fitted for.
        """
        self._model, self._name, self._names = model, name, ladder.names
        self._config, self._sufficiency, self._config_digest = config, sufficiency, config_digest
        self._choices = {
            field: _choices(model, field, configured, packaged, name)
            for field, configured, packaged in (
                ("intent", config.intents, INTENTS),
                ("reason", config.reasons, REASONS),
            )
        }
        self._raise = Thresholds(model.calibration)
        self._levels = LevelMap(SLOTS, len(ladder), model.calibration)
        self._cache: LruCache[tuple[bytes, int, str], Known] = LruCache(config.cache_size)
        self._closed = False

    @classmethod
    def load(
        cls, *, ladder: Ladder, config: RouterModelConfig, sufficiency: float, config_digest: str
    ) -> ClassifierProposer:
        """Read the folder that ``config.model`` names: a `FlagReader` where its flags may stand alone.

        Args:
            sufficiency: Probability in (0, 1) of being sufficient that a tier needs to be chosen.
            config_digest: sha256 of the configuration; part of the cache's key.

        Raises:
            ModelError: A file that is missing, damaged or not what its manifest says.
            ConfigError: A configured intent or reason that it was not fitted for.
        """
        path = Path(expand_env(config.name))
        model = ClassifierModel.load(path)
        kind = FlagClassifierProposer if model.reads_flags else ClassifierProposer
        folder = path.resolve().parent if path.suffix == ".json" else path.resolve()
        return kind(
            model,
            name=f"classifier:{folder.name}",
            ladder=ladder,
            config=config,
            sufficiency=sufficiency,
            config_digest=config_digest,
        )

    @property
    def name(self) -> str:
        return self._name

    @property
    def location(self) -> Location:
        return "on_prem"

    @property
    def digest(self) -> str:
        """sha256 of the manifest, which names the one of the arrays."""
        return self._model.digest

    def fitted(self) -> dict[str, Any]:
        """For `tiergraph check`: field to its figures on rows it never saw, and who reads the flags."""
        return {"fields": dict(self._model.figures), "reads_flags": self._model.reads_flags}

    def propose(self, text: str, *, narrow: Narrow, deadline: float, windows: int) -> Proposed:
        """One decision, as the contract in `tiergraph.proposers.base` says.

        Raises:
            DecisionTimeoutError: Later than ``deadline``, even where the result came.
            ProposerError: It is closed, or failed otherwise.
        """
        self._check(deadline)
        key = (text_digest(text), windows, self._config_digest)
        known = self._cache.get(key)
        cached = known is not None
        lasting = True
        try:
            if known is None:
                known, lasting = self._read(text, deadline, windows)
        except ProposerError:
            raise
        except Exception as error:
            raise ProposerError(f"The classifier failed with {type(error).__name__}.") from None
        proposed = self._resolve(known, narrow, cached=cached)
        if time.monotonic() > deadline:
            raise DecisionTimeoutError("The decision came later than its deadline.")
        if lasting and not cached:
            self._cache.put(key, known)
        return proposed

    async def apropose(self, text: str, *, narrow: Narrow, deadline: float, windows: int) -> Proposed:
        """As `propose`, on a thread: a text of many windows takes milliseconds."""
        return await asyncio.to_thread(self.propose, text, narrow=narrow, deadline=deadline, windows=windows)

    def close(self) -> None:
        self._closed = True
        self._cache.clear()

    def _check(self, deadline: float) -> None:
        if self._closed:
            raise ProposerError(CLOSED)
        if time.monotonic() >= deadline:
            raise DecisionTimeoutError("The deadline had passed before the decision began.")

    def _read(self, text: str, deadline: float, windows: int) -> tuple[Known, bool]:
        """What is known of a text, and whether it would be the same at another time."""
        known = self._understand(self._model.logits(text))
        return known, True

    def _understand(self, logits: Mapping[str, Floats]) -> Known:
        if not all(np.isfinite(values).all() for values in logits.values()):
            raise ProposalInvalidError("The classifier's logits are not finite numbers.")
        fields: dict[str, dict[str, float]] = {}
        tiers: TierScores | None = None
        for name, values in logits.items():
            model = self._model
            if name == "tier":
                tiers = self._levels(self._slots(values))
            elif name in model.curves:
                fields[name] = _two(model.flag(name, values))
            else:
                allowed = self._choices.get(name) or tuple(range(len(values)))
                some = [float(values[i]) for i in allowed]
                probabilities = softmax(some, model.calibration.temperature(name))
                fields[name] = {model.values[name][i]: p for i, p in zip(allowed, probabilities, strict=True)}
        return Known(tiers, self._labels(fields), fields, self._flags(logits), complete=True, windows=1)

    def _slots(self, logits: Floats) -> list[float]:
        slots = [0.0] * SLOTS
        likely = softmax([float(x) for x in logits], self._model.calibration.temperature("tier"))
        for value, probability in zip(self._model.values["tier"], likely, strict=True):
            slots[int(value)] = probability
        return slots

    def _labels(self, fields: Mapping[str, Mapping[str, float]]) -> Labels:
        """The likeliest values; of a field without a model the one that is always right to have."""

        def likeliest(name: str, usual: str) -> str:
            return max(fields[name], key=fields[name].__getitem__) if name in fields else usual

        retrieval = fields.get("needs_retrieval")
        return Labels(
            int(likeliest("difficulty", str(DIFFICULTIES[1]))),
            likeliest("intent", _usual("other", self._config.intents)),
            retrieval is None or retrieval["true"] >= self._model.calibration.threshold("needs_retrieval"),
            likeliest("reason", _usual("unclear", self._config.reasons)),
        )

    def _flags(self, logits: Mapping[str, Floats]) -> FlagScores:
        """Probability of each flag; 0 without a model, since then another one reads it."""
        names = FlagScores._fields
        return FlagScores(*(self._model.flag(name, logits[name]) if name in logits else 0.0 for name in names))

    def _raised(self, scores: FlagScores) -> Flags:
        raised, fitted = self._raise(scores), self._model.models
        return Flags(
            contains_pii="contains_pii" in fitted and raised.contains_pii,
            is_legal="is_legal" in fitted and raised.is_legal,
        )

    def _resolve(self, known: Known, narrow: Narrow, *, cached: bool) -> Proposed:
        """Narrow the ladder by the flags and read the tier from its scores."""
        names = self._names
        flags = self._raised(known.flags)
        if not known.complete:
            flags = replace(flags, contains_pii=True)  # what is unread counts as found
        wanted = narrow(flags)
        allowed = tuple(name for name in names if name in wanted)
        proposal, confidence, probabilities = None, 0.0, (0.0,) * len(names)
        if allowed:
            chosen, probabilities = self._choose(known, [name in allowed for name in names])
            confidence = probabilities[chosen]
            proposal = proposal_of(names[chosen], known.labels, flags, allowed=allowed, config=self._config)
        return Proposed(
            proposal=proposal,
            flags=flags,
            confidence=confidence,
            score=self._score(known),
            tier_probabilities=dict(zip(names, probabilities, strict=True)),
            field_probabilities=known.fields,
            complete=known.complete,
            windows=known.windows,
            cached=cached,
        )

    def _choose(self, known: Known, open_: Sequence[bool]) -> tuple[int, tuple[float, ...]]:
        if known.tiers is None:
            return undecided(len(self._names) - 1, open_, self._sufficiency)
        probabilities = mask_tiers(known.tiers, open_)
        return choose(probabilities, open_, self._sufficiency), probabilities

    def _score(self, known: Known) -> float:
        if known.tiers is not None:
            return known.tiers.insufficient
        _, probabilities = undecided(len(self._names) - 1, [True] * len(self._names), self._sufficiency)
        return 1.0 - probabilities[0]


class FlagClassifierProposer(ClassifierProposer):
    """A classical router whose flags were found good enough on the rows that it was fitted on."""

    def __init__(
        self,
        model: ClassifierModel,
        *,
        name: str,
        ladder: Ladder,
        config: RouterModelConfig,
        sufficiency: float,
        config_digest: str,
    ) -> None:
        super().__init__(
            model, name=name, ladder=ladder, config=config, sufficiency=sufficiency, config_digest=config_digest
        )
        self._seen: LruCache[bytes, FlagScores] = LruCache(FLAG_CACHE_SIZE)

    def read_flags(self, text: str, *, deadline: float, windows: int) -> FlagReading:
        """Flags of a text that is not the question, window by window.

        Raises:
            DecisionTimeoutError: No window could be read before ``deadline``. Where some were, the reading says that
                it is not complete.
            ProposerError: It is closed, or failed otherwise.
        """
        self._check(deadline)
        key = text_digest(text)
        seen = self._seen.get(key)
        if seen is not None:
            return FlagReading(flags=self._raised(seen), windows=0, complete=True)
        try:
            scores, read, complete, _ = self._windows(text, deadline, windows)
        except Exception as error:
            raise ProposerError(f"The classifier failed with {type(error).__name__}.") from None
        if windows > 0 and not read:
            raise DecisionTimeoutError("No window was read before the deadline.")
        if complete:
            self._seen.put(key, scores)
        return FlagReading(flags=self._raised(scores), windows=read, complete=complete)

    def close(self) -> None:
        super().close()
        self._seen.clear()

    def _read(self, text: str, deadline: float, windows: int) -> tuple[Known, bool]:
        known, _ = super()._read(text, deadline, windows)
        if len(text) <= WINDOW:
            return known, True
        scores, read, complete, lasting = self._windows(text, deadline, windows)
        scores = scores.highest(known.flags)
        fields = {**known.fields, **{name: _two(p) for name, p in scores._asdict().items()}}
        return known._replace(flags=scores, fields=fields, complete=complete, windows=1 + read), lasting

    def _windows(self, text: str, deadline: float, budget: int) -> tuple[FlagScores, int, bool, bool]:
        """Highest scores of at most ``budget`` windows, how many, whether they are all, and whether time was enough."""
        scores, read = NO_FLAGS, 0
        for start, end in spans(len(text)):
            if read >= budget:
                return scores, read, False, True
            if time.monotonic() >= deadline:
                return scores, read, False, False
            found = self._flags(self._model.logits(text[start:end]))
            if not all(math.isfinite(p) for p in found):
                raise ProposalInvalidError("The classifier's flags are not finite numbers.")
            scores, read = scores.highest(found), read + 1
        return scores, read, True, True


def spans(length: int) -> Iterator[tuple[int, int]]:
    """Start and end of each window over so many characters; one for an empty text."""
    start = 0
    while True:
        yield start, min(start + WINDOW, length)
        if start + WINDOW >= length:
            return
        start += WINDOW - OVERLAP


def _choices(
    model: ClassifierModel, field: str, configured: Sequence[str], packaged: Sequence[str], name: str
) -> tuple[int, ...]:
    """Places of the values that may come out; none where the field was not fitted.

    Where the packaged list stands unchanged in the configuration, values of it that the rows never had just do not
    come.
    """
    known = model.values.get(field)
    if known is None:
        return ()
    if tuple(configured) == tuple(packaged) and set(known) <= set(packaged):
        return tuple(range(len(known)))
    unknown = [value for value in configured if value not in known]
    if unknown:
        raise ConfigError(
            f"router.{field}s: {name!r} was not fitted for {unknown[0]!r}. It knows {list(known)}.",
            fix=f"use those, or a subset of them, as `{field}s:` under `router:`.",
        )
    return tuple(i for i, value in enumerate(known) if value in configured)


def _usual(value: str, values: Sequence[str]) -> str:
    return value if value in values else values[-1]


def _two(probability: float) -> dict[str, float]:
    return {"true": probability, "false": 1.0 - probability}
