"""The wiring, and nothing else: it reads like the flow in the README."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from tiergraph.answering import build_client, check_models, retriever_calls
from tiergraph.config import RouterConfig
from tiergraph.decider import Decider, create_decider
from tiergraph.judges import Judge
from tiergraph.judges.loading import load_judges, probe_judges
from tiergraph.nodes import Node, Nodes
from tiergraph.proposers.base import Proposer
from tiergraph.records import OnRecord
from tiergraph.state import Channels, RouterInput, RouterOutput, RouterState, flat

if TYPE_CHECKING:
    from tiergraph.evaluation.shadow import Shadow


def after_screen(state: RouterState) -> Literal["propose", "human", "finish"]:
    if state["stop"] == "refuse":
        return "finish"
    return "human" if state["stop"] == "human" else "propose"


def after_propose(state: RouterState) -> Literal["retrieve", "draft", "human", "finish"]:
    if state["stop"] == "refuse":
        return "finish"
    if state["stop"] == "human":
        return "human"
    return "retrieve" if state["wants_documents"] else "draft"


def after_retrieve(state: RouterState) -> Literal["draft", "human"]:
    return "human" if state["stop"] is not None else "draft"


def after_draft(state: RouterState) -> Literal["judge", "escalate"]:
    return "escalate" if state["hops"][-1]["outcome"] == "failed" else "judge"


def after_judge(state: RouterState) -> Literal["finish", "escalate"]:
    return "finish" if state["accepted"] is not None else "escalate"


def after_escalate(state: RouterState) -> Literal["draft", "human", "finish"]:
    if state["current"] is not None:
        return "draft"
    return "finish" if state["outcome"] is not None else "human"


def after_human(state: RouterState) -> Literal["draft", "finish"]:
    return "draft" if state["outcome"] is None else "finish"


def create_tier_router(
    config: RouterConfig,
    *,
    retriever: Any = None,
    judge: Judge | None = None,
    proposer: Proposer | None = None,
    decider: Decider | None = None,
    models: Mapping[str, Any] | None = None,
    tools: Sequence[Any] = (),
    on_record: OnRecord | None = None,
    shadow: Shadow | None = None,
    checkpointer: Any = None,
    name: str = "tiergraph",
) -> CompiledStateGraph[Channels, None, RouterInput, RouterOutput]:
    """The router as a compiled graph: run it by itself, or add it as a node to your own.

    Args:
        config: From `load_config`.
        retriever: A LangChain retriever or a function from a query to documents; ``config.retrieval.location`` says
            where it is.
        judge: Asked in place of the configured one. The evidence judge stays behind it for drafts that it may not see.
        proposer: A router model in place of the configured one.
        decider: Screens and router model that are loaded already, to share between graphs.
        models: Tier name to the LangChain chat model to use in place of the configured reference.
        tools: Bound to every chat model; tool calls come back in the answer for the host to run.
        on_record: Called with every finished record, such as a `RecordLog`.
        shadow: A candidate that is shown every finished request and never serves.
        checkpointer: For a router that stands alone. As a node it inherits the host's.
        name: Name of the graph.

    Raises:
        ConfigError: A reference cannot be resolved, or a model is given for an unknown tier.
        ModelError: The router model cannot be loaded, or was refused by the canary; or the judge by its probe.
    """
    models = dict(models or {})
    check_models(models, config)
    if decider is None:
        decider = create_decider(config, proposer=proposer, given=models)
        decider.warm()
    judges = load_judges(config, judge)
    if config.cascade.judge != "none":
        probe_judges(judges)
    nodes = Nodes(
        decider=decider,
        clients={
            tier.name: build_client(tier, model=models.get(tier.name), tools=tools)
            for tier in config.tiers
            if tier.name not in decider.unreachable
        },
        judges=judges,
        retriever=None if retriever is None else retriever_calls(retriever),
        on_record=on_record,
        shadow=shadow,
    )
    return _wire(nodes, checkpointer, name)


def _wire(nodes: Nodes, checkpointer: Any, name: str) -> CompiledStateGraph[Channels, None, RouterInput, RouterOutput]:
    graph = StateGraph(Channels, input_schema=RouterInput, output_schema=RouterOutput)
    for body in (
        nodes.screen,
        nodes.propose,
        nodes.retrieve,
        nodes.draft,
        nodes.judge,
        nodes.escalate,
        nodes.human,
        nodes.finish,
    ):
        graph.add_node(body.__name__, Node(body))

    graph.add_edge(START, "screen")
    for source, path, targets in (
        ("screen", after_screen, ("propose", "human", "finish")),
        ("propose", after_propose, ("retrieve", "draft", "human", "finish")),
        ("retrieve", after_retrieve, ("draft", "human")),
        ("draft", after_draft, ("judge", "escalate")),
        ("judge", after_judge, ("finish", "escalate")),
        ("escalate", after_escalate, ("draft", "human", "finish")),
        ("human", after_human, ("draft", "finish")),
    ):
        graph.add_conditional_edges(source, _on_flat_state(path), {target: target for target in targets})
    graph.add_edge("finish", END)

    router = graph.compile(checkpointer=checkpointer, name=name)
    # Drafts and findings are ours: a host that streams `values` or `updates` sees the answer and the record.
    router.stream_channels = ["messages", "routing"]
    return router


def _on_flat_state(path: Callable[[RouterState], str]) -> Callable[[Channels], str]:
    def decide(channels: Channels) -> str:
        return path(flat(channels))

    return decide
