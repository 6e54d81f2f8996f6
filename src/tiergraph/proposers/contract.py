"""The embedded model's contract: one decision token, at which the logits of all fields are read."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tiergraph.errors import ConfigError, ModelError
from tiergraph.proposal import DIFFICULTIES, FIELDS
from tiergraph.proposers.calibration import Calibration, LevelMap, softmax
from tiergraph.proposers.reading import (
    FLAG_VALUES,
    FieldProbabilities,
    FlagScores,
    Labels,
    Reading,
    Tail,
    Thresholds,
)

KEY = "tiergraph.contract"
"""GGUF metadata key that holds it as JSON."""

VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Contract:
    """Token ids by name.

    Attributes:
        bos: Begins every request.
        decide: Ends it; there the logits are read.
        fields: Field to value to token. Of ``tier`` the values are ordinal slots of needed capability.
        probes: Tokens whose logits are features for a tuned head.
        max_request_tokens: Request tokens in one window, > 0.
    """

    bos: int
    decide: int
    fields: Mapping[str, Mapping[str, int]]
    probes: tuple[int, ...]
    max_request_tokens: int

    @classmethod
    def parse(cls, text: str, *, vocabulary: int, file: str) -> Contract:
        """From the metadata of ``file``, a model with ``vocabulary`` tokens.

        Raises:
            ModelError: Another version, a field that is missing or off its values, or a token that is outside the
                vocabulary or stands for two things.
        """

        def bad(problem: str) -> ModelError:
            return ModelError(f"{file}: its {KEY!r} {problem}. Fix: export the model again with `tiergraph train`.")

        try:
            data: dict[str, Any] = json.loads(text)
            version = data["version"]
            if version != VERSION:
                raise bad(f"has version {version!r}, this tiergraph reads {VERSION}")
            fields = {
                str(name): {str(value): int(token) for value, token in values.items()}
                for name, values in data["fields"].items()
            }
            contract = cls(
                bos=int(data["bos"]),
                decide=int(data["decide"]),
                fields=fields,
                probes=tuple(int(token) for token in data.get("probes", ())),
                max_request_tokens=int(data["max_request_tokens"]),
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise bad(f"cannot be read ({type(error).__name__}: {error})") from None
        if contract.max_request_tokens <= 0:
            raise bad(f"has max_request_tokens {contract.max_request_tokens!r}")
        absent = sorted(set(FIELDS) - set(fields))  # further ones, such as those of an agent's step, are not read here
        if absent:
            raise bad(f"lacks the fields {absent}")
        if list(fields["tier"]) != [str(slot) for slot in range(len(fields["tier"]))] or len(fields["tier"]) < 2:
            raise bad(f"has the tier slots {list(fields['tier'])}, not 0, 1, ... in order")
        closed = {"difficulty": ("1", "2", "3"), **dict.fromkeys(("needs_retrieval", *FlagScores._fields), FLAG_VALUES)}
        for name, values in closed.items():
            if set(fields[name]) != set(values):
                raise bad(f"has the values {sorted(fields[name])} for {name!r}, not {sorted(values)}")
        meaning: dict[int, str] = {}
        for what, token in contract.named_tokens():
            if not 0 <= token < vocabulary:
                raise bad(f"names token {token} for {what}, outside the vocabulary of {vocabulary}")
            if token in meaning:
                raise bad(f"gives token {token} to both {meaning[token]} and {what}")
            meaning[token] = what
        return contract

    def named_tokens(self) -> list[tuple[str, int]]:
        """Every token of the contract with what it stands for."""
        values = [(f"{name}:{value}", token) for name, tokens in self.fields.items() for value, token in tokens.items()]
        probes = [(f"probe:{i}", token) for i, token in enumerate(self.probes)]
        return [("bos", self.bos), ("decide", self.decide), *values, *probes]

    @property
    def features(self) -> dict[str, int]:
        """Name to token of what heads are fitted on: every value of every field, then the probes."""
        return dict(self.named_tokens()[2:])


class ContractHead:
    """Reads a model that was trained for one decision token."""

    def __init__(
        self,
        contract: Contract,
        calibration: Calibration,
        *,
        tiers: int,
        intents: Sequence[str] | None,
        reasons: Sequence[str] | None,
        file: str,
        features: bool = False,
    ) -> None:
        """``tiers``: rungs of the ladder; ``intents`` and ``reasons``: the configured sets, ``None`` where a head
        reads them; ``features``: whether readings hold the logits that heads are applied to.

        Raises:
            ConfigError: A configured intent or reason that the model was not trained for.
        """
        for name, configured in (("intents", intents), ("reasons", reasons)):
            trained = list(contract.fields[name[:-1]])
            unknown = [value for value in configured or () if value not in trained]
            if unknown:
                raise ConfigError(
                    f"router.{name}: {file} was not trained for {unknown[0]!r}. It knows {trained}.",
                    fix=f"use a subset of those, train a model on your own {name} with `tiergraph train`, "
                    "or name another GGUF, which reads any.",
                )
        self.raise_flags = Thresholds(calibration)
        self.window = contract.max_request_tokens
        self.prompt = (contract.bos,)
        chosen: dict[str, Sequence[str]] = {name: tuple(contract.fields[name]) for name in FIELDS}
        chosen |= dict.fromkeys(("needs_retrieval", *FlagScores._fields), FLAG_VALUES)
        chosen |= {"difficulty": ("1", "2", "3")}
        chosen |= {
            name: tuple(given) for name, given in (("intent", intents), ("reason", reasons)) if given is not None
        }
        self._levels = LevelMap(len(chosen["tier"]), tiers, calibration)
        self._values = chosen
        self._temperatures = {name: calibration.temperature(name) for name in chosen}
        self._retrieval_threshold = calibration.threshold("needs_retrieval")
        self._places: dict[str, slice] = {}
        gather: list[tuple[int, int]] = []
        for name, values in chosen.items():
            self._places[name] = slice(len(gather), len(gather) + len(values))
            gather += [(0, contract.fields[name][value]) for value in values]
        self.features = contract.features
        self._features = len(gather) if features else None
        if features:
            gather += [(0, token) for token in self.features.values()]
        self.tail = Tail(
            tokens=(contract.decide,), depths=(0,), sequences=((0,),), outputs=(False, True), gather=tuple(gather)
        )

    def read(self, logits: Sequence[float]) -> Reading:
        """One softmax per field. Raises ``ValueError`` where a logit is not finite."""
        if not math.isfinite(sum(logits)):
            raise ValueError("logits are not finite numbers")
        return Reading(
            tiers=self._levels(self._softmax("tier", logits)),
            labels=Labels(
                DIFFICULTIES[self._likeliest("difficulty", logits)],
                self._values["intent"][self._likeliest("intent", logits)],
                self._softmax("needs_retrieval", logits)[0] >= self._retrieval_threshold,
                self._values["reason"][self._likeliest("reason", logits)],
            ),
            fields=FieldProbabilities(
                lambda name: dict(zip(self._values[name], self._softmax(name, logits), strict=True))
            ),
            flags=FlagScores(self._softmax("contains_pii", logits)[0], self._softmax("is_legal", logits)[0]),
            logits=None if self._features is None else np.array(logits[self._features :], np.float32),
        )

    def _softmax(self, name: str, logits: Sequence[float]) -> list[float]:
        return softmax(logits[self._places[name]], self._temperatures[name])

    def _likeliest(self, name: str, logits: Sequence[float]) -> int:
        part = logits[self._places[name]]
        return part.index(max(part))


def parse_manifest(text: str, *, file: str) -> tuple[str, Calibration]:
    """The model's sha256 and its calibration, from the JSON beside it.

    Raises:
        ModelError: Not JSON, or a part that cannot be used; the message names it.
    """
    try:
        data = json.loads(text)
        return str(data["gguf_sha256"]), Calibration.parse(data.get("calibration", {}))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        problem = f"{type(error).__name__}: {error}" if isinstance(error, KeyError) else str(error)
        raise ModelError(
            f"{file}: the manifest cannot be used ({problem}). Fix: export the model again with `tiergraph train`."
        ) from None
