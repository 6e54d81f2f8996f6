"""What a decision says to the typed questions of a LangChain decision model. Pure, the class at the end apart.

Which question means what:

| question | means | answered with |
| --- | --- | --- |
| ``Choice`` whose labels are tiers | the tier | forbidden tiers have exactly 0 |
| ``Choice`` whose labels are intents, or reasons | the proposal's | the model's probabilities over those labels |
| ``Score`` of three levels, id ``difficulty`` | easy, medium, hard | likewise |
| ``Noul``, id one of `NOULS` | that flag, or that no tier may answer | likewise, and 1 where rules saw it |

A ``Choice`` means what its id says where that is ``tier``, ``intent`` or ``reason``; else its labels tell. Beside tiers
it may have the labels ``human`` and ``refuse``, for requests that no tier may answer. Text of instructions and criteria
is not read: what a request is asked about cannot change what policy allows.

Failure rule: a question of another kind, and a choice without a label that policy allows, is an `InputError`. Where no
router model could speak, flags are raised and the other labels are equally likely: no certainty is made up.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from langchain_core.decisions import (
    Answer,
    BaseDecisionModel,
    Choice,
    ChoiceAnswer,
    ClassifierResponse,
    Noul,
    NoulAnswer,
    Question,
    Score,
    ScoreAnswer,
    State,
)
from pydantic import PrivateAttr, TypeAdapter, ValidationError

from tiergraph.errors import InputError
from tiergraph.policy import Decision, clip
from tiergraph.proposal import DIFFICULTIES
from tiergraph.proposers.calibration import TierScores, mask_tiers
from tiergraph.tiers import Ladder

if TYPE_CHECKING:
    from tiergraph.config import RouterConfig
    from tiergraph.decider import Decider

NOULS = ("contains_pii", "is_legal", "needs_retrieval", "human", "refuse")
"""Ids of the yes-or-no questions that are answered."""

STATE_KEYS = ("text", "messages", "documents", "metadata", "attachments")
"""Keys of a mapping as state, as `Decider.decide` takes them."""

_OUTCOMES = ("human", "refuse")
_UNKNOWN: dict[str, str] = {"intent": "other", "reason": "unclear"}
_QUESTION: TypeAdapter[Question] = TypeAdapter(Question)

Field = Literal["tier", "intent", "reason", "difficulty", "noul"]


class Asked(NamedTuple):
    """One question, understood."""

    id: str
    field: Field
    labels: tuple[str, ...] = ()
    levels: tuple[Any, ...] = ()


class _Ruling(NamedTuple):
    """What a host may do that sends the text itself.

    outcome: As of a decision; a person as well where no tier is left.
    tiers: Those that may see the text as it is. Where policy redacts, that is none outside: a decision model hands
        back a label, so what the host sends has no placeholders.
    """

    outcome: Literal["route", "human", "refuse"]
    tiers: tuple[str, ...]


def read_state(state: Any) -> dict[str, Any]:
    """The arguments of `Decider.decide`.

    Args:
        state: A text, a message, messages in any form that LangChain converts, or a mapping with `STATE_KEYS`.

    Raises:
        InputError: A mapping with other keys; they would go unread, and policy with them.
    """
    if not isinstance(state, Mapping):
        return {"messages": state}
    if "content" in state:  # one message as a mapping
        return {"messages": [state]}
    if not state.keys() <= set(STATE_KEYS):
        raise InputError(
            f"The state has keys that no screen would read. Fix: use {list(STATE_KEYS)}, or send a text.",
            code="bad_state",
        )
    if ("text" in state) == ("messages" in state):
        raise InputError("The state has not just one of 'text' and 'messages'. Fix: send one.", code="bad_state")
    return dict(state)


def understand(questions: Mapping[str, Any], config: RouterConfig) -> tuple[Asked, ...]:
    """The questions, each with what it means.

    Raises:
        InputError: There is none, or one that cannot be answered; names its id and what can be asked.
    """
    if not questions:
        raise InputError("There are no questions. Fix: ask at least one.", code="no_questions")
    return tuple(_understood(name, question, config) for name, question in questions.items())


def _understood(name: str, given: Any, config: RouterConfig) -> Asked:
    try:
        question = _QUESTION.validate_python(given)
    except ValidationError:
        question = None
    if isinstance(question, Noul) and name in NOULS:
        return Asked(name, "noul")
    if isinstance(question, Score) and name == "difficulty" and len(question.criteria) == len(DIFFICULTIES):
        return Asked(name, "difficulty", levels=tuple(question.criteria))
    if isinstance(question, Choice):
        labels = tuple(question.criteria)
        fields = [field for field, known in _labels(config).items() if set(labels) <= set(known)]
        if not set(labels) & set(config.ladder.names):  # `human` alone is no choice among tiers
            fields = [field for field in fields if field != "tier"]
        wanted = [field for field in fields if field == name] or (fields if name not in _labels(config) else [])
        if wanted:
            return Asked(name, wanted[0], labels)
    raise InputError(
        f"The question {name!r} is none that the router can answer. Fix: ask a Choice whose labels are tiers "
        f"{list(config.ladder.names)} (and {list(_OUTCOMES)}), intents {list(config.router.intents)} or reasons "
        f"{list(config.router.reasons)}, a Score of {len(DIFFICULTIES)} levels with the id 'difficulty', or a Noul "
        f"with an id of {list(NOULS)}.",
        code="bad_question",
    )


def _labels(config: RouterConfig) -> dict[Field, tuple[str, ...]]:
    tiers = (*config.ladder.names, *_OUTCOMES)
    return {"tier": tiers, "intent": config.router.intents, "reason": config.router.reasons}


def answer(asked: Sequence[Asked], decision: Decision, ladder: Ladder) -> dict[str, Answer]:
    """Question id to answer.

    Raises:
        InputError: A choice among tiers holds none that policy allows for this request; names those that are.
    """
    ruling = _ruling(decision, ladder)
    return {question.id: _answer(question, decision, ruling, ladder) for question in asked}


def _ruling(decision: Decision, ladder: Ladder) -> _Ruling:
    if decision.outcome != "route":
        return _Ruling(decision.outcome, ())
    tiers = tuple(name for name in decision.allowed if not (decision.redact and ladder[name].location == "external"))
    return _Ruling("route" if tiers else "human", tiers)


def _answer(question: Asked, decision: Decision, ruling: _Ruling, ladder: Ladder) -> Answer:
    match question.field:
        case "tier":
            return _tier(question, decision, ruling, ladder)
        case "noul":
            return NoulAnswer(type="noul", noul=_noul(question.id, decision, ruling))
        case "difficulty":
            return _difficulty(question, decision)
        case _:
            return _label(question, decision)


def _tier(question: Asked, decision: Decision, ruling: _Ruling, ladder: Ladder) -> ChoiceAnswer:
    usable = [name for name in ruling.tiers if name in question.labels]
    if usable:
        tier = clip(decision.tier or usable[-1], usable, ladder)
        return _choice(question, tier, _masked(decision.tier_probabilities, usable, ladder))
    outcome = "human" if ruling.outcome == "route" else ruling.outcome
    if outcome in question.labels and outcome not in ladder:
        return _choice(question, outcome, {outcome: 1.0})
    left = f"leaves {list(ruling.tiers)}" if ruling.tiers else f"leaves no tier: {outcome}"
    raise InputError(
        f"The question {question.id!r} has no label that policy allows; for this request it {left}. "
        f"Fix: add one of them or the label {outcome!r}.",
        code="no_allowed_label",
    )


def _masked(probabilities: Mapping[str, float], usable: Sequence[str], ladder: Ladder) -> dict[str, float]:
    """Probabilities of the usable tiers, sum 1: a tier that is not usable leaves its mass to the next above it."""
    masses = tuple(probabilities.get(name, 0.0) for name in ladder.names)
    if not sum(masses):  # no model spoke
        return dict.fromkeys(usable, 1 / len(usable))
    moved = mask_tiers(TierScores(masses), [name in usable for name in ladder.names])
    return dict(zip(ladder.names, moved, strict=True))


def _label(question: Asked, decision: Decision) -> ChoiceAnswer:
    """An intent or a reason: the model's, where it spoke and the label is there."""
    said = _said(decision, question.field)
    weights = {label: said.get(label, 0.0) for label in question.labels}
    total = math.fsum(weights.values())
    unknown = _UNKNOWN[question.field]
    if not total:
        shares = dict.fromkeys(question.labels, 1 / len(question.labels))
        return _choice(question, unknown if unknown in question.labels else question.labels[0], shares)
    proposed = getattr(decision.proposal, question.field, None)
    chosen = proposed if proposed in weights else max(weights, key=lambda label: weights[label])
    return _choice(question, chosen, {label: weight / total for label, weight in weights.items()})


