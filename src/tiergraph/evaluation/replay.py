"""Recorded answers as chat models: a cascade over drafts that real models once wrote, without asking them again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import PrivateAttr

from tiergraph.errors import TierError

if TYPE_CHECKING:
    from tiergraph.evaluation.cases import Case


class ReplayChat(BaseChatModel):
    """Gives the recorded draft of one tier for the case that is laid in; without one the tier is ``unreachable``.

    One case at a time: whoever evaluates in parallel has one for each thread.
    """

    tier: str = "recorded"
    _case: Case | None = PrivateAttr(default=None)

    def lay_in(self, case: Case | None) -> None:
        """The case whose draft comes next."""
        self._case = case

    @property
    def _llm_type(self) -> str:
        return "tiergraph-replay"

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        text = self._case.drafts.get(self.tier) if self._case is not None else None
        if not text:
            raise TierError(self.tier, "unreachable", retryable=False)
        return ChatResult(generations=[ChatGeneration(message=AIMessage(text))])


def recorded(**params: Any) -> ReplayChat:
    """What the reference of a recorded tier makes: it has no case, so that outside an evaluation it answers nothing."""
    return ReplayChat(**params)
