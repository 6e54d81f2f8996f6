"""Every error that tiergraph raises, in one tree.

::

    TiergraphError
    ├── ConfigError           a configuration that cannot be used: names file, line and fix
    ├── InputError            a request that cannot be routed: names the field and the fix
    ├── MissingExtraError     an optional dependency is absent: names the extra (also an ImportError)
    ├── ModelError            a model file that cannot be loaded or trusted
    │   └── CanaryError       the model broke the constraint at start-up and is refused
    ├── ProposerError         one routing decision could not be had; the fallback row applies
    │   ├── ProposalInvalidError    off the schema or off the allowed set
    │   ├── DecisionTimeoutError    later than its deadline
    │   ├── CircuitOpenError        not asked, because recent decisions failed
    │   └── ProposerUnavailableError  a server did not answer: rate limit, 5xx, unreachable, bad request
    ├── EndpointError         a hosted model gave no answer that keeps to its schema; carries a reason code
    ├── JudgeError            no verdict could be had; never a pass
    │   └── JudgeTimeoutError       not before its deadline
    ├── TierError             one tier did not answer; carries a reason code
    └── TiersUnavailableError every allowed tier failed and ``on_unavailable`` is ``raise``

A user's mistake (`ConfigError`, `InputError`, `MissingExtraError`, `ModelError`) and a run's failure
(the rest) never share a class. No message carries request text.
"""

from __future__ import annotations

from typing import ClassVar


class TiergraphError(Exception):
    """Base of every error raised here."""


class ConfigError(TiergraphError):
    """A configuration that cannot be used.

    Attributes:
        file: Name of the file, or ``None`` for a configuration built in code.
        line: 1-based line in the file, where known.
        fix: One sentence that says what to change.
    """

    def __init__(self, problem: str, *, file: str | None = None, line: int | None = None, fix: str = "") -> None:
        self.problem, self.file, self.line, self.fix = problem, file, line, fix
        place = f"{file}:{line}: " if file and line else f"{file}: " if file else ""
        super().__init__(f"{place}{problem}" + (f" Fix: {fix}" if fix else ""))


class InputError(TiergraphError, ValueError):
    """A request that cannot be routed. ``code`` is stable and short, such as ``empty`` or ``not_text``."""

    def __init__(self, message: str, *, code: str) -> None:
        self.code = code
        super().__init__(message)


class MissingExtraError(TiergraphError, ImportError):
    """An optional dependency is not installed. ``extra`` names the one that brings it."""

    def __init__(self, package: str, *, extra: str) -> None:
        self.extra = extra
        super().__init__(f"{package!r} is not installed. Fix: pip install 'tiergraph[{extra}]'")


class ModelError(TiergraphError):
    """A model file that is missing, truncated, or not what it says it is."""


class CanaryError(ModelError):
    """The router model let a forbidden value out at start-up; it is refused."""


class ProposerError(TiergraphError):
    """A routing decision could not be had from the router model.

    ``code`` goes into the record; ``retryable`` says whether asking again may help.
    """

    code: ClassVar[str] = "proposer_failed"
    retryable: ClassVar[bool] = True


class ProposalInvalidError(ProposerError):
    """The proposal is off the schema or off the allowed set."""

    code = "proposal_invalid"


class DecisionTimeoutError(ProposerError):
    """The proposal came later than the deadline of the decision."""

    code = "decision_timeout"


class CircuitOpenError(ProposerError):
    """The router model was not asked, because its recent decisions failed."""

    code = "circuit_open"
    retryable = False


class ProposerUnavailableError(ProposerError):
    """The server of a hosted router model did not answer. The message says why, by code; never what was sent."""

    code = "proposer_unavailable"


class EndpointError(TiergraphError):
    """A hosted model gave no answer that keeps to its schema. What was sent and what came stay out of the message.

    Attributes:
        code: One of ``timeout``, ``rate_limited``, ``server_error``, ``bad_request``, ``unreachable``, ``empty``,
            ``refusal``, ``invalid``, ``error``.
        retryable: Whether asking again may help.
        attempts: Calls that were made.
    """

    def __init__(self, model: str, code: str, *, retryable: bool, attempts: int = 1, detail: str = "") -> None:
        self.model, self.code, self.retryable, self.attempts = model, code, retryable, attempts
        calls = f" after {attempts} calls" if attempts > 1 else ""
        super().__init__(f"{model!r} gave no valid answer{calls}: {code}." + (f" {detail}" if detail else ""))


class JudgeError(TiergraphError):
    """The judge gave no verdict. It counts as "not a pass"."""

    code: ClassVar[str] = "judge_failed"


class JudgeTimeoutError(JudgeError):
    """The judge gave no verdict before its deadline."""

    code = "judge_timeout"


class TierError(TiergraphError):
    """A tier did not answer.

    Attributes:
        tier: Name of the tier.
        code: One of ``timeout``, ``rate_limited``, ``server_error``, ``empty``, ``refusal``, ``unsure``,
            ``unreachable``, ``bad_request``, ``error``.
        retryable: Whether the same tier may answer when asked again.
    """

    def __init__(self, tier: str, code: str, *, retryable: bool) -> None:
        self.tier, self.code, self.retryable = tier, code, retryable
        super().__init__(f"Tier {tier!r} did not answer: {code}.")


class TiersUnavailableError(TiergraphError):
    """Every allowed tier failed. ``codes`` maps tier name to its last reason code."""

    def __init__(self, codes: dict[str, str]) -> None:
        self.codes = codes
        tried = ", ".join(f"{tier} ({code})" for tier, code in codes.items()) or "none"
        super().__init__(f"No allowed tier answered. Tried: {tried}. Resume the thread to try again.")
