"""From what a user has at hand to a subject: a configuration, a decider, a graph, a judge, a function, or records."""

from __future__ import annotations

import hashlib
import queue
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from os import PathLike
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from tiergraph.config import RouterConfig, expand_env
from tiergraph.errors import InputError
from tiergraph.evaluation.cases import Case, Suite, digest_of
from tiergraph.evaluation.observations import Observation
from tiergraph.evaluation.paid import paid, refuse_paid_helpers, refuse_paid_models
from tiergraph.evaluation.replay import ReplayChat
from tiergraph.evaluation.subjects import (
    DeciderSubject,
    FunctionSubject,
    GraphSubject,
    JudgeSubject,
    RecordsSubject,
    Scorer,
    Subject,
    patient,
)
from tiergraph.evaluation.trying import tried
from tiergraph.judges import Judge
from tiergraph.prompting import prompts_digest
from tiergraph.tiers import Tier

if TYPE_CHECKING:
    from tiergraph.decider import Decider

_WHO = "the evaluation"

DEFAULT_THRESHOLD = 0.65
"""Score from which a judge's verdict passes, where nothing else is said: as of `CascadeConfig`."""


class Opened(NamedTuple):
    """A subject that is ready to be asked.

    ``suite``: with what had to be found out for it. ``silent``: as of `Tried`.
    """

    subject: Subject
    suite: Suite
    silent: Mapping[str, frozenset[str]] = MappingProxyType({})


@contextmanager
def opened(
    subject: Any,
    suite: Suite,
    *,
    cascade: bool,
    workers: int,
    cache: str | PathLike[str] | None,
    digest: str | None,
    **options: Any,
) -> Iterator[Opened]:
    """The subject, ready to be asked. Arguments as of `evaluate`.

    What was built for it is closed at the end.

    Raises:
        InputError: Nothing that can be evaluated, or options that do not go with it.
    """
    from tiergraph.decider import Decider

    if isinstance(subject, RouterConfig):
        if cascade:
            opening = _cascade(subject, suite, workers, cache, digest, **options)
        else:
            opening = _decider(subject, suite, options)
        with opening as ready:
            yield ready
        return
    if cascade:
        raise InputError("cascade=True goes with a configuration. Fix: pass the RouterConfig.", code="bad_option")
    if subject is None:
        yield Opened(RecordsSubject(suite.cases, **options), suite)
    elif isinstance(subject, Decider):
        _none_left(options, "decider")
        yield Opened(DeciderSubject(subject), suite)
    elif hasattr(subject, "stream") and hasattr(subject, "invoke"):
        yield Opened(GraphSubject(subject, digest=digest, **options), suite)
    elif isinstance(subject, Judge):
        threshold = options.pop("threshold", DEFAULT_THRESHOLD)
        _none_left(options, "judge")
        yield Opened(JudgeSubject(subject, threshold=threshold), suite)
    elif callable(subject):
        _none_left(options, "function")
        yield Opened(FunctionSubject(subject, suite.tiers, digest=digest), suite)
    else:
        raise InputError(
            f"A {type(subject).__name__} cannot be evaluated. Fix: pass a RouterConfig, a Decider, a graph of "
            "create_tier_router, a judge, a function of the question, or None for records.",
            code="bad_subject",
        )


def _none_left(options: Mapping[str, Any], kind: str) -> None:
    if options:
        raise InputError(f"{sorted(options)[0]!r} does not go with a {kind}.", code="bad_option")


@contextmanager
def _decider(config: RouterConfig, suite: Suite, options: Mapping[str, Any]) -> Iterator[Opened]:
    options = dict(options)
    allow_paid = options.pop("allow_paid", False)
    _none_left(options, "configuration without cascade=True")
    with _built(suite.config(config), recorded=bool(suite.tiers), allow_paid=allow_paid) as decider:
        yield Opened(DeciderSubject(decider), suite)