def _choice(question: Asked, chosen: str, probabilities: Mapping[str, float]) -> ChoiceAnswer:
    """``confidence`` is the probability of the chosen label."""
    shown = {label: min(1.0, probabilities.get(label, 0.0)) for label in question.labels}
    return ChoiceAnswer(type="choice", choice=chosen, probabilities=shown, confidence=shown[chosen])


def _difficulty(question: Asked, decision: Decision) -> ScoreAnswer:
    said = _said(decision, "difficulty")
    shares = [said.get(str(level), 0.0) for level in DIFFICULTIES]
    total = math.fsum(shares)
    levels = [share / total if total else 1 / len(DIFFICULTIES) for share in shares]
    return ScoreAnswer(
        type="score",
        score=sum(level * share for level, share in enumerate(levels)),
        legend=dict(enumerate(question.levels)),
        probabilities=dict(enumerate(levels)),
        confidence=min(1.0, max(levels)),
    )


def _noul(name: str, decision: Decision, ruling: _Ruling) -> float:
    if name in _OUTCOMES:
        return float(ruling.outcome == name)
    kind = {"contains_pii": "pii", "is_legal": "legal"}.get(name)
    if decision.proposal is None or any(finding.kind == kind for finding in decision.findings):
        return 1.0
    return min(1.0, max(0.0, _said(decision, name)["true"]))


