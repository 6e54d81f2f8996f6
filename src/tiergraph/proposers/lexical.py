"""The words of a text as a vector: hashed words and runs of letters, no model.

The packaged router model has learned what a request needs and little about which thing it names; the words tell that.
Both together place requests far better than either (see evals/results/embedding_router.json).
"""

from __future__ import annotations

import re
import zlib

import numpy as np
from numpy.typing import NDArray

WIDTH = 1024
"""Places that words and runs are hashed to."""

RUN = 4
"""Letters of a run, the edges of the word included."""

SHARE = 2 / 3
"""Share of the words in the similarity of two joined vectors."""

IDENTITY = f"words:{WIDTH}:{RUN}:{SHARE:.3f}:v1"
"""Changes with what `word_vector` returns; part of a model's digest."""

_WORD = re.compile(r"\w+")
_MAX_CHARACTERS = 4096
_MAX_LETTERS = 64


def word_vector(text: str) -> NDArray[np.float32]:
    """``WIDTH`` numbers of length 1, or zeros for a text without words. Of a long text its head and tail are read."""
    vector = np.zeros(WIDTH, np.float32)
    if len(text) > _MAX_CHARACTERS:
        text = f"{text[: _MAX_CHARACTERS * 2 // 3]} {text[-_MAX_CHARACTERS // 3 :]}"
    for word in _WORD.findall(text.lower()):
        word = word[:_MAX_LETTERS]
        # A long word says more than a short one; there is no corpus here to count how rare each is.
        _count(vector, word, min(1.5, 0.25 * len(word)))
        framed = f"<{word}>"
        for start in range(len(framed) - RUN + 1):
            _count(vector, "#" + framed[start : start + RUN], 0.5)
    length = float(np.linalg.norm(vector))
    return vector / np.float32(length) if length > 0 else vector


def join(dense: NDArray[np.float32], text: str) -> NDArray[np.float32]:
    """A unit vector and the text's words in one: similarities become the weighted mean of both."""
    return np.concatenate([dense * np.float32((1 - SHARE) ** 0.5), word_vector(text) * np.float32(SHARE**0.5)])


def _count(vector: NDArray[np.float32], piece: str, weight: float) -> None:
    hashed = zlib.crc32(piece.encode("utf-8", "replace"))
    vector[hashed % WIDTH] += weight if hashed >> 31 else -weight
