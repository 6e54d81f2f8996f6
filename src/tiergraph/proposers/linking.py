"""From ``router:`` in router.yaml to a chain of loaded router models, and the one in this process that reads flags."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import PurePath
from typing import Any, TypeGuard

from tiergraph.config import RouterConfig, RouterModelConfig
from tiergraph.errors import ConfigError
from tiergraph.proposers.base import FlagReader, Proposer
from tiergraph.proposers.breaker import Breaker
from tiergraph.proposers.chain import Chain, Link
from tiergraph.references import build

Progress = Callable[[str], None]
"""Told what is loaded next."""


def load_chain(config: RouterConfig, *, progress: Progress = lambda _: None) -> Chain:
    """Load every router model of a configuration; what was loaded is closed again where one cannot be.

    Raises:
        ConfigError: A reference or file that cannot be used.
        ModelError: A model that cannot be loaded, or was refused by its canary or probe.
        MissingExtraError: A package is missing.
    """
    with ExitStack() as undo:
        links = []
        for entry in config.router.links:
            progress(entry.model)
            link = _load_link(entry, config, progress)
            undo.callback(link.proposer.close)
            links.append(link)
        reader = _own_reader(links)
        if reader is None:
            progress("embedded, to read flags")
            reader = load_reader(config, progress=progress)
        undo.pop_all()
    return Chain(
        links,
        reader=reader,
        sufficiency=config.sufficiency,
        intents=config.router.intents,
        reasons=config.router.reasons,
        reader_bounded=True,
    )


def load_reader(config: RouterConfig, *, progress: Progress = lambda _: None) -> FlagReader:
    """The embedded model, to read flags beside router models that are elsewhere or read none."""
    from tiergraph.proposers.llamacpp import EMBEDDED, LlamaCppProposer

    shared = config.router
    settings = RouterModelConfig(contexts=shared.contexts, threads=shared.threads)
    return LlamaCppProposer.load(
        EMBEDDED,
        ladder=config.ladder,
        config=settings,
        sufficiency=config.sufficiency,
        config_digest=config.digest,
        progress=lambda stage: progress(f"{EMBEDDED}: {stage}"),
    )


def with_reader(proposer: Proposer, config: RouterConfig) -> Chain:
    """A chain of one router model of the user's own, with the embedded model for flags where it is not on the spot."""
    reader = None if proposer.location == "on_prem" and _reads(proposer) else load_reader(config)
    return Chain.of(
        proposer,
        sufficiency=config.sufficiency,
        reader=reader,
        intents=config.router.intents,
        reasons=config.router.reasons,
        reader_bounded=reader is not None,
    )


def _own_reader(links: list[Link]) -> FlagReader | None:
    """The first model in this process that was trained to read flags.

    Of any other GGUF nobody knows how many names it overlooks: its flags tighten, and the embedded model reads too.
    """
    return next((link.proposer for link in links if link.bounded and _reads(link.proposer)), None)


def _reads(proposer: Proposer) -> TypeGuard[FlagReader]:
    return isinstance(proposer, FlagReader) and getattr(proposer, "trained", True)


def _load_link(entry: RouterModelConfig, config: RouterConfig, progress: Progress) -> Link:
    given: dict[str, Any] = {
        "ladder": config.ladder,
        "config": entry,
        "sufficiency": config.sufficiency,
        "config_digest": config.digest,
    }
    if not entry.scheme:
        from tiergraph.config import expand_env
        from tiergraph.proposers.llamacpp import LlamaCppProposer

        # It keeps deadlines by itself and has a breaker of its own.
        heads = tuple(str(config.folder / expand_env(head)) for head in entry.heads)
        given["config"] = entry.model_copy(update={"heads": heads})
        path = expand_env(entry.model)
        name = PurePath(path).name
        own: Proposer = LlamaCppProposer.load(path, **given, progress=lambda stage: progress(f"{name}: {stage}"))
        return Link(proposer=own, boundary=entry.boundary, bounded=True)
    loaded: Proposer
    if entry.scheme == "embedding":
        from tiergraph.proposers.embedding import EmbeddingProposer

        told = partial(_examples, progress, entry.name)
        loaded = EmbeddingProposer.load(**given, progress=told)
    elif entry.scheme == "classifier":
        from tiergraph.proposers.classifier import ClassifierProposer

        loaded = ClassifierProposer.load(**given)
    elif entry.scheme == "python":
        loaded = _python(entry, given)
    else:
        from tiergraph.proposers.hosted import HostedProposer

        loaded = HostedProposer.load(**given)
    breaker = Breaker(entry.breaker_failures, entry.breaker_reset_s)
    # A classifier keeps deadlines by itself too.
    return Link(proposer=loaded, boundary=entry.boundary, breaker=breaker, bounded=entry.scheme == "classifier")


def _examples(progress: Progress, name: str, done: int, total: int) -> None:
    progress(f"{name}: example {done} of {total}")


def _python(entry: RouterModelConfig, given: dict[str, Any]) -> Proposer:
    """A `Proposer` or a LangChain decision model that a reference names, or what it makes when called."""
    found: Any = build(
        entry.model,
        "router.model",
        params=entry.params,
        ready=lambda found: hasattr(found, "propose") or hasattr(found, "invoke"),
    )
    if hasattr(found, "propose"):
        proposer: Proposer = found
        if proposer.location != entry.location:
            raise ConfigError(
                f"router.model: the configuration says {entry.location!r}, and {entry.model!r} itself "
                f"{proposer.location!r}.",
                fix="state the place that what it is given really goes to, in both.",
            )
        return proposer
    if hasattr(found, "invoke"):
        from tiergraph.proposers.decisions import DecisionModelProposer

        return DecisionModelProposer.load(found, **given)
    raise ConfigError(
        f"router.model: {entry.model!r} is a {type(found).__name__}.",
        fix="point it at a Proposer or a LangChain decision model.",
    )
