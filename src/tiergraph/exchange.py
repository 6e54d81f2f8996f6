"""One question to a hosted model on its way: what counts as an answer, and what came so far. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Generic, NoReturn, TypeVar

from pydantic import BaseModel, ValidationError

from tiergraph.endpoints import Mode
from tiergraph.wire import MAX_CONTENT, Answer, TokenChance, WireError, sendable, unwrapped

T = TypeVar("T", bound=BaseModel)

Check = Callable[[str], None]
"""Refuses an answer's JSON text with a `ValueError`, whose message goes back to the server and holds no content."""

MAX_PROBLEM = 500
"""Characters of what is said to be wrong with an answer."""


@dataclass(frozen=True, kw_only=True)
class Structured(Generic[T]):
    """An answer that keeps to its schema.

    Attributes:
        value: It, as an instance of the pydantic model.
        text: The JSON text that it was read from.
        attempts: Calls that were made, 1 without a re-ask.
        tokens: The tokens of the whole answer with their probabilities, where they were asked for and given.
    """

    value: T
    text: str
    attempts: int
    tokens: tuple[TokenChance, ...] | None = None


class Exchange(Generic[T]):
    """One `ask` on its way: what counts as an answer, and what came so far."""

    def __init__(
        self,
        model: type[T],
        compiled: Compiled,
        check: Check | None,
        deadline: float,
        logprobs: int,
        reasks: int,
        mode: Mode,
    ) -> None:
        self.model, self.compiled, self.check, self.deadline = model, compiled, check, deadline
        self.logprobs, self.reasks, self.mode = logprobs, reasks, mode
        self.attempts, self.answered = 0, 0
        self.problem: str | None = None
        self.text = ""
        self._tokens: tuple[TokenChance, ...] | None = None
        self._value: T | None = None

    def take(self, answer: Answer) -> None:
        """Keep what the server said, ready to be validated.

        Raises:
            WireError: It refuses, or said nothing, and no re-ask would help.
        """
        self.answered += 1
        self._tokens, self.problem = answer.tokens, None
        if answer.refused:
            raise WireError("refusal", False)
        self.text = answer.text.strip()
        if len(self.text) > MAX_CONTENT:
            raise WireError("invalid", False, detail="Huge output.")
        if answer.finish == "length":
            self.problem = "The answer was cut off before its end."
        elif not self.text:
            self.problem = "The answer was empty."
        elif self.mode == "text":
            self.text = unwrapped(self.text)

    def _validate(self) -> None:
        """See that the text is an answer.

        Raises:
            ValueError: What is wrong, in terms of the schema.
        """
        if self.problem is not None:
            raise ValueError(self.problem)
        value = _loads(self.text)
        self.compiled.validate(value)
        self._value = _typed(self.model, self.text)
        if self.check is not None:
            self.check(self.text)

    def refused(self) -> str | None:
        """What is wrong with the text, in terms of the schema; ``None`` where it is an answer."""
        try:
            self._validate()
        except ValueError as error:
            self.problem = str(error)[:MAX_PROBLEM]
        return self.problem

    @property
    def over(self) -> bool:
        """Whether no further call is left."""
        return self.answered > self.reasks

    def result(self) -> Structured[T]:
        """The answer, once nothing is wrong with it."""
        assert self._value is not None
        return Structured(value=self._value, text=self.text, attempts=self.answered, tokens=self._tokens)


@dataclass(frozen=True)
class Compiled:
    """A schema as it is sent, and what checks it."""

    schema: dict[str, Any]
    validator: Any

    def validate(self, value: object) -> None:
        """Raise `ValueError`, in terms of the schema, where ``value`` does not keep to it."""
        error = next(self.validator.iter_errors(value), None)
        if error is None:
            return
        field = "/".join(str(part) for part in error.absolute_path) or "(root)"
        rule = "additional fields are forbidden"
        if error.validator != "additionalProperties":
            rule = f"{error.validator} is {error.validator_value!r}"
        raise ValueError(f"Off the schema at {field!r}: {rule}.")


@lru_cache(maxsize=256)
def compiled(schema: str) -> Compiled:
    """From the JSON text of a schema."""
    from jsonschema import Draft202012Validator

    loaded = json.loads(schema)
    return Compiled(sendable(loaded), Draft202012Validator(loaded))


@lru_cache(maxsize=256)
def compiled_for(model: type[BaseModel]) -> Compiled:
    """From a pydantic model."""
    return compiled(json.dumps(model.model_json_schema()))


def _typed(model: type[T], text: str) -> T:
    try:
        return model.model_validate_json(text, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        field = "/".join(str(part) for part in first["loc"] if isinstance(part, int) or part in model.model_fields)
        raise ValueError(f"Off its type at {field or '(root)'!r}: {first['type']}.") from None


def _loads(text: str) -> object:
    """JSON as the standard has it, an object, no field twice.

    Raises:
        ValueError: It is none.
    """

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({key for key, _ in pairs}) < len(pairs):
            raise ValueError("a field stands twice in the JSON")
        return dict(pairs)

    def never(_: str) -> NoReturn:
        raise ValueError("a number that JSON does not have")

    try:
        value = json.loads(text, object_pairs_hook=once, parse_constant=never)
    except json.JSONDecodeError:
        raise ValueError("The answer is not JSON.") from None
    except RecursionError:
        raise ValueError("The answer is nested too deeply.") from None
    if not isinstance(value, dict):
        raise ValueError("The answer is no JSON object.")
    return value
