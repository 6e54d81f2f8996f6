"""The one place where a hosted model is asked for JSON of a schema, and where its text becomes a type.

Nothing that a server sends is trusted. In every mode the answer has to be one JSON object that keeps to the schema and
to the pydantic model, else the server is asked again, ``reasks`` times at most, with what was wrong; instructor drives
that. What was wrong is said in terms of the schema, never of the content, so that it can stand in any log.

Failure rule: `EndpointError` with a reason code, and nothing else, once the client was made. 429 and 5xx are not asked
again here, nor anything after the deadline, which also holds against a server that drips.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from functools import lru_cache
from typing import Any, NoReturn, TypeVar

from pydantic import BaseModel

from tiergraph.effects import Call, Steps, arun, run
from tiergraph.endpoints import Endpoint, Mode
from tiergraph.errors import EndpointError, ModelError
from tiergraph.exchange import Check, Exchange, Structured, compiled, compiled_for
from tiergraph.probing import ProbeReport, probe_modes
from tiergraph.tiers import Location
from tiergraph.wire import Answer, Asked, TokenChance, Wire, WireError

T = TypeVar("T", bound=BaseModel)

PROBE_SECONDS = 60.0
"""Bound on a probe at start-up where no deadline is given."""


class StructuredClient:
    """A hosted model that answers with JSON. Safe to use from several threads and event loops."""

    def __init__(self, endpoint: Endpoint, *, mode: Mode | None = None) -> None:
        """``mode``: in place of ``endpoint.mode``. No request is made before `probe` or the first `ask`.

        Raises:
            ConfigError: An environment variable or a key is missing, or ``params`` name what is not theirs.
        """
        import instructor

        from tiergraph.wires import open_wire

        self._endpoint = endpoint
        self._configured: Mode = mode or endpoint.mode
        self._proved: Mode | None = "text" if self._configured == "text" else None
        self._wire: Wire = open_wire(endpoint)
        self._logprobs = True
        self._closed = False
        self._probing = threading.Lock()
        instructor_mode = instructor.Mode.JSON_SCHEMA
        self._create: Any = instructor.patch(create=self._send, mode=instructor_mode)
        self._acreate: Any = instructor.patch(create=self._asend, mode=instructor_mode)

    @property
    def name(self) -> str:
        """The reference of the model, for the record."""
        return self._endpoint.model

    @property
    def location(self) -> Location:
        """Where goes what it is asked."""
        return self._endpoint.location or "external"

    @property
    def mode(self) -> Mode:
        """The mode in use; ``auto`` until a probe has found one."""
        return self._proved or self._configured

    @property
    def digest(self) -> str:
        """sha256 over what names the model: reference, address as written, parameters and mode; never a key."""
        named = [self._endpoint.model, self._endpoint.base_url, self._endpoint.params, self._configured]
        return hashlib.sha256(json.dumps(named, sort_keys=True, default=repr).encode()).hexdigest()

    def ask(
        self,
        messages: Sequence[Mapping[str, str]],
        model: type[T],
        *,
        deadline: float,
        schema: Mapping[str, Any] | None = None,
        check: Check | None = None,
        logprobs: int = 0,
    ) -> Structured[T]:
        """Ask for an instance of ``model``.

        Args:
            messages: ``{"role": ..., "content": ...}``, the first one of the system.
            model: Forbid extra fields in it, and build it once: schemas and validators are kept by model.
            deadline: Time of ``time.monotonic()`` that bounds all calls together.
            schema: JSON schema that is sent and that the answer has to keep, where it is not that of ``model``. Make
                it once, too: what it compiles to is kept by its text.
            check: A last word on the text.
            logprobs: Alternatives per token to ask for, 0 to 20. A server that refuses is asked without, from then on.

        Raises:
            EndpointError: No answer that keeps to the schema; its code says why.
        """
        self._ready(deadline)
        exchange = self._exchange(model, schema, check, deadline, logprobs)
        token = _current.set(exchange)
        try:
            self._create(response_model=_reply_type(), max_retries=self._endpoint.reasks, messages=list(messages))
        except Exception as error:
            self._fail(error, exchange)
        finally:
            _current.reset(token)
        return exchange.result()

    async def aask(
        self,
        messages: Sequence[Mapping[str, str]],
        model: type[T],
        *,
        deadline: float,
        schema: Mapping[str, Any] | None = None,
        check: Check | None = None,
        logprobs: int = 0,
    ) -> Structured[T]:
        """As `ask`, without blocking the event loop; a cancelled await ends the call."""
        if self._proved is None:
            import asyncio

            await asyncio.to_thread(self._ready, deadline)
        self._ready(deadline)
        exchange = self._exchange(model, schema, check, deadline, logprobs)
        token = _current.set(exchange)
        try:
            await self._acreate(
                response_model=_reply_type(), max_retries=self._endpoint.reasks, messages=list(messages)
            )
        except Exception as error:
            self._fail(error, exchange)
        finally:
            _current.reset(token)
        return exchange.result()

    def probe(self, deadline: float | None = None) -> ProbeReport:
        """Find the mode that holds the server to a schema, or prove the configured one. ``text`` has nothing to prove.

        A server that cannot be reached now is reported so and probed at the first `ask`.

        Raises:
            ModelError: No mode holds; names the fix.
        """
        until = time.monotonic() + PROBE_SECONDS if deadline is None else deadline
        with self._probing:
            report = probe_modes(self._wire, self._configured, name=self.name, deadline=until, timeout_s=self._seconds)
            self._proved = report.mode
        return report

    def close(self) -> None:
        """Close every connection. Calling it twice is harmless; asking afterwards is an `EndpointError`."""
        self._closed = True
        self._wire.close()

    @property
    def _seconds(self) -> float:
        return self._endpoint.timeout_s

    def _error(self, code: str, *, retryable: bool = False, attempts: int = 1, detail: str = "") -> EndpointError:
        return EndpointError(self.name, code, retryable=retryable, attempts=max(1, attempts), detail=detail)

    def _ready(self, deadline: float) -> None:
        """See that the client is open, that there is time, and that a mode is proved."""
        if self._closed:
            raise self._error("unreachable", detail="The client is closed.")
        left = deadline - time.monotonic()
        if left <= 0:
            raise self._error("timeout", retryable=True, detail="The deadline had passed before it was asked.")
        if self._proved is not None:
            return
        if not self._probing.acquire(timeout=left):
            raise self._error("timeout", retryable=True, detail="The deadline passed while it was probed.")
        try:
            if self._proved is None:
                report = probe_modes(
                    self._wire, self._configured, name=self.name, deadline=deadline, timeout_s=self._seconds
                )
                self._proved = report.mode
        except ModelError as refused:
            raise self._error("invalid", detail=str(refused)) from None
        finally:
            self._probing.release()
        if self._proved is None:
            code = report.code or "unreachable"
            raise self._error(code, retryable=code not in ("bad_request", "error"), detail="It could not be probed.")

    def _exchange(
        self,
        model: type[T],
        schema: Mapping[str, Any] | None,
        check: Check | None,
        deadline: float,
        logprobs: int,
    ) -> Exchange[T]:
        wanted = compiled_for(model) if schema is None else compiled(json.dumps(schema))
        return Exchange(
            model, wanted, check, deadline, logprobs if self._logprobs else 0, self._endpoint.reasks, self.mode
        )

    def _fail(self, error: Exception, exchange: Exchange[Any]) -> NoReturn:
        code, retryable, attempts = "error", False, exchange.attempts
        while error is not None:  # instructor wraps what it did not expect
            if isinstance(error, EndpointError):
                raise error from None
            stopped = getattr(error, "stopped", None)
            if isinstance(stopped, WireError):
                raise self._error(
                    stopped.code, retryable=stopped.retryable, attempts=attempts, detail=stopped.detail
                ) from None
            error = error.__cause__  # type: ignore[assignment]
        raise self._error(code, retryable=retryable, attempts=attempts) from None

    def _send(self, *, messages: list[dict[str, Any]], **_: Any) -> Any:
        return run(self._steps(_current.get(), messages))

    async def _asend(self, *, messages: list[dict[str, Any]], **_: Any) -> Any:
        return await arun(self._steps(_current.get(), messages))

    def _steps(self, exchange: Exchange[Any], messages: list[dict[str, Any]]) -> Steps[Any]:
        """One answer for instructor to have validated."""
        try:
            if exchange.logprobs and self._logprobs:
                answer = yield from self._with_logprobs(exchange, messages)
            else:
                answer = yield from self._call(exchange, messages, 0)
            exchange.take(answer)
        except WireError as error:
            raise _stopped(error) from None
        return _completion(exchange.text)

    def _with_logprobs(self, exchange: Exchange[Any], messages: list[dict[str, Any]]) -> Steps[Answer]:
        try:
            answer: Answer = yield from self._call(exchange, messages, exchange.logprobs)
            self._logprobs = answer.tokens is not None
        except WireError as error:
            if error.code not in ("bad_request", "server_error"):
                raise
            answer = yield from self._call(exchange, messages, 0)
            self._logprobs = False  # it answers well enough without
        return answer

    def _call(self, exchange: Exchange[Any], messages: list[dict[str, Any]], logprobs: int) -> Steps[Answer]:
        now = time.monotonic()
        until = min(exchange.deadline, now + self._seconds)
        if until <= now:
            raise WireError("timeout" if exchange.problem is None else "invalid", True, detail=exchange.problem or "")
        exchange.attempts += 1
        asked = Asked(
            messages=messages, schema=exchange.compiled.schema, mode=exchange.mode, logprobs=logprobs, until=until
        )
        try:
            answer: Answer = yield Call(lambda: self._wire.send(asked), lambda: self._wire.asend(asked), until - now)
        except TimeoutError:
            raise WireError("timeout", True) from None
        return answer


_current: ContextVar[Exchange[Any]] = ContextVar("tiergraph_exchange")
# Not instructor's validation context: where it is given one, instructor renders the messages as Jinja templates, and
# then a request could run as one.


@lru_cache(maxsize=1)
def _reply_type() -> Any:
    """The one response model that instructor knows. What it validates is the exchange at hand.

    One class for all schemas, for instructor would build a new one from every model that is not its own, each time.
    """
    import instructor

    class Reply(instructor.OpenAISchema):  # type: ignore[misc, unused-ignore]
        """An answer that was found valid."""

        @classmethod
        def model_json_schema(cls, *_: Any, **__: Any) -> dict[str, Any]:
            return {}

        @classmethod
        def model_validate_json(cls, *_: Any, **__: Any) -> Any:
            return _verdict(_current.get())

    return Reply


def _verdict(exchange: Exchange[Any]) -> Any:
    """What instructor is to know of the answer: a reply, or an error to ask again with.

    Raises:
        ValidationError: As instructor expects it, where a further call is left.
        IncompleteOutputException: None is left.
    """
    try:
        problem = exchange.refused()
    except Exception:  # a fault of the caller's check, which instructor would log
        raise _stopped(WireError("error", False, detail="It could not be checked.")) from None
    if problem is None:
        return _reply_type().model_construct()
    if not exchange.over:
        raise _off_schema(problem) from None
    code = "invalid" if exchange.text else "empty"
    raise _stopped(WireError(code, code == "empty", detail=problem)) from None


@lru_cache(maxsize=1)
def _stopped_type() -> type[Exception]:
    """What instructor passes on as it is, neither logged nor asked again."""
    from instructor.core import IncompleteOutputException

    class Stopped(IncompleteOutputException):  # type: ignore[misc, unused-ignore]
        stopped: WireError | None = None

    return Stopped


def _stopped(error: WireError) -> Exception:
    stopped = _stopped_type()("The exchange ended.")
    stopped.stopped = error  # type: ignore[attr-defined]
    return stopped


def _off_schema(problem: str) -> Exception:
    """An error of pydantic's that says what is wrong and repeats nothing."""
    from pydantic_core import InitErrorDetails, PydanticCustomError, ValidationError

    # As a variable of the message, for braces in the text itself would be read as variables.
    kind = PydanticCustomError("off_schema", "{problem}", {"problem": problem})
    return ValidationError.from_exception_data("answer", [InitErrorDetails(type=kind, input=None)], hide_input=True)


def _completion(text: str) -> Any:
    """The answer in the shape that instructor reads."""
    from openai.types.chat import ChatCompletion, ChatCompletionMessage
    from openai.types.chat.chat_completion import Choice

    message = ChatCompletionMessage.model_construct(role="assistant", content=text)
    choice = Choice.model_construct(index=0, finish_reason="stop", message=message)
    return ChatCompletion.model_construct(id="", choices=[choice], created=0, model="", object="chat.completion")


__all__ = ["Check", "ProbeReport", "Structured", "StructuredClient", "TokenChance"]
