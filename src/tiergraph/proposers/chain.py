"""Several router models as one: the first that is sure decides, and nothing that any of them says is trusted.

Precedence: policy above all, then ``map``, then the models in their order. A model is sure where no other tier could
as well be right (see `boundary_distance`), and never on a confidence that it states and has not earned; else the next
one is asked, and the last one that answers decides. A model that fails, is left alone by its breaker, or may not see
the request is passed over. Flags add up: each may tighten, none lifts.

Failure rule: one deadline holds for all of them together. Where none answered there is no proposal, and the caller
takes the fallback.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import get_args

from tiergraph.effects import Call, Steps
from tiergraph.errors import DecisionTimeoutError, ProposalInvalidError, ProposerError
from tiergraph.proposal import INTENTS, REASONS, Proposal, parse_proposal, render_proposal
from tiergraph.proposers.base import ConfidenceFrom, FlagReader, Flags, Narrow, Proposed, Proposer
from tiergraph.proposers.breaker import Breaker
from tiergraph.proposers.calibration import boundary_distance
from tiergraph.proposers.confidence import UNEARNED
from tiergraph.tiers import Location

Release = Callable[[Location], str | None]
"""From a place to what of the question may be sent there as things stand, or ``None``."""

ReadQuestion = Callable[[], Steps[None]]
"""Has the reader read the flags of the question; `Narrow` and `Release` know them from then on."""

DECIDED, NEAR, WITHHELD = "decided", "near_boundary", "withheld"


@dataclass(frozen=True, kw_only=True)
class Link:
    """One router model of a chain.

    Attributes:
        proposer: The model.
        boundary: In [0, .5]: a distance below which the next one is asked.
        breaker: What leaves it alone after failures; ``None`` where the model has its own.
        bounded: Whether it keeps the deadline by itself; else it is left behind in a thread when the time is up.
    """

    proposer: Proposer
    boundary: float = 0.0
    breaker: Breaker | None = None
    bounded: bool = False


@dataclass(frozen=True, kw_only=True)
class Consulted:
    """How asking one model went.

    Attributes:
        proposer: Its name.
        code: ``decided``, ``near_boundary`` (it answered, and the next one was asked), ``withheld`` (policy keeps the
            request from its place), or the code of a `ProposerError`.
        latency_ms: Milliseconds, 0 where it was not called.
    """

    proposer: str
    code: str
    latency_ms: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Consultation:
    """What a chain arrived at: the proposal that holds, or ``None``; by whom; and how each asking went."""

    proposed: Proposed | None
    by: str | None = None
    consulted: tuple[Consulted, ...] = field(default=())

    @property
    def failure(self) -> str | None:
        """Code of the last model that did not answer, where none did."""
        if self.proposed is not None or not self.consulted:
            return None
        last = self.consulted[-1].code
        return "proposer_withheld" if last == WITHHELD else last


class Chain:
    """The router models of one configuration, and the model in this process that reads flags. Thread-safe."""

    def __init__(
        self,
        links: Sequence[Link],
        *,
        reader: FlagReader,
        sufficiency: float,
        intents: tuple[str, ...] = INTENTS,
        reasons: tuple[str, ...] = REASONS,
        reader_bounded: bool = False,
    ) -> None:
        """
        Args:
            sufficiency: Probability in (0, 1) of being sufficient that a tier needs to be chosen.
            intents, reasons: The closed sets that every proposal keeps to.
            reader_bounded: As `Link.bounded`, of a reader that is no link.
        """
        if not links:
            raise ValueError("a chain has at least one router model")
        self.links, self.reader, self.sufficiency = tuple(links), reader, sufficiency
        read: object = reader
        self.reader_bounded = reader_bounded or any(link.bounded and link.proposer is read for link in self.links)
        """Whether the reader keeps its deadline by itself."""
        self._intents, self._reasons = tuple(intents), tuple(reasons)
        self.reads_question = self.links[0].proposer is read
        """Whether the first model reads the flags of the question in the same pass as it decides."""

    @classmethod
    def of(
        cls,
        proposer: Proposer,
        *,
        sufficiency: float,
        reader: FlagReader | None = None,
        intents: tuple[str, ...] = INTENTS,
        reasons: tuple[str, ...] = REASONS,
        reader_bounded: bool = False,
    ) -> Chain:
        """A chain of one. It reads flags itself where it can and nothing else is given.

        Raises:
            TypeError: It cannot read flags, and no reader is given.
        """
        if reader is None:
            if not isinstance(proposer, FlagReader):
                raise TypeError(
                    f"the router model {proposer.name!r} reads no flags. Fix: pass reader=, such as the embedded model"
                )
            reader = proposer
        return cls(
            (Link(proposer=proposer),),
            reader=reader,
            sufficiency=sufficiency,
            intents=intents,
            reasons=reasons,
            reader_bounded=reader_bounded,
        )

    @property
    def name(self) -> str:
        """The names in order, with ``>`` between."""
        return " > ".join(link.proposer.name for link in self.links)

    @property
    def digest(self) -> str:
        """Of the one model, or sha256 over those of all."""
        digests = [link.proposer.digest for link in self.links]
        return digests[0] if len(digests) == 1 else hashlib.sha256("\n".join(digests).encode()).hexdigest()

    def only(self, number: int) -> Chain:
        """One of its models as a chain of its own, which decides in any case."""
        return Chain(
            (self.links[number],),
            reader=self.reader,
            sufficiency=self.sufficiency,
            intents=self._intents,
            reasons=self._reasons,
            reader_bounded=self.reader_bounded,
        )

    def steps(
        self, release: Release, *, narrow: Narrow, deadline: float, windows: int, read_question: ReadQuestion
    ) -> Steps[Consultation]:
        """Ask until one is sure. ``narrow``, ``deadline`` and ``windows`` as for `Proposer.propose`.

        ``read_question`` has the flags of the question read; it is called where the first model would have done so as
        it decided, and failed.
        """
        held: Proposed | None = None
        by: str | None = None
        consulted: list[Consulted] = []
        for number, link in enumerate(self.links):
            name = link.proposer.name
            text = release(link.proposer.location)
            if text is None:
                consulted.append(Consulted(proposer=name, code=WITHHELD))
                continue
            began = time.monotonic()
            try:
                proposed: Proposed = yield from self._ask(link, text, narrow, deadline, windows)
            except ProposerError as error:
                consulted.append(Consulted(proposer=name, code=error.code, latency_ms=_since(began)))
                if number == 0 and self.reads_question:
                    yield from read_question()
                continue
            held, by = proposed, name
            sure = number == len(self.links) - 1 or not self._near(link, proposed)
            consulted.append(Consulted(proposer=name, code=DECIDED if sure else NEAR, latency_ms=_since(began)))
            if sure:
                break
        return Consultation(proposed=held, by=by, consulted=tuple(consulted))

    def close(self) -> None:
        """Close every model, the reader included."""
        for link in self.links:
            link.proposer.close()
        self.reader.close()

    def _near(self, link: Link, proposed: Proposed) -> bool:
        if proposed.proposal is None:  # policy leaves no tier: no other model could change that
            return False
        if proposed.confidence_from == "stated" and proposed.confidence <= UNEARNED:
            return True
        return boundary_distance(proposed.tier_probabilities.values(), self.sufficiency) < link.boundary

    def _ask(self, link: Link, text: str, narrow: Narrow, deadline: float, windows: int) -> Steps[Proposed]:
        proposer = link.proposer
        left = deadline - time.monotonic()
        if left <= 0:
            raise DecisionTimeoutError("The deadline had passed before this router model was asked.")
        trying = link.breaker.enter() if link.breaker else False
        ok: bool | None = None
        try:
            proposed: object = yield Call(
                lambda: proposer.propose(text, narrow=narrow, deadline=deadline, windows=windows),
                lambda: proposer.apropose(text, narrow=narrow, deadline=deadline, windows=windows),
                None if link.bounded else left,
            )
            ok = True
            return _checked(proposed, narrow, self._intents, self._reasons)
        except ProposerError:
            ok = False
            raise
        except TimeoutError:
            ok = False
            raise DecisionTimeoutError("The router model was later than its deadline.") from None
        except Exception as error:  # a router model of the user's own: its message may repeat the request
            ok = False
            raise ProposerError(f"The router model failed with {type(error).__name__}.") from None
        finally:
            if link.breaker:
                link.breaker.leave(ok, trying=trying)


def _checked(proposed: object, narrow: Narrow, intents: tuple[str, ...], reasons: tuple[str, ...]) -> Proposed:
    """What a router model returned, where it kept its contract.

    Raises:
        ProposalInvalidError: It is no `Proposed`, has a value off its type or its closed set, its tier is not allowed,
            or its probabilities are none.
    """
    if not isinstance(proposed, Proposed):
        raise ProposalInvalidError(f"The router model returned a {type(proposed).__name__}.")
    _check_types(proposed)
    allowed = tuple(narrow(proposed.flags if proposed.complete else proposed.flags | Flags(contains_pii=True)))
    if proposed.proposal is None:
        if allowed:
            raise ProposalInvalidError("The router model proposed nothing, though policy leaves tiers.")
        return proposed
    if proposed.proposal.tier not in allowed:
        raise ProposalInvalidError("The router model proposed a tier that is not allowed.")
    # A proposal that was made without validation could carry any text into the record.
    parse_proposal(render_proposal(proposed.proposal.model_dump()), allowed=allowed, intents=intents, reasons=reasons)
    values = proposed.tier_probabilities.values()
    if not all(math.isfinite(p) and 0 <= p <= 1 for p in values) or abs(sum(values) - 1) > 1e-6:
        raise ProposalInvalidError("The router model's probabilities do not sum to 1.")
    if any(p > 0 for name, p in proposed.tier_probabilities.items() if name not in allowed):
        raise ProposalInvalidError("The router model gave a forbidden tier a probability.")
    return proposed


def _check_types(proposed: Proposed) -> None:
    numbers = (proposed.confidence, proposed.score)
    if not all(isinstance(n, (int, float)) and math.isfinite(n) and 0 <= n <= 1 for n in numbers):
        raise ProposalInvalidError("The router model's confidence or score is no number in [0, 1].")
    if proposed.confidence_from not in get_args(ConfidenceFrom) or not isinstance(proposed.flags, Flags):
        raise ProposalInvalidError("The router model returned a value off its type.")
    if proposed.proposal is not None and not isinstance(proposed.proposal, Proposal):
        raise ProposalInvalidError("The router model's proposal is none.")
    if not all(isinstance(p, (int, float)) for p in proposed.tier_probabilities.values()):
        raise ProposalInvalidError("The router model's probabilities are no numbers.")


def within(proposed: Proposed, allowed: Sequence[str]) -> Proposed:
    """``proposed`` with no probability left on a tier that fell out of the allowed set after it was made."""
    given = proposed.tier_probabilities
    kept = {name: p if name in allowed else 0.0 for name, p in given.items()}
    total = sum(kept.values())
    if kept == dict(given) or proposed.proposal is None or total <= 0:
        return proposed
    probabilities = {name: p / total for name, p in kept.items()}
    return replace(
        proposed, tier_probabilities=probabilities, confidence=probabilities.get(proposed.proposal.tier, 0.0)
    )


def _since(began: float) -> float:
    return round((time.monotonic() - began) * 1000, 3)
