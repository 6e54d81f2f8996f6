"""A decision model of LangChain's that says what it is told, for the tests of what asks one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from langchain_core.decisions import BaseDecisionModel, ClassifierResponse, Question, State
from pydantic import Field, PrivateAttr

Answer = dict[str, Any]


def valid_answer(question: Question) -> Answer:
    """A sure and valid answer: the first label, the lowest level, no."""
    if question.type == "noul":
        return noul(0.1)
    if question.type == "choice":
        labels = list(question.criteria)
        return choice(labels[0], {label: float(label == labels[0]) for label in labels})
    if question.type == "score":
        return score([1.0, *[0.0] * (len(question.criteria) - 1)])
    return {"type": "box", "box": {"top": 0.0, "bottom": 1.0, "left": 0.0, "right": 1.0}}


def noul(probability: float) -> Answer:
    return {"type": "noul", "noul": probability}


def choice(label: str, probabilities: Mapping[str, float], confidence: float = 0.5) -> Answer:
    return {"type": "choice", "choice": label, "probabilities": dict(probabilities), "confidence": confidence}


def score(probabilities: list[float], at: float | None = None) -> Answer:
    expected = sum(level * p for level, p in enumerate(probabilities)) if at is None else at
    levels = dict(enumerate(probabilities))
    return {"type": "score", "score": expected, "legend": {}, "probabilities": levels, "confidence": 0.5}


class ScriptedDecisionModel(BaseDecisionModel):
    """Answers every question validly; ``answers`` replaces some by id, as values or as functions of the question.

    Args:
        answers: Question id to its answer; ``None`` leaves the answer out.
        fails: Raised by every call instead.
        returns: Returned by every call instead, whatever it is.
        pause: Called in every call, such as to wait.

    ``asked`` holds state and questions of every call.
    """

    model: str = "scripted"
    answers: dict[str, Any] = Field(default_factory=dict)
    fails: Any = None
    returns: Any = None
    pause: Callable[[], None] | None = None
    asked: list[tuple[Any, dict[str, Any]]] = Field(default_factory=list)
    _lock: Any = PrivateAttr(default_factory=threading.Lock)

    @property
    def _provider(self) -> str:
        return "scripted"

    def _classify(self, state: State, questions: dict[str, Question]) -> ClassifierResponse:
        with self._lock:
            self.asked.append((state, questions))
        if self.pause is not None:
            self.pause()
        if self.fails is not None:
            raise self.fails.with_traceback(None)  # raised again and again, it would gather frames
        if self.returns is not None:
            return self.returns  # type: ignore[no-any-return]
        answers = {}
        for name, question in questions.items():
            answer = self.answers.get(name, valid_answer)
            answers[name] = answer(question) if callable(answer) else answer
        given = {name: answer for name, answer in answers.items() if answer is not None}
        return ClassifierResponse.model_validate({"model": self.model, "answers": given})


model = ScriptedDecisionModel()


def make(**params: Any) -> ScriptedDecisionModel:
    """What `python:decision_fakes:make` names: a maker, called with ``params``."""
    return ScriptedDecisionModel(**params)
