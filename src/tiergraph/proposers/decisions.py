"""A decision model of LangChain's as a router model: all questions in one request, and nothing that comes is trusted.

What it says of its own certainty has to be earned. Without a calibration its choice holds, clipped by policy, and
counts as one half; with one, its probabilities are mapped to how often it was right, and the tier is read from them.

Failure rule: whatever the model raises is a `ProposerError` that holds nothing of it. It reads no flags of other texts:
it may be a server, and would be handed what the flags are to protect.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import math
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tiergraph.config import RouterModelConfig, expand_env
from tiergraph.errors import (
    ConfigError,
    DecisionTimeoutError,
    ProposalInvalidError,
    ProposerError,
    ProposerUnavailableError,
)
from tiergraph.policy import clip
from tiergraph.proposers.base import Flags, Narrow, Proposed
from tiergraph.proposers.cache import LruCache
from tiergraph.proposers.calibration import TierScores, choose, mask_tiers
from tiergraph.proposers.confidence import UNEARNED, ConfidenceMap, one_against_rest
from tiergraph.proposers.decision_questions import Questions, Said, decisions
from tiergraph.proposers.pool import CLOSED
from tiergraph.proposers.reading import proposal_of
from tiergraph.tiers import Ladder, Location

if TYPE_CHECKING:
    from tiergraph.proposers.hosted import Guess

MAX_CHARACTERS = 24_000
"""Of a request; of a longer one two thirds from its start and one from its end are sent, and the rest is unread."""

_LEAST = 1e-9
_QUIET: Any = {"tags": ["nostream"]}

Key = tuple[bytes, tuple[str, ...]]


class DecisionModelProposer:
    """A decision model as a router model. As safe to call from several threads as the model is; `load` makes one."""

    def __init__(
        self,
        model: Any,
        *,
        ladder: Ladder,
        config: RouterModelConfig,
        sufficiency: float,
        config_digest: str,
        calibration: ConfidenceMap | None = None,
    ) -> None:
        """Use `load`, which checks what it is given."""
        assert config.location is not None
        self._model, self._ladder, self._config = model, ladder, config
        self._sufficiency, self._calibration = sufficiency, _usable(calibration, config, self.calibrated_as)
        self._questions = Questions(ladder, config.intents, config.reasons)
        self._said: LruCache[Key, Said] = LruCache(config.cache_size)
        self._closed = False
        self.name: str = config.model
        self.location: Location = config.location
        whole = [config.model, _described(model), config.params, self._questions.digest, config_digest]
        self.digest = hashlib.sha256(json.dumps(whole, ensure_ascii=True, default=str).encode()).hexdigest()
        """sha256 over the reference, the model's own name, its parameters and all questions."""

    @classmethod
    def load(
        cls, found: Any, *, ladder: Ladder, config: RouterModelConfig, sufficiency: float, config_digest: str
    ) -> DecisionModelProposer:
        """A router model from a decision model, bare or with retries, fallbacks or a config of LangChain's around it.

        Args:
            found: A `langchain_core.decisions.BaseDecisionModel`; it is not closed with the router model.
            sufficiency: Probability in (0, 1) of being sufficient that a tier needs to be chosen.
            config_digest: sha256 of the configuration.

        Raises:
            ConfigError: It is no decision model, its location is not stated, or its calibration cannot be used.
            MissingExtraError: The installed langchain-core has no decision models.
        """
        if not isinstance(_bare(found), decisions().BaseDecisionModel):
            raise ConfigError(
                f"router.model: {config.model!r} is a {type(found).__name__}, not a decision model.",
                fix="point it at a langchain_core.decisions.BaseDecisionModel; a chat model is openai: or ollama:.",
            )
        if config.location is None:
            raise ConfigError(
                f"router.model: {config.model!r} states no location.", fix="write `location: on_prem` or `external`."
            )
        return cls(
            found,
            ladder=ladder,
            config=config,
            sufficiency=sufficiency,
            config_digest=config_digest,
            calibration=None if config.calibration is None else ConfidenceMap.load(expand_env(config.calibration)),
        )

    @property
    def calibrated_as(self) -> str:
        """What a calibration is good for: the reference, the model's own name, and the tiers it chooses among."""
        return f"{self._config.model} | {_described(self._model)} | {' < '.join(self._ladder.names)}"

    def guess(self, text: str, *, deadline: float) -> Guess:
        """Its own choice among all tiers and how sure it is, for calibration. Raises as `propose`."""
        from tiergraph.proposers.hosted import Guess

        sent, _, asked, _ = self._prepared(text, lambda _: self._ladder.names, deadline)
        try:
            response = self._model.invoke(self._request(sent, asked), _QUIET)
        except Exception as error:
            raise _as_proposer_error(error) from None
        said = self._understood(response, asked)
        return Guess(said.tier, said.tiers[said.tier], "stated")

    def propose(self, text: str, *, narrow: Narrow, deadline: float, windows: int) -> Proposed:
        """One decision, as the contract in `tiergraph.proposers.base` says. ``windows`` is of no use to it.

        The model is not interrupted at the deadline; what comes later is not used.

        Raises:
            DecisionTimeoutError: Later than ``deadline``, even where the result came.
            ProposalInvalidError: An answer that does not fit its question.
            ProposerUnavailableError: The model failed.
            ProposerError: It is closed.
        """
        sent, complete, asked, key = self._prepared(text, narrow, deadline)
        if not asked:
            return self._nothing(complete)
        said = self._said.get(key)
        if said is not None:
            return self._proposed(said, asked, narrow, deadline, complete=complete, cached=True)
        try:
            response = self._model.invoke(self._request(sent, asked), _QUIET)
        except Exception as error:
            raise _as_proposer_error(error) from None
        return self._fresh(response, key, narrow, deadline, complete=complete)

    async def apropose(self, text: str, *, narrow: Narrow, deadline: float, windows: int) -> Proposed:
        """As `propose`, without blocking the event loop, and the model is interrupted at the deadline."""
        sent, complete, asked, key = self._prepared(text, narrow, deadline)
        if not asked:
            return self._nothing(complete)
        said = self._said.get(key)
        if said is not None:
            return self._proposed(said, asked, narrow, deadline, complete=complete, cached=True)
        left = None if math.isinf(deadline) else deadline - time.monotonic()
        try:
            response = await asyncio.wait_for(self._model.ainvoke(self._request(sent, asked), _QUIET), left)
        except Exception as error:
            raise _as_proposer_error(error) from None
        return self._fresh(response, key, narrow, deadline, complete=complete)

    def close(self) -> None:
        """It is asked no more. The decision model is yours and stays open."""
        self._closed = True
        self._said.clear()

    def _prepared(self, text: str, narrow: Narrow, deadline: float) -> tuple[str, bool, tuple[str, ...], Key]:
        """What is sent, whether that is all, the tiers to ask about, and the key of the cache."""
        from tiergraph.request import clean_text

        if self._closed:
            raise ProposerError(CLOSED)
        if time.monotonic() >= deadline:
            raise DecisionTimeoutError("The deadline had passed before the decision began.")
        sent = clean_text(text)
        key = hashlib.sha256(sent.encode()).digest()  # of the whole text: two may be alike where they are cut
        complete = len(sent) <= MAX_CHARACTERS
        if not complete:
            tail = MAX_CHARACTERS // 3
            sent = f"{sent[: MAX_CHARACTERS - tail]}\n[...]\n{sent[-tail:]}"
        asked = self._ladder.in_order(narrow(Flags(contains_pii=not complete)))
        return sent, complete, asked, (key, asked)

    def _request(self, sent: str, asked: tuple[str, ...]) -> dict[str, Any]:
        return {"state": {"request": sent}, "questions": self._questions.ask(asked)}

    def _fresh(self, response: object, key: Key, narrow: Narrow, deadline: float, *, complete: bool) -> Proposed:
        said = self._understood(response, key[1])
        proposed = self._proposed(said, key[1], narrow, deadline, complete=complete, cached=False)
        self._said.put(key, said)
        return proposed

    def _understood(self, response: object, asked: tuple[str, ...]) -> Said:
        try:
            return self._questions.read(response, asked)
        except ProposerError:
            raise
        except Exception as error:  # an answer that was never validated, such as one without its attributes
            raise ProposalInvalidError(f"The decision model's answer is no answer ({type(error).__name__}).") from None

    def _proposed(
        self, said: Said, asked: tuple[str, ...], narrow: Narrow, deadline: float, *, complete: bool, cached: bool
    ) -> Proposed:
        """Policy hears the flags, and the tier is read from what it then leaves of the tiers asked about."""
        if time.monotonic() > deadline:
            raise DecisionTimeoutError("The decision came later than its deadline.")
        flags = said.flags if complete else replace(said.flags, contains_pii=True)
        wanted = narrow(flags)
        allowed = tuple(name for name in asked if name in wanted)
        tier, probabilities = self._tier(said, allowed) if allowed else ("", {})
        return Proposed(
            proposal=proposal_of(tier, said.labels, flags, allowed=allowed, config=self._config) if allowed else None,
            flags=flags,
            confidence=probabilities.get(tier, 0.0),
            score=self._score(said, asked),
            tier_probabilities={name: probabilities.get(name, 0.0) for name in self._ladder.names},
            field_probabilities=said.fields,
            complete=complete,
            cached=cached,
            confidence_from="stated",
        )

    def _tier(self, said: Said, allowed: tuple[str, ...]) -> tuple[str, Mapping[str, float]]:
        """The tier, and the probabilities of the allowed ones."""
        names = self._ladder.names
        if self._calibration is None:
            tier = clip(said.tier, allowed, self._ladder)
            return tier, one_against_rest(tier, UNEARNED, allowed)
        earned = self._earned(said, self._calibration)
        open_ = [name in allowed for name in names]
        masses = tuple(earned.get(name, 0.0) for name in names)
        # Where the model left nothing for the tiers that remain, they are equally likely.
        logs = tuple(math.log(max(mass, _LEAST)) for mass in masses)
        masked = mask_tiers(TierScores(masses, logs), open_)
        return names[choose(masked, open_, self._sufficiency)], dict(zip(names, masked, strict=True))

    def _earned(self, said: Said, calibration: ConfidenceMap) -> dict[str, float]:
        """Probabilities of the tiers asked about: of its choice as often as it is right, the rest in proportion."""
        others = {name: p for name, p in said.tiers.items() if name != said.tier}
        if not others:
            return {said.tier: 1.0}
        worth = calibration(said.tiers[said.tier])
        total = math.fsum(others.values())
        shares = {name: p / total if total > 0 else 1 / len(others) for name, p in others.items()}
        return {said.tier: worth, **{name: (1 - worth) * share for name, share in shares.items()}}

    def _score(self, said: Said, asked: tuple[str, ...]) -> float:
        """Of the tiers where the cheapest was one to choose, else of the difficulty."""
        cheapest = self._ladder.names[0]
        if len(asked) == 1 or cheapest not in asked:
            return 1.0 - said.fields["difficulty"]["1"]
        if self._calibration is None:
            return 1.0 - one_against_rest(said.tier, UNEARNED, asked)[cheapest]
        return min(1.0, max(0.0, 1.0 - self._earned(said, self._calibration)[cheapest]))

    def _nothing(self, complete: bool) -> Proposed:
        """Policy leaves no tier: the model need not be asked, and could not change it."""
        return Proposed(
            proposal=None,
            flags=Flags(contains_pii=not complete),
            confidence=0.0,
            score=0.0,
            tier_probabilities=dict.fromkeys(self._ladder.names, 0.0),
            complete=complete,
            windows=0,
            confidence_from="stated",
        )


