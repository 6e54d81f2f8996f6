"""The heads that a configuration names, applied to what one decode of the embedded model's kind yields.

A head was fitted on the logits of one very model; on another's they mean nothing. Failure rule: what does not fit is an
error where it is loaded. What a head says at run time is checked like the model's own: numbers that are no
probabilities raise `ValueError`, and the decision falls back.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tiergraph.errors import ConfigError, ModelError
from tiergraph.proposal import DIFFICULTIES
from tiergraph.proposers.calibration import DEFAULT_THRESHOLD, TierScores
from tiergraph.proposers.reading import FLAG_VALUES, FieldProbabilities, Labels, Reading

if TYPE_CHECKING:
    from tiergraph.config import RouterModelConfig
    from tiergraph.proposers.heads import FieldHead, GenericHead, LadderHead
    from tiergraph.tiers import Ladder

VALUES: Mapping[str, Sequence[str] | None] = {
    "intent": None,
    "difficulty": tuple(map(str, DIFFICULTIES)),
    "needs_retrieval": FLAG_VALUES,
    "reason": None,
}
"""Field that a head may read to the values that it has to have; ``None`` is those that the configuration states.

The flags are not among them: policy acts on them, and they are read window by window, where a head has no text.
"""

_TUNE = "run `tiergraph tune` again."


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """Heads in memory.

    Attributes:
        ladder: Scores the tiers in place of the model; ``None`` leaves that to the model.
        generic: Scores the tiers of any ladder, where there is no head for this one.
        tiers: Rungs of the ladder.
        fields: Field to the head that reads it.
        digests: sha256 of each, in the order of the configuration.
    """

    tiers: int
    ladder: LadderHead | None = None
    generic: GenericHead | None = None
    fields: Mapping[str, FieldHead] = field(default_factory=dict)
    digests: tuple[str, ...] = ()

    @classmethod
    def load(
        cls,
        config: RouterModelConfig,
        ladder: Ladder,
        *,
        model: str,
        digest: str,
        trained: bool,
        packaged: Path | None = None,
    ) -> Fitted | None:
        """The heads of ``config.heads`` and the packaged one, or ``None`` where there are none.

        Args:
            packaged: The generic head beside the embedded model, where there is one. A head for the ladder replaces it.
            model: Name of the model's file, for errors.
            digest: sha256 of that file.
            trained: Whether the model has the contract of `tiergraph.proposers.contract`.

        Raises:
            ConfigError: A head for another ladder, two for one thing, a field or values that do not fit, or a model
                that can have none.
            ModelError: A file that is missing or damaged, or a head that was fitted on another model.
        """
        if not config.heads and packaged is None:
            return None
        if not trained:
            raise ConfigError(
                f"router.heads: {model} was not trained by `tiergraph train`, and only such a model can have heads.",
                fix="leave heads out, or name the model that they were fitted on.",
            )
        from tiergraph.proposers.heads import GenericHead, LadderHead

        found: LadderHead | None = None
        generic: GenericHead | None = None
        fields: dict[str, FieldHead] = {}
        digests = []
        for path in map(Path, config.heads):
            head = _load(path)
            _check_model(head, path.name, model, digest, fix=_TUNE)
            if isinstance(head, LadderHead):
                _check_ladder(head, path.name, ladder, known=found is not None)
                found = head
            else:
                _check_field(head, path.name, config, known=head.field in fields)
                fields[head.field] = head
            digests.append(head.digest)
        if found is None and packaged is not None:
            generic = GenericHead.load(packaged)
            _check_model(generic, packaged.name, model, digest, fix="install tiergraph again.")
            digests.append(generic.digest)
        return cls(tiers=len(ladder), ladder=found, generic=generic, fields=fields, digests=tuple(digests))

    def apply(self, text: str, reading: Reading) -> Reading:
        """``reading``, which nobody else has yet, changed to what the heads see.

        ``text``: all of the request, however much of it the model's window holds.

        Raises:
            ValueError: A head gave what are no probabilities.
        """
        logits = reading.logits
        if logits is None:
            raise ValueError("reading has no logits for heads")
        reading.logits = None  # it is not kept, and copying a reading would be a tenth of what a head costs
        if self.ladder is not None:
            reading.tiers = tier_scores(self.ladder.cumulative(text, logits))
        elif self.generic is not None:
            reading.tiers = tier_scores(self.generic.cumulative(text, logits, tiers=self.tiers))
        if self.fields:
            said = {name: head.probabilities(text, logits) for name, head in self.fields.items()}
            reading.labels, reading.fields = _labelled(reading, said)
        return reading


def tier_scores(cumulative: Sequence[float]) -> TierScores:
    """Scores of a ladder from the probability that each tier but the top suffices, rising in [0, 1].

    Raises:
        ValueError: They fall, leave [0, 1] or are no numbers.
    """
    levels = (0.0, *map(float, cumulative), 1.0)
    if not all(low <= high for low, high in pairwise(levels)):
        raise ValueError("head gave levels that do not rise in [0, 1]")
    return TierScores(probabilities=tuple(high - low for low, high in pairwise(levels)))


def _labelled(reading: Reading, said: Mapping[str, Mapping[str, float]]) -> tuple[Labels, FieldProbabilities]:
    """Labels and their probabilities, where heads read them."""
    labels: dict[str, Any] = {}
    for name, values in said.items():
        total = math.fsum(values.values())
        if not abs(total - 1.0) < 1e-4 or min(values.values()) < 0.0:
            raise ValueError(f"head gave probabilities of {name!r} that do not sum to 1")
        likeliest = max(values, key=values.__getitem__)
        if name == "needs_retrieval":
            labels[name] = values["true"] >= DEFAULT_THRESHOLD
        else:
            labels[name] = int(likeliest) if name == "difficulty" else likeliest
    return reading.labels._replace(**labels), reading.fields.replaced(said)


def _load(path: Path) -> LadderHead | FieldHead:
    """A head of the kind that its manifest says."""
    from tiergraph.proposers.heads import FieldHead, LadderHead

    if path.suffix != ".npz":
        raise ConfigError(f"router.heads: {path.name!r} is no head.", fix="name the .npz that `tiergraph tune` wrote.")
    return LadderHead.load(path) if kind_of(path) in (LadderHead.KIND, None) else FieldHead.load(path)


def kind_of(path: Path) -> str | None:
    """``ladder``, or the field that a head reads, as its manifest says; ``None`` where that cannot be read."""
    try:
        manifest: Any = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        return str(manifest.get("field") or manifest["kind"])
    except (OSError, ValueError, AttributeError, KeyError, RecursionError):
        return None  # loading says what is wrong with it


def _check_model(head: LadderHead | FieldHead | GenericHead, file: str, model: str, digest: str, *, fix: str) -> None:
    if head.model_sha256 != digest:
        fitted_on = f"a model whose sha256 begins {head.model_sha256[:12]}" if head.model_sha256 else "no model"
        raise ModelError(f"{file}: it was fitted on {fitted_on}, and that of {model} begins {digest[:12]}. Fix: {fix}")


def _check_ladder(head: LadderHead, file: str, ladder: Ladder, *, known: bool) -> None:
    if known:
        raise ConfigError(f"router.heads: {file} is a second head for the ladder.", fix="leave one of them out.")
    if tuple(head.tiers) != ladder.names:
        raise ConfigError(
            f"router.heads: {file} was fitted for the tiers {list(head.tiers)}, and the ladder is "
            f"{list(ladder.names)}.",
            fix=_TUNE,
        )


def _check_field(head: FieldHead, file: str, config: RouterModelConfig, *, known: bool) -> None:
    name, values = head.field, list(head.values)
    if known:
        raise ConfigError(f"router.heads: {file} is a second head for {name!r}.", fix="leave one of them out.")
    if name not in VALUES:
        raise ConfigError(f"router.heads: {file} reads {name!r}.", fix=f"a head may read one of {list(VALUES)}.")
    stated = {"intent": config.intents, "reason": config.reasons}.get(name)
    if stated is not None and set(stated) != set(values):
        raise ConfigError(
            f"router.{name}s: {list(stated)} are configured, and {file} knows {values}.",
            fix=f"write `{name}s: [{', '.join(values)}]`, or {_TUNE}",
        )
    closed = VALUES[name]
    if closed is not None and set(closed) != set(values):
        raise ConfigError(f"router.heads: {file} has the values {values} for {name!r}, not {list(closed)}.", fix=_TUNE)
