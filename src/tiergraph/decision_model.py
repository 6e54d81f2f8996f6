"""The router as one of LangChain's decision models: tiers, labels and flags as typed answers, under the same policy.

::

    from langchain.agents.middleware import ModelChoice, ModelRouterMiddleware

    classifier = create_decision_model(load_config("router.yaml"), given=("small", "big"))
    ModelRouterMiddleware(
        choices={"small": ModelChoice(...), "big": ModelChoice(...)},  # names of tiers
        instructions="Choose the cheapest tier that can answer.",
        classifier=classifier,
    )

What `tiergraph.decision_answers` says of questions holds. Two things to know of ``ModelRouterMiddleware``: it shows its
classifier the latest human message alone and asks once a run, so what earlier turns and tools' results hold is not
screened; and it ends the run with the `InputError` where a request is for a person and the choices have no ``human``.
The graph of `create_tier_router` screens all of them at every hop.
"""

from __future__ import annotations

from collections.abc import Container
from typing import TYPE_CHECKING

from tiergraph.config import RouterConfig
from tiergraph.errors import MissingExtraError

if TYPE_CHECKING:
    from tiergraph.decider import Decider
    from tiergraph.decision_answers import TierDecisionModel


def create_decision_model(
    decider_or_config: Decider | RouterConfig, *, given: Container[str] = ()
) -> TierDecisionModel:
    """A LangChain decision model over the router.

    Args:
        decider_or_config: From `create_decider`, which stays yours to close, or from `load_config`; then closing the
            decision model closes what was loaded.
        given: With a configuration: names of tiers whose chat model the caller brings, as for `create_decider`.

    Raises:
        MissingExtraError: The installed langchain-core has no decision models.
        ConfigError: The configuration does not fit the router model.
        ModelError: The router model cannot be loaded, or was refused by the canary.
    """
    try:
        from tiergraph.decision_answers import TierDecisionModel
    except ImportError as error:
        if not (error.name or "").startswith("langchain_core"):
            raise
        raise MissingExtraError("langchain-core>=1.8", extra="decisions") from None
    from tiergraph.decider import create_decider

    if isinstance(decider_or_config, RouterConfig):
        return TierDecisionModel(create_decider(decider_or_config, given=given), owned=True)
    return TierDecisionModel(decider_or_config)