def _bare(found: Any) -> Any:
    """The runnable inside what ``with_retry``, ``with_config`` and ``with_fallbacks`` put around it."""
    for _ in range(16):
        inner = getattr(found, "bound", None) or getattr(found, "runnable", None)
        if inner is None:
            break
        found = inner
    return found


def _described(model: Any) -> str:
    bare = _bare(model)
    return f"{type(bare).__module__}.{type(bare).__qualname__} {bare.model}"


def _usable(found: ConfidenceMap | None, config: RouterModelConfig, measured_on: str) -> ConfidenceMap | None:
    if found is None:
        return None
    if found.model not in ("", measured_on) or found.source not in ("stated", "any"):
        raise ConfigError(
            f"The calibration was measured on {found.model!r} ({found.source}), "
            f"this router model is {measured_on!r} (stated).",
            file=config.calibration,
            fix="measure this model, or leave `calibration` out.",
        )
    return found


def _as_proposer_error(error: Exception) -> ProposerError:
    """By kind. The message of a provider's exception may repeat the request: only its type is named."""
    from pydantic import ValidationError

    from tiergraph.answering import classify

    kind = type(error).__name__
    if isinstance(error, ValidationError):
        return ProposalInvalidError(f"The decision model's answer is no answer ({kind}).")
    code = classify("", error).code
    if code == "timeout":
        return DecisionTimeoutError(f"The decision model was late ({kind}).")
    return ProposerUnavailableError(f"The decision model failed: {code} ({kind}).")
