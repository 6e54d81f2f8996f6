"""Small routers for the tests: a ladder of scripted chat models under a scripted router model."""

from __future__ import annotations

from typing import Any

from tiergraph import create_tier_router
from tiergraph.config import RouterConfig
from tiergraph.decider import Decider
from tiergraph.testing import ScriptedChat, ScriptedJudge, ScriptedProposer

LADDER = (("small", "on_prem"), ("middle", "on_prem"), ("big", "external"))


def make_config(tiers: Any = LADDER, **sections: Any) -> RouterConfig:
    """A configuration whose tiers are all scripted; ``sections`` as in router.yaml."""
    ladder = [
        {
            "name": name,
            "model": "python:tests_do_not:import_this",
            "location": location,
            "price": {"input": 10.0**rung, "output": 10.0**rung},
            "context_window": 100_000,
        }
        for rung, (name, location) in enumerate(tiers)
    ]
    cascade = {"backoff_s": 0.0, "retries": 0, **sections.pop("cascade", {})}
    return RouterConfig.model_validate({"tiers": ladder, "cascade": cascade, **sections})


class Bench:
    """A router with everything scripted, and the fakes to look at afterwards."""

    def __init__(
        self,
        config: RouterConfig | None = None,
        *,
        chats: dict[str, ScriptedChat] | None = None,
        judge: Any = None,
        proposer: ScriptedProposer | None = None,
        checkpointer: Any = None,
        **options: Any,
    ) -> None:
        self.config = config or make_config()
        self.chats = {tier.name: ScriptedChat(f"answer of {tier.name}") for tier in self.config.tiers}
        self.chats.update(chats or {})
        self.judge = judge or ScriptedJudge(True)
        self.proposer = proposer or ScriptedProposer(self.config.ladder)
        self.decider = Decider(self.config, self.proposer)
        self.records: list[dict[str, Any]] = []
        self.router = create_tier_router(
            self.config,
            decider=self.decider,
            models=self.chats,
            judge=self.judge,
            on_record=self.records.append,
            checkpointer=checkpointer,
            **options,
        )

    def ask(self, messages: Any, config: dict[str, Any] | None = None, **keys: Any) -> dict[str, Any]:
        if isinstance(messages, str):
            messages = [{"role": "user", "content": messages}]
        return self.router.invoke({"messages": messages, **keys}, config)

    @property
    def asked(self) -> list[str]:
        """Names of the tiers that were asked at all, in ladder order."""
        return [name for name in self.config.ladder.names if self.chats[name].history]
