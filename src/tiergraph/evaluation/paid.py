"""What an evaluation may call: nothing that costs money or leaves, unless it is told to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from tiergraph.config import RouterConfig, expand_env
from tiergraph.endpoints import HOSTED, JudgeConfig
from tiergraph.errors import ConfigError
from tiergraph.tiers import Tier

if TYPE_CHECKING:
    from tiergraph.config import RouterModelConfig
    from tiergraph.decider import Decider

FIX = "pass allow_paid=True (on the command line --allow-paid) to let it, or use models that are in this process."


def paid(tier: Tier) -> bool:
    """Whether asking a tier costs money or sends the request away."""
    return tier.location == "external" or tier.price.input > 0 or tier.price.output > 0


def refuse_paid_models(config: RouterConfig, who: str) -> None:
    """Raise where a router model is hosted or external, before it is loaded: a probe costs too.

    Args:
        config: Of the router.
        who: Who would call it, such as ``the candidate``.

    Raises:
        ConfigError: Names the model and the fix.
    """
    found = _paid_link(config)
    if found is not None:
        raise ConfigError(f"{found.where}: {who} would call {found.what}.", fix=FIX)


def paid_router(config: RouterConfig) -> bool:
    """Whether a router model is hosted or external."""
    return _paid_link(config) is not None


class _Paid(NamedTuple):
    where: str
    what: str


def _paid_link(config: RouterConfig) -> _Paid | None:
    """The first router model that is hosted or external, where one is."""
    for number, link in enumerate(config.router.links):
        where = f"router.chain.{number}" if config.router.chain else "router.model"
        if link.scheme in HOSTED or link.location == "external":
            return _Paid(where, f"{link.model!r} for every request")
        if link.scheme == "embedding" and (model := _paid_embeddings(link, config)):
            return _Paid(where, f"the embedding model {model!r}")
    return None


def _paid_embeddings(link: RouterModelConfig, config: RouterConfig) -> str | None:
    from tiergraph.proposers.routes import Sets, load_routes

    sets = Sets(config.ladder, config.router.intents, config.router.reasons)
    embeddings = load_routes(expand_env(link.name), sets).config.embeddings
    return embeddings.model if embeddings.scheme in HOSTED or embeddings.location == "external" else None


def refuse_paid_links(decider: Decider, who: str) -> None:
    """As `refuse_paid_models`, of router models that are loaded."""
    from tiergraph.proposers.hosted import HostedProposer

    for link in decider.chain.links:
        if isinstance(link.proposer, HostedProposer) or link.proposer.location == "external":
            raise ConfigError(f"{who.capitalize()} would call {link.proposer.name!r} for every request.", fix=FIX)


def refuse_paid_helpers(config: RouterConfig, who: str, *, retriever: Any = None, judge: Any = None) -> None:
    """Raise where the retriever or the judge is hosted or external; a judge that is given replaces the configured."""
    if retriever is not None and config.retrieval.location == "external":
        raise ConfigError(f"retrieval: {who} would search outside for its requests.", fix=FIX)
    if judge is not None:
        if judge.location == "external":
            raise ConfigError(f"{who.capitalize()} would call the judge {judge.name!r}.", fix=FIX)
    elif (model := paid_judge(config)) is not None:
        raise ConfigError(f"cascade.judge: {who} would call {model!r}.", fix=FIX)


def paid_judge(config: RouterConfig) -> str | None:
    """The reference of the configured judge where it is hosted or external, else ``None``."""
    judge = config.cascade.judge
    hosted = isinstance(judge, JudgeConfig) and (judge.scheme in HOSTED or judge.location == "external")
    return judge.model if isinstance(judge, JudgeConfig) and hosted else None
