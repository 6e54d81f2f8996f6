"""Texts to what heads are fitted on: one decode each, on every core that the router model may use.

Failure rule: a text that the model fails on ends the reading with the model's own error; it would fail a decision too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tiergraph.errors import ConfigError

if TYPE_CHECKING:
    from tiergraph.config import RouterConfig, RouterModelConfig
    from tiergraph.proposers.llamacpp import LlamaCppProposer

Progress = Callable[[str], None]


class Read(NamedTuple):
    """What n texts yield.

    Attributes:
        logits: As of `LlamaCppProposer.features`, float32 (n, m).
        cumulative: Probability that each tier but the top suffices without a head for the ladder, (n, tiers - 1).
    """

    logits: NDArray[np.float32]
    cumulative: NDArray[np.float64]


def read_texts(
    proposer: LlamaCppProposer, texts: Sequence[str], *, workers: int = 2, tick: Callable[[], object] = lambda: None
) -> Read:
    """Features of every text, equal ones read once.

    Args:
        proposer: A model with the contract.
        workers: Decodes at the same time; no more than the proposer's contexts are worth anything.
        tick: Called after each text that was read.
    """
    places = {text: place for place, text in enumerate(dict.fromkeys(texts))}
    names = len(proposer.feature_names)

    def read(text: str) -> tuple[NDArray[np.float32], tuple[float, ...]]:
        found = proposer.read_features(text)
        tick()
        return found.logits, found.cumulative

    with ThreadPoolExecutor(workers, thread_name_prefix="tiergraph-tune") as pool:
        running = [pool.submit(read, text) for text in places]
        try:
            found = [future.result() for future in running]
        finally:
            for future in running:
                future.cancel()
    at = np.array([places[text] for text in texts], dtype=np.intp)
    logits = np.array([logits for logits, _ in found], np.float32).reshape(len(found), names)
    levels = np.array([levels for _, levels in found], float).reshape(len(found), -1)
    return Read(logits[at], levels[at])


def tunable(config: RouterConfig) -> tuple[int, RouterModelConfig]:
    """The first router model in this process, with its place in the chain: the one that heads are fitted on.

    Raises:
        ConfigError: All of them are elsewhere.
    """
    for place, entry in enumerate(config.router.links):
        if not entry.scheme:
            return place, entry
    raise ConfigError(
        f"router.model: {config.router.links[0].model!r} yields nothing that a head can be fitted on.",
        fix="name the embedded model, or a GGUF of `tiergraph train`, and tune that one.",
    )


def load_unfitted(config: RouterConfig, entry: RouterModelConfig, *, progress: Progress) -> LlamaCppProposer:
    """The model of ``entry`` without its heads, with the intents and reasons that it was trained for.

    Raises:
        ConfigError: It was not trained by `tiergraph train`.
        ModelError: It cannot be loaded.
    """
    from tiergraph.config import expand_env
    from tiergraph.proposers.contract import KEY, Contract
    from tiergraph.proposers.llamacpp import EMBEDDED, LlamaCppProposer
    from tiergraph.proposers.native import NativeModel

    path = expand_env(entry.model)
    packaged = files("tiergraph") / "models" / "embedded.gguf"
    with as_file(packaged if path == EMBEDDED else Path(path)) as file:
        model = NativeModel(file)
        try:
            text = model.metadata(KEY)
            if text is None:
                raise ConfigError(
                    f"router.model: {file.name} was not trained by `tiergraph train`, and has no features for a head.",
                    fix="name the embedded model, or one that `tiergraph train` wrote.",
                )
            fields = Contract.parse(text, vocabulary=model.vocabulary, file=file.name).fields
        finally:
            model.free()
    own = {"intents": tuple(fields["intent"]), "reasons": tuple(fields["reason"]), "heads": (), "cache_size": 0}
    return LlamaCppProposer.load(
        path,
        ladder=config.ladder,
        config=entry.model_copy(update=own),
        sufficiency=config.sufficiency,
        config_digest=config.digest,
        progress=progress,
    )