@contextmanager
def _cascade(
    config: RouterConfig,
    suite: Suite,
    workers: int,
    cache: str | PathLike[str] | None,
    digest: str | None,
    *,
    retriever: Any = None,
    models: Mapping[str, Any] | None = None,
    judge: Judge | None = None,
    scorer: Scorer | None = None,
    allow_paid: bool = False,
) -> Iterator[Opened]:
    """The whole graph, one for each worker, around one decider."""
    from tiergraph.graph import create_tier_router

    replayed = bool(suite.tiers) and any(case.drafts for case in suite)
    own = suite.config(config) if replayed else config
    given = dict(models or {})
    if not allow_paid:
        refuse_paid_helpers(own, _WHO, retriever=retriever, judge=judge)
    with _built(own, recorded=replayed, allow_paid=allow_paid, given=tuple(given)) as decider:
        closed = () if replayed or allow_paid else [tier.name for tier in own.tiers if paid(tier)]
        closed = [name for name in closed if name not in given]
        waiting = patient(decider, unreachable=closed)
        named = _named(waiting, own, digest, given, judge=judge, retriever=retriever, scorer=scorer)
        model = {"name": decider.chain.name, "digest": decider.chain.digest}
        ready = queue.SimpleQueue[GraphSubject]()
        for _ in range(workers):
            chats = {tier.name: ReplayChat(tier=tier.name) for tier in own.tiers} if replayed else {}
            graph = create_tier_router(
                waiting.config, decider=waiting, models={**chats, **given}, judge=judge, retriever=retriever
            )
            ready.put(
                GraphSubject(
                    graph,
                    config=own,
                    digest=named,
                    name=decider.chain.name,
                    scorer=scorer,
                    lay_in=_laying(chats.values()),
                    about={"model": model, "prompts_digest": prompts_digest()},
                )
            )
        silent: Mapping[str, frozenset[str]] = {}
        if not replayed and not given:
            suite, silent = tried(suite, waiting, retriever=retriever, scorer=scorer, cache=cache, workers=workers)
        yield Opened(_Pool(ready), suite, silent)


def _named(
    decider: Decider, config: RouterConfig, digest: str | None, models: Mapping[str, Any], **parts: Any
) -> str | None:
    """Digest of all that decides what the graph answers; ``None`` where a part has no name and none was given."""
    names = [getattr(part, "digest", None) for part in parts.values() if part is not None]
    if digest is None and (models or None in names):
        return None
    tiers = [behind(tier) for tier in config.tiers]
    return digest_of(
        config.digest, decider.chain.digest, sorted(decider.unreachable), sorted(models), names, tiers, digest
    )


def behind(tier: Tier) -> list[str | None]:
    """What a tier's reference stands for now: environment variables read, and the source of Python code."""
    model = expand_env(tier.model)
    source = None
    if model.startswith("python:"):
        spec = find_spec(model.split(":")[1])
        if spec is not None and spec.origin is not None and Path(spec.origin).is_file():
            source = hashlib.sha256(Path(spec.origin).read_bytes()).hexdigest()
    return [model, expand_env(tier.base_url) if tier.base_url else None, source]


class _Pool:
    """Several graphs of one configuration, each of which serves one case at a time."""

    kind = "graph"

    def __init__(self, graphs: queue.SimpleQueue[GraphSubject]) -> None:
        self._graphs = graphs
        self._any = graphs.get()
        graphs.put(self._any)
        self.config, self.tiers, self.digest = self._any.config, self._any.tiers, self._any.digest

    def about(self) -> dict[str, Any]:
        return self._any.about()

    def key(self, case: Case) -> str:
        return self._any.key(case)

    def observe(self, case: Case) -> Observation:
        graph = self._graphs.get()
        try:
            return graph.observe(case)
        finally:
            self._graphs.put(graph)


def _laying(chats: Any) -> Callable[[Case | None], None]:
    kept = list(chats)

    def lay_in(case: Case | None) -> None:
        for chat in kept:
            chat.lay_in(case)

    return lay_in


@contextmanager
def _built(config: RouterConfig, *, recorded: bool, allow_paid: bool, given: tuple[str, ...] = ()) -> Iterator[Decider]:
    from tiergraph.decider import create_decider

    if not allow_paid:
        refuse_paid_models(config, _WHO)
    reachable = config.ladder.names if recorded else given
    with create_decider(config, given=reachable) as decider:
        decider.warm()
        yield decider