def _said(decision: Decision, field: str) -> Mapping[str, float]:
    """Value to probability of one field; empty where no model spoke, and all on the proposed value where only that is
    known."""
    if decision.proposal is None:
        return {}
    if field in decision.field_probabilities:
        return decision.field_probabilities[field]
    value = getattr(decision.proposal, field)
    if isinstance(value, bool):
        return {"true": float(value), "false": float(not value)}
    return {str(value): 1.0}


class TierDecisionModel(BaseDecisionModel):
    """The router as a decision model of LangChain's. `tiergraph.create_decision_model` makes one.

    Use it wherever LangChain takes a ``classifier``, or on its own: ``invoke``, ``ainvoke``, ``batch``. All questions
    of one request cost one decision.
    """

    model: str = "tiergraph"
    _decider: Any = PrivateAttr()
    _owned: bool = PrivateAttr(default=False)

    def __init__(self, decider: Decider, *, owned: bool = False) -> None:
        """``owned``: whether closing this closes the decider too."""
        super().__init__(model=decider.chain.name)
        self._decider, self._owned = decider, owned

    @property
    def decider(self) -> Decider:
        """What decides."""
        decider: Decider = self._decider
        return decider

    @property
    def _provider(self) -> str:
        return "tiergraph"

    def _classify(self, state: State, questions: dict[str, Question]) -> ClassifierResponse:
        asked = understand(questions, self.decider.config)
        return self._response(asked, self.decider.decide(**read_state(state)))

    async def _aclassify(self, state: State, questions: dict[str, Question]) -> ClassifierResponse:
        asked = understand(questions, self.decider.config)
        return self._response(asked, await self.decider.adecide(**read_state(state)))

    def _response(self, asked: Sequence[Asked], decision: Decision) -> ClassifierResponse:
        return ClassifierResponse(model=self.model, answers=answer(asked, decision, self.decider.config.ladder))

    def close(self) -> None:
        """Give back what was loaded for it. A decider that it was given stays open."""
        if self._owned:
            self.decider.close()

    def __enter__(self) -> TierDecisionModel:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
