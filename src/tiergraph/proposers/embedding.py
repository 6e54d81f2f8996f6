"""The embedding router: a request goes where the examples that are most like it go.

It reads no flags, so a chain has them read by the model in this process before the question comes here. Where no
cluster is near, or two that lead elsewhere are, it proposes ``otherwise`` with odds that let a chain ask the next.

Failure rule: an embedding model that fails, is late or returns no vectors is a `ProposerError`. A server that is down
at start-up is asked again at first use.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import math
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tiergraph.config import RouterModelConfig, expand_env
from tiergraph.embeddings import Embedder, load_embedder
from tiergraph.errors import ConfigError, DecisionTimeoutError, ModelError, ProposalInvalidError, ProposerError
from tiergraph.proposers.base import Flags, Narrow, Proposed
from tiergraph.proposers.cache import LruCache
from tiergraph.proposers.clusters import Overlap
from tiergraph.proposers.placing import Atlas, Place
from tiergraph.proposers.pool import CLOSED
from tiergraph.proposers.reading import proposal_of
from tiergraph.proposers.routes import (
    MAX_CLUSTERS,
    MAX_EXAMPLES,
    Cluster,
    Difficulty,
    RouteLabels,
    Routes,
    Sets,
    as_config_error,
    distinct,
    load_routes,
    resolve_route,
)
from tiergraph.proposers.vectors import Progress, VectorStore
from tiergraph.tiers import Ladder, Location

Key = tuple[bytes, Atlas, str]

NO_FLAGS = Flags()


class EmbeddingProposer:
    """An embedding router. Safe to call from several threads; `load` makes one."""

    def __init__(
        self,
        routes: Routes,
        embedder: Embedder,
        *,
        ladder: Ladder,
        config: RouterModelConfig,
        sufficiency: float,
        config_digest: str,
    ) -> None:
        """Takes over ``embedder``. Use `load`, which also embeds the examples."""
        self._routes, self._embedder, self._config = routes, embedder, config
        self._sets = Sets(ladder, config.intents, config.reasons)
        self._sufficiency, self._config_digest = sufficiency, config_digest
        cache = routes.config.cache
        self._store = VectorStore(embedder, routes.file.parent / cache if cache else None)
        self._clusters, self._digest = routes.clusters, self._digest_of(routes.clusters)
        self._atlas: Atlas | None = None
        self._places: LruCache[Key, Place] = LruCache(config.cache_size)
        self._lock = threading.Lock()  # held by whoever changes the clusters or embeds them
        self._closed = False

    @classmethod
    def load(
        cls,
        *,
        ladder: Ladder,
        config: RouterModelConfig,
        sufficiency: float,
        config_digest: str,
        embedder: Embedder | None = None,
        progress: Progress = lambda done, total: None,
    ) -> EmbeddingProposer:
        """Read the routes file that ``config.model`` names and embed its examples.

        Args:
            sufficiency: Probability in (0, 1) of being sufficient that a tier needs to be chosen.
            config_digest: sha256 of the configuration; part of the cache's key.
            embedder: Used in place of the one that the file names.
            progress: Told how many of how many examples are embedded.

        Raises:
            ConfigError: The file, or what it names, cannot be used.
            ModelError: A GGUF that cannot be loaded, or an embedding model whose answers are no vectors.
        """
        sets = Sets(ladder, config.intents, config.reasons)
        routes = load_routes(expand_env(config.name), sets)
        settings = routes.config.embeddings
        if embedder is None:
            embedder = load_embedder(
                settings, folder=routes.file.parent, contexts=config.contexts, threads=config.threads
            )
        try:
            if config.location is not None and config.location != embedder.location:
                raise ConfigError(
                    f"router.location is {config.location!r}, but the embeddings of {routes.file.name!r} are "
                    f"{embedder.location!r}.",
                    fix="leave router.location out: the file says it.",
                )
            proposer = cls(
                routes,
                embedder,
                ladder=ladder,
                config=config,
                sufficiency=sufficiency,
                config_digest=config_digest,
            )
            proposer._start(progress)
        except BaseException:
            embedder.close()
            raise
        return proposer

    @property
    def name(self) -> str:
        return f"embedding:{self._routes.file.stem}"

    @property
    def location(self) -> Location:
        return self._embedder.location

    @property
    def digest(self) -> str:
        """sha256 over the embedding model and all clusters as they are now."""
        return self._digest

    @property
    def ready(self) -> bool:
        """Whether the examples are embedded; else the first decision tries."""
        return self._atlas is not None

    @property
    def clusters(self) -> tuple[str, ...]:
        """Names of the clusters."""
        return tuple(cluster.name for cluster in self._clusters)

    def propose(self, text: str, *, narrow: Narrow, deadline: float, windows: int) -> Proposed:
        """One decision, as the contract in `tiergraph.proposers.base` says. ``windows`` is of no use to it.

        Raises:
            ProposerUnavailableError: The embedding model did not answer.
            DecisionTimeoutError: Later than ``deadline``, even where the result came.
            ProposalInvalidError: What came was no vector, or not of the examples' width.
            ProposerError: It is closed, or failed otherwise.
        """
        with _failures():
            self._check(deadline)
            atlas = self._atlas or self._chart(deadline)
            key = self._key(text, atlas)
            known = self._places.get(key)
            place = known or atlas.place(self._embedder.embed(text, deadline))
        return self._proposed(key, place, narrow, deadline, cached=known is not None)

    async def apropose(self, text: str, *, narrow: Narrow, deadline: float, windows: int) -> Proposed:
        """As `propose`, without blocking the event loop."""
        with _failures():
            self._check(deadline)
            atlas = self._atlas
            if atlas is None:
                atlas = await asyncio.to_thread(self._chart, deadline)
            key = self._key(text, atlas)
            known = self._places.get(key)
            place = known or atlas.place(await self._embedder.aembed(text, deadline))
        return self._proposed(key, place, narrow, deadline, cached=known is not None)

    def place(self, text: str, *, deadline: float = math.inf) -> Place:
        """Where a text belongs, before policy: for `tiergraph check` and for tests. Raises as `propose`."""
        atlas = self._atlas or self._chart(deadline)
        return atlas.place(self._embedder.embed(text, deadline))

    def overlap(self, worst: int = 3) -> Overlap:
        """Where the examples contradict each other; ``worst``: pairs of examples named for each pair of clusters.

        Raises:
            ProposerError: The examples could not be embedded yet.
        """
        return (self._atlas or self._chart(self._budget())).overlap(worst)

    def add(
        self,
        name: str,
        examples: Sequence[str],
        *,
        tier: str | None = None,
        intent: str | None = None,
        difficulty: Difficulty = 2,
        needs_retrieval: bool = True,
        reason: str | None = None,
    ) -> None:
        """A new cluster, or further examples of one that is there (then without labels), for all later decisions.

        Only texts that are new are embedded. Decisions under way keep the clusters that they began with.

        Raises:
            ConfigError: Neither tier nor intent for a new cluster, labels for an old one, an unknown value, no example.
            ProposerError: The examples could not be embedded; nothing changed.
        """
        given = RouteLabels(
            tier=tier, intent=intent, difficulty=difficulty, needs_retrieval=needs_retrieval, reason=reason
        )
        with self._lock:
            old = next((cluster for cluster in self._clusters if cluster.name == name), None)
            if old is None:
                cluster = self._new(name, given, examples)
            elif given != RouteLabels():
                raise ConfigError(f"There is a cluster {name!r} already.", fix="leave the labels out, or remove it.")
            else:
                cluster = old._replace(texts=distinct((*old.texts, *examples)))
            kept = tuple(cluster if each is old else each for each in self._clusters)
            self._change(kept if old is not None else (*kept, cluster))

    def remove(self, name: str) -> None:
        """Take a cluster away, for all later decisions.

        Raises:
            ConfigError: There is none of that name, or no other.
        """
        with self._lock:
            kept = tuple(cluster for cluster in self._clusters if cluster.name != name)
            if len(kept) == len(self._clusters):
                raise ConfigError(f"Unknown cluster {name!r}.", fix=f"use one of {list(self.clusters)}.")
            if not kept:
                raise ConfigError(f"{name!r} is the last cluster.", fix="add another one first.")
            self._change(kept)

    def close(self) -> None:
        self._closed = True
        self._embedder.close()
        self._places.clear()

    def _start(self, progress: Progress) -> None:
        try:
            self._chart(self._budget(), progress)
        except ProposalInvalidError as error:
            raise ModelError(
                f"{self._embedder.name}: refused at start-up. {error} Fix: use an embedding model."
            ) from None
        except ProposerError as error:
            if self._embedder.remote:
                return  # a server that is down: the first decision tries again
            raise ModelError(
                f"{self._embedder.name}: the examples could not be embedded. {error} "
                "Fix: raise embeddings.startup_s, or set `cache:`."
            ) from None

    def _budget(self) -> float:
        return time.monotonic() + self._routes.config.embeddings.startup_s

    def _chart(self, deadline: float, progress: Progress = lambda done, total: None) -> Atlas:
        """The atlas, made now where there is none; one thread makes it, the others wait for it."""
        left = deadline - time.monotonic()
        if not self._lock.acquire(timeout=max(0.0, min(left, threading.TIMEOUT_MAX))):
            raise DecisionTimeoutError("The examples were not embedded before the deadline.")
        try:
            if self._atlas is None:
                self._atlas = self._survey(self._clusters, deadline, progress)
            return self._atlas
        finally:
            self._lock.release()

    def _change(self, clusters: tuple[Cluster, ...]) -> None:
        total = sum(len(cluster.texts) for cluster in clusters)
        if total > MAX_EXAMPLES or len(clusters) > MAX_CLUSTERS:
            raise ConfigError(
                f"{len(clusters)} clusters of {total} examples are too many.",
                fix=f"keep at most {MAX_CLUSTERS} and {MAX_EXAMPLES}.",
            )
        self._atlas = self._survey(clusters, self._budget())
        self._places.clear()
        self._clusters, self._digest = clusters, self._digest_of(clusters)

    def _digest_of(self, clusters: tuple[Cluster, ...]) -> str:
        settings = self._routes.config
        named = [self._embedder.digest, settings.k, settings.margin, settings.outside, self._routes.otherwise, clusters]
        return hashlib.sha256(json.dumps(named).encode()).hexdigest()

    def _survey(
        self, clusters: tuple[Cluster, ...], deadline: float, progress: Progress = lambda done, total: None
    ) -> Atlas:
        rows = self._store.embed([text for cluster in clusters for text in cluster.texts], deadline, progress)
        members, start = [], 0
        for cluster in clusters:
            members.append(rows[start : start + len(cluster.texts)])
            start += len(cluster.texts)
        return Atlas(
            clusters,
            members,
            otherwise=self._routes.otherwise,
            names=self._sets.ladder.names,
            k=self._routes.config.k,
            margin=self._routes.config.margin,
            outside=self._routes.config.outside,
        )

    def _new(self, name: str, given: RouteLabels, examples: Sequence[str]) -> Cluster:
        if given.tier is None and given.intent is None:
            raise ConfigError(f"Cluster {name!r} names neither a tier nor an intent.", fix="pass tier= or intent=.")
        texts = distinct(examples)
        if not texts:
            raise ConfigError(f"Cluster {name!r} has no example.", fix="pass utterances.")
        try:
            route = resolve_route(given, self._routes.config.tiers, self._routes.otherwise.tier, self._sets)
        except Exception as error:
            raise as_config_error(error) from None
        return Cluster(name, route, texts)

    def _check(self, deadline: float) -> None:
        if self._closed:
            raise ProposerError(CLOSED)
        if time.monotonic() >= deadline:
            raise DecisionTimeoutError("The deadline had passed before the decision began.")

    def _key(self, text: str, atlas: Atlas) -> Key:
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest(), atlas, self._config_digest

    def _proposed(self, key: Key, place: Place, narrow: Narrow, deadline: float, *, cached: bool) -> Proposed:
        names, atlas = self._sets.ladder.names, key[1]
        wanted = narrow(NO_FLAGS)
        allowed = tuple(name for name in names if name in wanted)
        proposal, confidence, probabilities = None, 0.0, (0.0,) * len(names)
        if allowed:
            tier, probabilities = atlas.choose(place, [name in allowed for name in names], self._sufficiency)
            confidence = probabilities[tier]
            proposal = proposal_of(names[tier], place.labels, Flags(), allowed=allowed, config=self._config)
        if time.monotonic() > deadline:
            raise DecisionTimeoutError("The decision came later than its deadline.")
        if not cached:
            self._places.put(key, place)
        return Proposed(
            proposal=proposal,
            flags=NO_FLAGS,
            confidence=confidence,
            score=place.tiers.insufficient,
            tier_probabilities=dict(zip(names, probabilities, strict=True)),
            field_probabilities=place.fields,
            confidence_from="similarity",
            cached=cached,
        )


@contextmanager
def _failures() -> Iterator[None]:
    """Whatever fails in the block is a `ProposerError`; the message has its type and nothing of it."""
    try:
        yield
    except ProposerError:
        raise
    except Exception as error:
        raise ProposerError(f"The embedding router failed with {type(error).__name__}.") from None


__all__ = ["EmbeddingProposer", "Overlap", "Place"]
