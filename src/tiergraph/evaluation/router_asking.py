"""The router that is measured: its decisions through the real screens and model, and its readings for heads.

Both are kept on disk by digest of the model, so that a run that was stopped goes on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tiergraph.config import RouterConfig
from tiergraph.errors import InputError
from tiergraph.evaluation.cases import Suite, digest_of
from tiergraph.evaluation.intervals import Floats
from tiergraph.evaluation.observations import Observation
from tiergraph.evaluation.observing import observe
from tiergraph.evaluation.router_store import ReadingStore
from tiergraph.evaluation.subjects import DeciderSubject
from tiergraph.tiers import Ladder, Tier

if TYPE_CHECKING:
    from tiergraph.proposers.llamacpp import LlamaCppProposer

Tell = Callable[[int, int], None]
"""Told how many texts are read, and of how many."""

PAIR = Ladder(tuple(Tier(name=name, model="quote", location="on_prem") for name in ("weak", "strong")))
"""The ladder that readings are of: nothing is known of its tiers but their order."""


CHUNK = 256
"""Texts that are read before they are kept."""


class Readings(NamedTuple):
    """What the model says of n texts, before any head was fitted.

    Attributes:
        suffices: Probability that the weak tier of two suffices, (n,).
        logits: Of all values and probes, float32 (n, m).
    """

    suffices: Floats
    logits: NDArray[np.float32]

    def only(self, kept: NDArray[np.bool_] | NDArray[np.intp]) -> Readings:
        return Readings(self.suffices[kept], self.logits[kept])


@dataclass(frozen=True, kw_only=True)
class Asking:
    """How the router is asked.

    Attributes:
        config: Its configuration; heads of a user's ladder are left out, for they are of no other.
        cache: Folder in which what it says is kept; ``None`` keeps nothing.
        workers: Texts at the same time, >= 1.
        tell: Told of progress.
    """

    config: RouterConfig
    cache: Path | None = None
    workers: int = 2
    tell: Tell = field(default=lambda done, total: None)

    def decisions(self, suite: Suite) -> list[Observation]:
        """One for each case, in order, of the whole decider: patterns, model and policy, on the suite's ladder.

        Raises:
            InputError: The router failed on a case, so that a figure would be of something else.
        """
        from tiergraph.decider import create_decider

        config = suite.config(self._plain)
        with create_decider(config, given=config.ladder.names) as decider:
            decider.warm()
            subject = DeciderSubject(decider)
            found, _ = observe(suite, subject, cache=self.cache, workers=self.workers, progress=self.tell)
        failed = Counter(str(each.error) for each in found if each.outcome == "error")
        if failed:
            codes = ", ".join(f"{code} ({count:,})" for code, count in failed.most_common(3))
            raise InputError(f"{suite.name}: {failed.total():,} decisions failed: {codes}.", code="not_decided")
        return found

    def readings(self, texts: Sequence[str]) -> Readings:
        """What the model says of each text; each distinct one is read once."""
        from tiergraph.tuning.reading import read_texts

        with self._proposer() as proposer, self._kept(proposer) as store:
            known = {text: found for text in texts if store and (found := store.get(text)) is not None}
            waiting = [text for text in dict.fromkeys(texts) if text not in known]
            done, total = len(known), len(known) + len(waiting)
            self.tell(done, total)
            for start in range(0, len(waiting), CHUNK):
                part = waiting[start : start + CHUNK]
                read = read_texts(proposer, part, workers=self.workers)
                vectors = np.hstack([read.cumulative.astype(np.float32), read.logits])
                for text, vector in zip(part, vectors, strict=True):
                    known[text] = vector
                    if store is not None:
                        store.add(text, vector)
                done += len(part)
                self.tell(done, total)
        rows = np.array([known[text] for text in texts], np.float32).reshape(len(texts), -1)
        return Readings(rows[:, 0].astype(np.float64), rows[:, 1:])

    @property
    def model(self) -> str:
        """The GGUF: ``embedded`` or a path. ConfigError where no router model is in this process."""
        from tiergraph.tuning.reading import tunable

        return tunable(self.config)[1].model

    @property
    def _plain(self) -> RouterConfig:
        """The configuration without the heads that were fitted to its own ladder."""
        router = self.config.router
        chain = tuple(link.model_copy(update={"heads": ()}) for link in router.chain)
        return self.config.model_copy(update={"router": router.model_copy(update={"heads": (), "chain": chain})})

    @contextmanager
    def _proposer(self) -> Iterator[LlamaCppProposer]:
        from tiergraph.tuning.reading import load_unfitted, tunable

        entry = tunable(self.config)[1].model_copy(update={"contexts": self.workers})
        on_pair = self.config.model_copy(update={"tiers": PAIR.tiers})
        with load_unfitted(on_pair, entry, progress=lambda _: None) as proposer:
            yield proposer

    @contextmanager
    def _kept(self, proposer: LlamaCppProposer) -> Iterator[ReadingStore | None]:
        if self.cache is None:
            yield None
            return
        from importlib.metadata import version

        names = list(proposer.feature_names)
        digest = digest_of("readings", version("tiergraph"), proposer.digest, names)
        store = ReadingStore(self.cache, digest, len(names) + 1)
        try:
            yield store
        finally:
            store.close()
