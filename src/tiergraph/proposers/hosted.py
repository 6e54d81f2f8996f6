"""A hosted model as router model: any OpenAI-compatible server, or Ollama. Nothing that it says is trusted.

It is asked for JSON of the schema of the allowed set. Its flags are then heard by policy, and what policy leaves clips
the tier. Where the server gives the probabilities of its tokens, the tier is read from those of its allowed values.
Else the model states a confidence, which counts as one half until a calibration has shown what it is worth.

Failure rule: whatever goes wrong is a `ProposerError` without content; the chain's breaker leaves it alone after some.
It reads no flags of other texts on purpose: it would be handed what the flags are to protect.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from tiergraph.config import RouterModelConfig, expand_env
from tiergraph.effects import Call, Steps, arun, run
from tiergraph.errors import (
    ConfigError,
    DecisionTimeoutError,
    EndpointError,
    ProposalInvalidError,
    ProposerError,
    ProposerUnavailableError,
)
from tiergraph.policy import clip
from tiergraph.probing import ProbeReport
from tiergraph.proposal import Proposal, parse_proposal, render_proposal
from tiergraph.proposers.asking import MAX_CHARACTERS, Asking, form_for, shortened
from tiergraph.proposers.base import ConfidenceFrom, Flags, Narrow, Proposed
from tiergraph.proposers.cache import LruCache
from tiergraph.proposers.calibration import TierScores, choose, mask_tiers
from tiergraph.proposers.confidence import UNEARNED, ConfidenceMap, Source, one_against_rest
from tiergraph.proposers.pool import CLOSED
from tiergraph.proposers.reading import Labels, proposal_of
from tiergraph.proposers.token_walk import value_probabilities
from tiergraph.structured import Structured, StructuredClient
from tiergraph.tiers import Ladder, Location

ALTERNATIVES = 10
"""Tokens with their probabilities that are asked for at every place; servers give 20 at most, some fewer."""


class Guess(NamedTuple):
    """What a model thinks itself, before policy and calibration: its likeliest tier and how sure it is, in [0, 1]."""

    tier: str
    confidence: float
    source: Source


@dataclass(frozen=True, kw_only=True)
class _Said:
    """A validated answer.

    Attributes:
        stated: Its stated confidence in [0, 1].
        tokens: Tier to the probability of its tokens, where the server gave them; sum 1.
    """

    tier: str
    labels: Labels
    flags: Flags
    stated: float
    tokens: Mapping[str, float] | None

    @property
    def source(self) -> Source:
        return "stated" if self.tokens is None else "tokens"


class _Key(NamedTuple):
    text: bytes
    allowed: tuple[str, ...]
    config: str


class _Prepared(NamedTuple):
    """A request ready to be asked; ``asked`` are the tiers to choose among."""

    text: str
    complete: bool
    asked: tuple[str, ...]
    key: _Key


class HostedProposer:
    """A hosted model as router model. Safe to call from several threads and event loops; `load` makes one."""

    def __init__(
        self,
        client: StructuredClient,
        *,
        ladder: Ladder,
        config: RouterModelConfig,
        sufficiency: float,
        config_digest: str,
    ) -> None:
        """Takes over ``client``. Use `load`, which also probes the server."""
        self._client, self._ladder, self._config = client, ladder, config
        self._sufficiency, self._config_digest = sufficiency, config_digest
        self._asking = Asking(ladder, config.intents, config.reasons)
        self._map = _calibration(config, self.calibrated_as)
        self._logprobs = 0 if config.logprobs is False else ALTERNATIVES
        self._said: LruCache[_Key, _Said] = LruCache(config.cache_size)
        self._closed = False
        whole = [client.digest, self._asking.prompt.sha256, None if self._map is None else self._map.as_json()]
        self._digest = hashlib.sha256(json.dumps(whole).encode()).hexdigest()

    @classmethod
    def load(
        cls, *, ladder: Ladder, config: RouterModelConfig, sufficiency: float, config_digest: str
    ) -> HostedProposer:
        """Open the connection and prove that the server keeps to a schema. One that is down is probed when first asked.

        Args:
            sufficiency: Probability in (0, 1) of being sufficient that a tier needs to be chosen.
            config_digest: sha256 of the configuration; part of the cache's key.

        Raises:
            ConfigError: A key or an environment variable is missing, or the calibration cannot be used.
            ModelError: The server answers and keeps to no schema; names the fix.
        """
        client = StructuredClient(config, mode=config.mode)
        try:
            proposer = cls(client, ladder=ladder, config=config, sufficiency=sufficiency, config_digest=config_digest)
            client.probe()
        except BaseException:
            client.close()
            raise
        return proposer

    @property
    def name(self) -> str:
        return self._client.name

    @property
    def location(self) -> Location:
        return self._client.location

    @property
    def digest(self) -> str:
        """sha256 over what names the model, the prompt and the calibration; never a key."""
        return self._digest

    @property
    def calibrated_as(self) -> str:
        """What a calibration is good for: the model's reference, the prompt, and the tiers it chooses among."""
        prompt = self._asking.prompt
        return f"{self._config.model} | {prompt.name}/{prompt.version} | {' < '.join(self._ladder.names)}"

    def propose(self, text: str, *, narrow: Narrow, deadline: float, windows: int) -> Proposed:
        """One decision, as the contract in `tiergraph.proposers.base` says. ``windows`` is of no use to it.

        Raises:
            DecisionTimeoutError: Later than ``deadline``, even where the result came.
            ProposalInvalidError: No answer that keeps to the schema, after the last re-ask.
            ProposerUnavailableError: The server did not answer.
            ProposerError: It is closed.
        """
        return run(self._steps(text, narrow, deadline))

    async def apropose(self, text: str, *, narrow: Narrow, deadline: float, windows: int) -> Proposed:
        """As `propose`, without blocking the event loop; a cancelled await ends the call."""
        return await arun(self._steps(text, narrow, deadline))

    def guess(self, text: str, *, deadline: float) -> Guess:
        """What it thinks itself among all tiers, for calibration. Raises as `propose`."""
        prepared = self._prepare(text, lambda _: self._ladder.names, deadline)
        said = run(self._ask(prepared, deadline))
        if said.tokens is None:
            return Guess(said.tier, said.stated, "stated")
        tier = max(said.tokens, key=said.tokens.__getitem__)
        return Guess(tier, said.tokens[tier], "tokens")

    def probe(self, deadline: float | None = None) -> ProbeReport:
        """Prove again that the server keeps to a schema. Raises `ModelError` where it does not."""
        return self._client.probe(deadline)

    def close(self) -> None:
        self._closed = True
        self._client.close()
        self._said.clear()

    def _steps(self, text: str, narrow: Narrow, deadline: float) -> Steps[Proposed]:
        prepared = self._prepare(text, narrow, deadline)
        if not prepared.asked:
            return self._nothing(prepared)
        said = self._said.get(prepared.key)
        if said is not None:
            return self._proposed(said, prepared, narrow, cached=True)
        said = yield from self._ask(prepared, deadline)
        proposed = self._proposed(said, prepared, narrow)
        self._said.put(prepared.key, said)
        return proposed

    def _prepare(self, text: str, narrow: Narrow, deadline: float) -> _Prepared:
        from tiergraph.request import clean_text

        if self._closed:
            raise ProposerError(CLOSED)
        if time.monotonic() >= deadline:
            raise DecisionTimeoutError("The deadline had passed before the decision began.")
        cleaned = clean_text(text)
        complete = len(cleaned) <= MAX_CHARACTERS
        asked = self._ladder.in_order(narrow(Flags(contains_pii=not complete)))  # what is unread counts as found
        key = _Key(hashlib.sha256(cleaned.encode()).digest(), asked, self._config_digest)
        return _Prepared(shortened(cleaned), complete, asked, key)

    def _ask(self, prepared: _Prepared, deadline: float) -> Steps[_Said]:
        asked = prepared.asked
        form = form_for(asked, self._config.intents, self._config.reasons)
        messages = self._asking.messages(prepared.text, asked)
        given: dict[str, Any] = {
            "schema": form.schema,
            "deadline": deadline,
            "logprobs": self._logprobs if len(asked) > 1 else 0,
        }
        try:
            answer = yield Call(
                lambda: self._client.ask(messages, form.model, **given),
                lambda: self._client.aask(messages, form.model, **given),
            )
        except EndpointError as error:
            raise _as_proposer_error(error) from None
        if time.monotonic() > deadline:
            raise DecisionTimeoutError("The decision came later than its deadline.")
        return self._read(answer, asked)

    def _read(self, answer: Structured[Any], asked: tuple[str, ...]) -> _Said:
        values = json.loads(answer.text)
        proposal = self._validated(values, asked)
        tokens = None
        if answer.tokens:
            tokens = value_probabilities(answer.tokens, answer.text, "tier", asked)
        return _Said(
            tier=proposal.tier,
            labels=Labels(**{name: getattr(proposal, name) for name in Labels._fields}),
            flags=Flags(contains_pii=proposal.contains_pii, is_legal=proposal.is_legal),
            stated=values["confidence"] / 100,
            tokens=tokens,
        )

    def _validated(self, values: Mapping[str, object], allowed: tuple[str, ...]) -> Proposal:
        return parse_proposal(
            render_proposal(dict(values)),
            allowed=allowed,
            intents=self._config.intents,
            reasons=self._config.reasons,
        )

    def _proposed(self, said: _Said, prepared: _Prepared, narrow: Narrow, *, cached: bool = False) -> Proposed:
        """Policy hears the flags, and the tier is read from what it then leaves."""
        flags = said.flags if prepared.complete else replace(said.flags, contains_pii=True)
        names = self._ladder.names
        left = self._ladder.in_order(narrow(flags))
        tier, probabilities = self._choice(said, left) if left else ("", {})
        source: ConfidenceFrom = "stated" if said.tokens is None else "tokens"
        return Proposed(
            proposal=proposal_of(tier, said.labels, flags, allowed=left, config=self._config) if left else None,
            flags=flags,
            confidence=probabilities.get(tier, 0.0),
            score=self._score(said, prepared.asked),
            tier_probabilities={name: probabilities.get(name, 0.0) for name in names},
            complete=prepared.complete,
            cached=cached,
            confidence_from=source,
        )

    def _choice(self, said: _Said, allowed: tuple[str, ...]) -> tuple[str, Mapping[str, float]]:
        """The tier, and the probabilities of the allowed ones."""
        names = self._ladder.names
        if said.tokens is None:
            tier = clip(said.tier, allowed, self._ladder)
            # Of a tier that it was clipped to it said nothing.
            worth = self._worth(said) if tier == said.tier else min(self._worth(said), UNEARNED)
            return tier, one_against_rest(tier, worth, allowed)
        open_ = [name in allowed for name in names]
        spread = self._spread(said.tokens)
        masked = mask_tiers(TierScores(tuple(spread.get(name, 0.0) for name in names)), open_)
        return names[choose(masked, open_, self._sufficiency)], dict(zip(names, masked, strict=True))

    def _worth(self, said: _Said) -> float:
        if self._map is None or self._map.source not in ("stated", "any"):
            return UNEARNED
        return self._map(said.stated)

    def _spread(self, tokens: Mapping[str, float]) -> Mapping[str, float]:
        """Token probabilities, the likeliest tier's as often as it is right, the others in proportion."""
        if self._map is None or self._map.source not in ("tokens", "any") or len(tokens) == 1:
            return tokens
        best = max(tokens, key=tokens.__getitem__)
        worth, rest = self._map(tokens[best]), 1 - tokens[best]
        if rest <= 0:
            return one_against_rest(best, worth, tuple(tokens))
        return {name: worth if name == best else p * (1 - worth) / rest for name, p in tokens.items()}

    def _score(self, said: _Said, asked: tuple[str, ...]) -> float:
        """Of the tiers where the cheapest was one to choose, else of the difficulty, which is stated as well."""
        cheapest = self._ladder.names[0]
        if len(asked) == 1 or cheapest not in asked:
            easy = one_against_rest(str(said.labels.difficulty), UNEARNED, ("1", "2", "3"))["1"]
            return 1.0 - easy
        spread = (
            one_against_rest(said.tier, self._worth(said), asked) if said.tokens is None else self._spread(said.tokens)
        )
        return min(1.0, max(0.0, 1.0 - spread[cheapest]))

    def _nothing(self, prepared: _Prepared) -> Proposed:
        """Policy leaves no tier: the model need not be asked, and could not change it."""
        return Proposed(
            proposal=None,
            flags=Flags(contains_pii=not prepared.complete),
            confidence=0.0,
            score=0.0,
            tier_probabilities=dict.fromkeys(self._ladder.names, 0.0),
            complete=prepared.complete,
            windows=0,
            confidence_from="stated",
        )


def _calibration(config: RouterModelConfig, measured_on: str) -> ConfidenceMap | None:
    if config.calibration is None:
        return None
    path = expand_env(config.calibration)
    found = ConfidenceMap.load(path)
    if found.model not in ("", measured_on):
        raise ConfigError(
            f"The calibration was measured on {found.model!r}, this router model is {measured_on!r}.",
            file=path,
            fix="run tiergraph check --calibrate FILE --data ROWS again.",
        )
    return found


def _as_proposer_error(error: EndpointError) -> ProposerError:
    if error.code == "timeout":
        return DecisionTimeoutError(str(error))
    if error.code in ("invalid", "empty", "refusal"):
        return ProposalInvalidError(str(error))
    return ProposerUnavailableError(str(error))
