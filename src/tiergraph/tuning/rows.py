"""Many texts as matrices: sparse n-grams and dense inputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tiergraph.errors import InputError
from tiergraph.extras import require
from tiergraph.proposers import features
from tiergraph.proposers.features import text_features


class Inputs(NamedTuple):
    """Of n texts.

    Attributes:
        hashed: scipy CSR float32 (n, `features.BUCKETS`).
        dense: Counts of the text followed by the logits, float32 (n, d + m); not scaled.
    """

    hashed: Any
    dense: NDArray[np.float32]


def logit_matrix(logits: ArrayLike, n: int) -> NDArray[np.float32]:
    """``logits`` as float32 (n, m); an empty list is (n, 0).

    Raises:
        InputError: Another number of rows, or a logit that is not a finite number.
    """
    found = np.asarray(logits, dtype=np.float32)
    if not found.size:
        return np.zeros((n, 0), np.float32)
    if found.ndim != 2 or len(found) != n or not np.isfinite(found).all():
        raise InputError(
            f"logits have the shape {found.shape}; ({n}, m) finite numbers are needed. Fix: read each text once.",
            code="bad_logits",
        )
    return found


def names_of(given: Sequence[str], logits: NDArray[Any]) -> tuple[str, ...]:
    """A name for each of the logits (n, m): those given, else numbers."""
    return tuple(given) or tuple(f"logit:{i}" for i in range(logits.shape[1]))


def read_inputs(texts: Sequence[str], logits: NDArray[Any], *, tick: Callable[[], object] = lambda: None) -> Inputs:
    """Features of every text. ``logits``: (n, m), m may be 0. ``tick``: called after each."""
    sparse = require("scipy.sparse", extra="eval")
    indices, values, ends, dense = [], [], [0], []
    for text in texts:
        found = text_features(text)
        indices.append(found.indices)
        values.append(found.values)
        ends.append(ends[-1] + len(found.indices))
        dense.append(found.dense)
        tick()
    hashed = sparse.csr_matrix(
        (np.concatenate(values), np.concatenate(indices), np.array(ends)), shape=(len(ends) - 1, features.BUCKETS)
    )
    counts = np.array(dense, np.float32).reshape(len(ends) - 1, len(features.DENSE))
    return Inputs(hashed, np.hstack([counts, np.asarray(logits, np.float32)]))
