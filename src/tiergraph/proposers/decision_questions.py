"""What a decision model of LangChain's is asked about a request, and what its answers are worth: nothing is trusted.

The request is not in here: it goes as state, and the questions are the same for every request under one policy.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

from tiergraph.errors import MissingExtraError, ProposalInvalidError
from tiergraph.prompting import PROMPTS, load_prompt, sections
from tiergraph.proposal import DIFFICULTIES
from tiergraph.proposers.base import Flags
from tiergraph.proposers.calibration import DEFAULT_THRESHOLD
from tiergraph.proposers.reading import Labels
from tiergraph.tiers import Ladder

if TYPE_CHECKING:
    from langchain_core.decisions import Question

NOULS = ("needs_retrieval", "contains_pii", "is_legal")
_ITEM = "- "


def decisions() -> ModuleType:
    """LangChain's decision models.

    Raises:
        MissingExtraError: The installed langchain-core is older than they are.
    """
    try:
        from langchain_core import decisions as found
    except ImportError:
        raise MissingExtraError("langchain-core>=1.8", extra="decisions") from None
    return found


class Said(NamedTuple):
    """What the model said of one request, checked, before policy hears its flags.

    tier: Its choice among the tiers that it was asked about.
    tiers: Each of those to its stated probability; sum 1.
    """

    tier: str
    tiers: Mapping[str, float]
    labels: Labels
    flags: Flags
    fields: Mapping[str, Mapping[str, float]]


class Questions:
    """The questions of one configuration. Immutable."""

    def __init__(self, ladder: Ladder, intents: Sequence[str], reasons: Sequence[str]) -> None:
        """Raises `MissingExtraError` as `decisions`."""
        self._ladder, self._intents, self._reasons = ladder, tuple(intents), tuple(reasons)
        prompt = load_prompt("decision", PROMPTS["decision"])
        self._parts = sections(prompt.render())
        self._same = self._for_every_policy(decisions())
        self.ask = lru_cache(maxsize=128)(self._ask)
        asked = {name: question.model_dump(mode="json") for name, question in self.ask(ladder.names).items()}
        self.digest = hashlib.sha256(json.dumps(asked, ensure_ascii=True).encode()).hexdigest()
        """sha256 over all that is asked where every tier is allowed."""

    def _ask(self, allowed: tuple[str, ...]) -> dict[str, Question]:
        """Question id to question. Where one tier is allowed there is no question about it."""
        if len(allowed) == 1:
            return self._same
        instructions, _ = self._part("tier")
        criteria = {name: self._ladder[name].criteria or None for name in allowed}
        return {"tier": decisions().Choice(instructions=instructions, criteria=criteria), **self._same}

    def read(self, response: object, allowed: tuple[str, ...]) -> Said:
        """The answers to ``ask(allowed)``.

        Raises:
            ProposalInvalidError: An answer is missing, was not asked for, is of the wrong kind, names a label that it
                was not given, or has a probability that is none. The message names the question, never what came.
        """
        answers = _answers(response)
        if answers.keys() != self.ask(allowed).keys():
            raise ProposalInvalidError("The decision model did not answer just the questions that it was asked.")
        if len(allowed) == 1:
            tier, tiers = allowed[0], {allowed[0]: 1.0}
        else:
            tier, tiers = _choice(answers, "tier", allowed)
        intent, intents = _choice(answers, "intent", self._intents)
        reason, reasons = _choice(answers, "reason", self._reasons)
        levels = _levels(answers)
        nouls = {name: _noul(answers, name) for name in NOULS}
        raised = {name: p >= DEFAULT_THRESHOLD for name, p in nouls.items()}
        return Said(
            tier=tier,
            tiers=tiers,
            # Of two levels that are as likely the harder one: too much is safer than too little.
            labels=Labels(
                difficulty=max(DIFFICULTIES, key=lambda level: (levels[str(level)], level)),
                intent=intent,
                needs_retrieval=raised["needs_retrieval"],
                reason=reason,
            ),
            flags=Flags(contains_pii=raised["contains_pii"], is_legal=raised["is_legal"]),
            fields={
                "difficulty": levels,
                "intent": intents,
                **{name: {"true": p, "false": 1.0 - p} for name, p in nouls.items()},
                "reason": reasons,
            },
        )

    def _for_every_policy(self, kinds: ModuleType) -> dict[str, Question]:
        instructions, levels = self._part("difficulty")
        asked: dict[str, Question] = {"difficulty": kinds.Score(instructions=instructions, criteria=levels)}
        for name, labels in (("intent", self._intents), ("reason", self._reasons)):
            instructions, _ = self._part(name)
            asked[name] = kinds.Choice(instructions=instructions, criteria=dict.fromkeys(labels))
        for name in NOULS:
            instructions, (yes, no) = self._part(name)
            criteria = kinds.NoulCriteria(true=yes, false=no)
            asked[name] = kinds.Noul(instructions=instructions, criteria=criteria)
        return asked

    def _part(self, name: str) -> tuple[str, list[str]]:
        """Instructions of a section of the prompt, and its items."""
        lines = self._parts[name].splitlines()
        items = [line.removeprefix(_ITEM) for line in lines if line.startswith(_ITEM)]
        said = " ".join(line for line in lines if line and not line.startswith(_ITEM))
        return f"{said} {self._parts['data']}", items


def _answers(response: object) -> Mapping[str, Any]:
    if not isinstance(response, decisions().ClassifierResponse):
        raise ProposalInvalidError(f"The decision model returned a {type(response).__name__}.")
    found: object = getattr(response, "answers", None)
    if not isinstance(found, Mapping):
        raise ProposalInvalidError("The decision model returned no answers.")
    return found


def _of_kind(answers: Mapping[str, Any], name: str, kind: str) -> Any:
    answer = answers[name]
    if not isinstance(answer, getattr(decisions(), kind)):
        raise ProposalInvalidError(f"The decision model answered {name!r} with something other than a {kind}.")
    return answer


def _choice(answers: Mapping[str, Any], name: str, labels: Sequence[str]) -> tuple[str, dict[str, float]]:
    answer = _of_kind(answers, name, "ChoiceAnswer")
    chosen = next((label for label in labels if label == answer.choice), None)
    if chosen is None:
        raise ProposalInvalidError(f"The decision model chose a label of {name!r} that it was not given.")
    return chosen, _distribution(answer.probabilities, name, labels)


def _levels(answers: Mapping[str, Any]) -> dict[str, float]:
    answer = _of_kind(answers, "difficulty", "ScoreAnswer")
    if not _is_number(answer.score) or not 0 <= answer.score <= len(DIFFICULTIES) - 1:
        raise ProposalInvalidError("The decision model's score of 'difficulty' is no level that it was given.")
    found = _distribution(answer.probabilities, "difficulty", range(len(DIFFICULTIES)))
    return {str(level): found[number] for number, level in enumerate(DIFFICULTIES)}


def _noul(answers: Mapping[str, Any], name: str) -> float:
    found = _of_kind(answers, name, "NoulAnswer").noul
    if not _is_number(found) or not 0 <= found <= 1:
        raise ProposalInvalidError(f"The decision model's answer to {name!r} is no probability.")
    return float(found)


def _distribution(found: object, name: str, labels: Sequence[Any]) -> dict[Any, float]:
    """Label to probability, in the order of ``labels``; sum 1."""
    if not isinstance(found, Mapping) or found.keys() != set(labels):
        raise ProposalInvalidError(f"The decision model's labels of {name!r} are not just those that it was given.")
    values = [found[label] for label in labels]
    if not all(_is_number(value) and value >= 0 for value in values):
        raise ProposalInvalidError(f"The decision model's probabilities of {name!r} are none.")
    total = math.fsum(values)
    if not 0 < total < math.inf:
        raise ProposalInvalidError(f"The decision model's probabilities of {name!r} have no sum.")
    return {label: value / total for label, value in zip(labels, values, strict=True)}


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
