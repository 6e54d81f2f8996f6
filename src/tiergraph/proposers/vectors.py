"""Vectors of example utterances, kept by digest of embedding model and text: in memory, and in a file where wanted.

The file holds digests and vectors, never a text. One that belongs to another model or is damaged counts as empty.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tiergraph.embeddings import Embedder
from tiergraph.errors import DecisionTimeoutError, ProposalInvalidError

Vectors = NDArray[np.float32]
Progress = Callable[[int, int], None]
"""Told how many of how many examples are embedded."""

BATCH = 32
"""Texts of one call: small enough that the deadline and the progress are looked at in between."""

_DIGEST = 32


class VectorStore:
    """Safe to use from several threads."""

    def __init__(self, embedder: Embedder, cache: Path | None = None) -> None:
        self._embedder, self._cache = embedder, cache
        self._lock = threading.Lock()
        self._known: dict[bytes, Vectors] = _read(cache, embedder.digest) if cache else {}

    def __len__(self) -> int:
        return len(self._known)

    def embed(self, texts: Sequence[str], deadline: float, progress: Progress = lambda done, total: None) -> Vectors:
        """One row of length 1 for each text; only those not known yet are embedded, and what was embedded is kept
        even where the rest fails.

        Raises:
            ProposerError: As `Embedder.embed_many`; `ProposalInvalidError` too where vectors have two widths.
        """
        keys = [self._key(text) for text in texts]
        missing = list({key: text for key, text in zip(keys, texts, strict=True) if key not in self._known}.items())
        try:
            for start in range(0, len(missing), BATCH):
                if time.monotonic() >= deadline:
                    raise DecisionTimeoutError(f"{len(missing) - start} examples were not embedded in time.")
                progress(len(texts) - len(missing) + start, len(texts))
                part = missing[start : start + BATCH]
                self._keep([key for key, _ in part], self._embedder.embed_many([text for _, text in part], deadline))
        finally:
            if missing and self._cache:
                self._write(self._cache)
        progress(len(texts), len(texts))
        rows = [self._known[key] for key in keys]
        if len({len(row) for row in rows}) > 1:
            with self._lock:  # the model behind the name was exchanged: the next attempt embeds all again
                self._known.clear()
            raise ProposalInvalidError("The embedding model returned vectors of several widths.")
        return np.stack(rows)

    def _key(self, text: str) -> bytes:
        return hashlib.sha256(f"{self._embedder.digest}\n{text}".encode("utf-8", "surrogatepass")).digest()

    def _keep(self, keys: Sequence[bytes], rows: Vectors) -> None:
        with self._lock:
            self._known.update(zip(keys, rows, strict=True))

    def _write(self, cache: Path) -> None:
        with self._lock:
            known = dict(self._known)
        if len({len(row) for row in known.values()}) != 1:
            return
        keys = np.frombuffer(b"".join(known), np.uint8).reshape(-1, _DIGEST)
        with suppress(OSError):  # it only saves time
            handle, name = tempfile.mkstemp(dir=cache.parent, prefix=f".{cache.name}.")
            try:
                with os.fdopen(handle, "wb") as stream:
                    np.savez(stream, model=self._embedder.digest, keys=keys, vectors=np.stack(list(known.values())))
                os.replace(name, cache)
            finally:
                with suppress(FileNotFoundError):
                    os.unlink(name)


def _read(cache: Path, model: str) -> dict[bytes, Vectors]:
    try:
        with np.load(cache, allow_pickle=False) as data:
            keys, vectors = data["keys"], data["vectors"].astype(np.float32)
            if str(data["model"]) != model or keys.dtype != np.uint8 or keys.shape != (len(vectors), _DIGEST):
                return {}
    except Exception:  # whatever is in the file: what cannot be used is embedded again
        return {}
    if vectors.ndim != 2 or not np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-3):
        return {}
    return {key.tobytes(): row for key, row in zip(keys, vectors, strict=True)}
