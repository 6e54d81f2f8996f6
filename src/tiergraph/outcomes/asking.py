"""One tier asked about one request, alone: retries, redaction and policy are the cascade's own.

Failure rule: a tier that fails gives no score and the code why; one that gives up (`GAVE_UP`) scores 0, since that is
what its answer is worth. Nothing raises, and no code holds content.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableLambda

from tiergraph.decider import Decider
from tiergraph.errors import InputError
from tiergraph.evaluation.cases import Case
from tiergraph.evaluation.subjects import run_graph
from tiergraph.evaluation.trying import graph_of_one
from tiergraph.failures import GAVE_UP
from tiergraph.outcomes.scorers import Scorer, ScorerError
from tiergraph.testing import ScriptedChat

STOPPED = "stopped"
"""Code of what was not asked any more, because the tier had failed `PATIENCE` times in a row."""

PATIENCE = 10

_FAILING = frozenset({"timeout", "rate_limited", "server_error", "unreachable", "bad_request", "error"})


@dataclass(frozen=True, kw_only=True)
class Answered:
    """What came of asking one tier.

    Attributes:
        score: In [0, 1]; ``None`` where there is none.
        code: Why there is no score, or why it is 0; ``None`` where an answer was scored.
        detail: Of code ``scorer_failed``: the class of the error. No content.
        input_tokens, output_tokens: As the record has them.
        answered: Whether the tier gave an answer, which costs even where it could not be scored.
        text: The answer itself; only where answers are kept.
    """

    score: float | None
    code: str | None = None
    detail: str | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    answered: bool = False
    text: str | None = None

    def as_json(self) -> dict[str, Any]:
        """For the journal: what is not known is left out."""
        return {key: value for key, value in asdict(self).items() if value is not None}

    @classmethod
    def from_json(cls, row: Any) -> Answered | None:
        """What `as_json` made, or ``None`` where it did not make it."""
        if not isinstance(row, Mapping):
            return None
        known = {field.name for field in fields(cls)}
        try:
            found = cls(**{"score": None, **{key: value for key, value in row.items() if key in known}})
        except TypeError:
            return None
        score = found.score
        return found if score is None or (isinstance(score, (int, float)) and 0 <= score <= 1) else None


class Asker:
    """Asks the tiers of one ladder. Thread-safe.

    Args:
        decider: Screens and flags; its router model is not asked.
        tiers: Names of the tiers that will be asked.
        scorer: Of their answers.
        retriever: As of `create_tier_router`.
        models: Tier name to a chat model, or a function from a prompt's last message to an answer.
        keep_answers: Whether `Answered.text` is filled.

    Raises:
        ConfigError, ModelError: A tier or the judge cannot be built.
    """

    def __init__(
        self,
        decider: Decider,
        tiers: tuple[str, ...],
        scorer: Scorer,
        *,
        retriever: Any = None,
        models: Mapping[str, Any] | None = None,
        keep_answers: bool = False,
    ) -> None:
        self._scorer, self._keep = scorer, keep_answers
        given = {name: _as_model(model) for name, model in (models or {}).items()}
        self._graphs = {
            tier: graph_of_one(
                decider,
                tier,
                retriever=retriever,
                judge=scorer.judge,
                judged=scorer.judge is not None,
                models={**_silent(decider, tier), **{name: model for name, model in given.items() if name == tier}},
            )
            for tier in tiers
        }
        self._lock = threading.Lock()
        self._failed: Counter[str] = Counter()

    def ask(self, case: Case, tier: str, row: Mapping[str, Any], references: tuple[str, ...]) -> Answered:
        """The score of the tier's answer to the request."""
        with self._lock:
            stopped = self._failed[tier] >= PATIENCE
        if stopped:
            return Answered(score=None, code=STOPPED)
        answered = self._asked(case, tier, row, references)
        with self._lock:
            self._failed[tier] = self._failed[tier] + 1 if answered.code in _FAILING and not answered.answered else 0
        return answered

    def _asked(self, case: Case, tier: str, row: Mapping[str, Any], references: tuple[str, ...]) -> Answered:
        try:
            ran = run_graph(self._graphs[tier], case)
        except InputError as error:
            return Answered(score=None, code=error.code)
        except Exception as error:  # of the host's own models or retriever; a message may hold content
            return Answered(score=None, code=f"internal:{type(error).__name__}")
        hop = next(iter(ran.record["hops"]), None)
        if hop is None or hop["tier"] != tier:  # retrieved documents may have narrowed the set further
            return Answered(score=None, code="policy")
        if hop["outcome"] == "failed":
            return Answered(score=0.0 if hop["code"] in GAVE_UP else None, code=hop["code"])
        spent = Answered(
            score=None,
            input_tokens=hop["input_tokens"],
            output_tokens=hop["output_tokens"],
            answered=True,
            text=ran.drafts[0] if self._keep else None,
        )
        if self._scorer.judge is not None:
            return _by_verdict(spent, hop["verdict"] or {}, self._scorer)
        return scored(spent, ran.drafts[0], self._scorer, row, references)


def scored(spent: Answered, text: str, scorer: Scorer, row: Mapping[str, Any], references: tuple[str, ...]) -> Answered:
    """``spent`` with the score of its text by a scorer that is no judge."""
    assert scorer.function is not None
    try:
        return replace(spent, score=scorer.function(row, references, text))
    except ScorerError as error:
        return replace(spent, score=None, code="scorer_failed", detail=error.kind)


def _by_verdict(spent: Answered, verdict: Mapping[str, Any], scorer: Scorer) -> Answered:
    """The judge's score. One judge's scores only: where another stood in for it there is none."""
    score, by = verdict.get("score"), verdict.get("judge")
    if score is None:
        return replace(spent, code=str(verdict.get("reason", "judge_failed")))
    if scorer.judge is None or by != scorer.judge.name:
        return replace(spent, code="judge_withheld")
    if not scorer.strange_judge and verdict.get("reason") == "no_documents":
        return replace(spent, code="no_documents")
    if not isinstance(score, (int, float)) or not 0 <= score <= 1:
        return replace(spent, code="bad_verdict")
    return replace(spent, score=float(score))


def _silent(decider: Decider, tier: str) -> dict[str, ScriptedChat]:
    """Models for every other tier: whatever policy makes of a request, nobody else is ever asked."""
    others = (name for name in decider.config.ladder.names if name != tier)
    return {name: ScriptedChat(RuntimeError("only one tier is asked")) for name in others}


def _as_model(model: Any) -> Any:
    """A chat model as it is; a function of a text as one."""
    if hasattr(model, "invoke"):
        return model
    if not callable(model):
        raise InputError(
            f"A tier's model is a {type(model).__name__}. Fix: give a LangChain chat model or a function of a text.",
            code="bad_model",
        )
    return RunnableLambda(_answering(model))


def _answering(function: Callable[[str], Any]) -> Callable[[Any], AIMessage]:
    def answer(messages: Any) -> AIMessage:
        said = function(messages[-1].text)
        return said if isinstance(said, AIMessage) else AIMessage(str(said))

    return answer
