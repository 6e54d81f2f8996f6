"""A GGUF in this process as embedding model: a text is one vector of unit length.

Encoders such as BERT and decoders both work. A text pools as the GGUF says, by the mean where it says nothing. A model
with the router's contract, such as the embedded one, is read at its decision token instead, where all that it
learned of a text comes together, and the words of the text stand beside that.

Not to be used across ``os.fork`` and not to be pickled: load it in the process that embeds.
"""

from __future__ import annotations

import asyncio
import ctypes
import hashlib
import time
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, NoReturn

import llama_cpp
import numpy as np
from numpy.typing import NDArray

from tiergraph.errors import DecisionTimeoutError, ModelError, ProposalInvalidError, ProposerError
from tiergraph.proposers import contract, lexical, windows
from tiergraph.proposers.llamalog import listening
from tiergraph.proposers.loading import sha256
from tiergraph.proposers.native import Ids, NativeModel, Watch, never_late
from tiergraph.proposers.pool import Pool
from tiergraph.tiers import Location

Vectors = NDArray[np.float32]

MAX_WINDOW = 512
"""Tokens of a text that are read; of a longer one its head and its tail."""

_POOLINGS = {"1": llama_cpp.LLAMA_POOLING_TYPE_MEAN, "2": llama_cpp.LLAMA_POOLING_TYPE_CLS}
_POOLINGS["3"] = llama_cpp.LLAMA_POOLING_TYPE_LAST
_RANK = "4"


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How a model is asked for a vector.

    Attributes:
        before: Token ids that stand before every text.
        after: Token ids behind it.
        window: Tokens of the text, > 0.
        pooling: llama.cpp's pooling type.
        words: Whether the words of the text join the vector.
    """

    before: tuple[int, ...]
    after: tuple[int, ...]
    window: int
    pooling: int
    words: bool = False


def reading_of(model: NativeModel) -> Reading:
    """At the decision token where the GGUF holds the contract, else with its own special tokens and its own pooling.

    Raises:
        ModelError: A reranker, a model without room for a text, or a contract that cannot be read.
    """
    text = model.metadata(contract.KEY)
    if text is not None:
        agreed = contract.Contract.parse(text, vocabulary=model.vocabulary, file=model.file)
        return Reading(
            before=(agreed.bos,),
            after=(agreed.decide,),
            window=min(MAX_WINDOW, agreed.max_request_tokens),
            pooling=llama_cpp.LLAMA_POOLING_TYPE_LAST,
            words=True,
        )
    architecture = model.metadata("general.architecture") or ""
    stated = model.metadata(f"{architecture}.pooling_type")
    if stated == _RANK:
        raise ModelError(f"{model.file}: it ranks pairs and gives no vectors. Fix: use an embedding model.")
    before, after = _around(model)
    window = min(MAX_WINDOW, model.trained_context) - len(before) - len(after)
    if window < 8:
        raise ModelError(
            f"{model.file}: its context of {model.trained_context} tokens holds no text. Fix: use another."
        )
    pooling = _POOLINGS.get(stated or "", llama_cpp.LLAMA_POOLING_TYPE_MEAN)
    return Reading(before=before, after=after, window=window, pooling=pooling)


def _around(model: NativeModel) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The special tokens that the tokeniser puts before and behind a text."""
    vocabulary = llama_cpp.llama_model_get_vocab(model.handle)

    def tokenise(special: bool) -> list[int]:
        ids = (llama_cpp.llama_token * 32)()
        count = llama_cpp.llama_tokenize(vocabulary, b"a", 1, ids, len(ids), special, False)
        return list(ids[: max(0, count)])

    bare, full = tokenise(False), tokenise(True)
    for start in range(len(full) - len(bare) + 1):
        if full[start : start + len(bare)] == bare:
            return tuple(full[:start]), tuple(full[start + len(bare) :])
    return (), ()


class EmbeddingSlot:
    """One context of llama.cpp that pools. For one thread at a time."""

    def __init__(self, model: NativeModel, reading: Reading, *, threads: int, watch: Watch) -> None:
        """
        Raises:
            ModelError: llama.cpp cannot make the context.
        """
        self._file, self._watch, self._reading = model.file, watch, reading
        self._flag = ctypes.create_string_buffer(2)
        self._late = never_late()
        size = reading.window + len(reading.before) + len(reading.after)
        params = llama_cpp.llama_context_default_params()
        # An encoder sees a text at once or not at all, so one micro-batch holds it.
        params.n_ctx = params.n_batch = params.n_ubatch = size
        params.n_seq_max = 1
        params.n_threads = params.n_threads_batch = threads
        params.embeddings = True
        params.pooling_type = reading.pooling
        params.no_perf = True
        params.abort_callback = self._late
        params.abort_callback_data = ctypes.cast(self._flag, ctypes.c_void_p)
        with listening() as complaint:
            self._context: Any = llama_cpp.llama_init_from_model(model.handle, params)
            if not self._context:
                raise ModelError(
                    f"{model.file}: llama.cpp cannot make an embedding context of {size} tokens ({complaint()}). "
                    "Fix: free memory, lower router.contexts, or use another model."
                )
        self._memory: Any = llama_cpp.llama_get_memory(self._context)  # an encoder has none
        self._width = int(llama_cpp.llama_model_n_embd_out(model.handle))
        self._tokens = (llama_cpp.llama_token * size)()
        self._tokens[: len(reading.before)] = list(reading.before)

    def embed(self, ids: Ids, deadline: float) -> Vectors:
        """The vector of at most a window of token ids, not yet of unit length.

        Raises:
            DecisionTimeoutError: It was stopped at ``deadline`` (of ``time.monotonic()``).
            ProposerError: llama.cpp refused the batch.
        """
        count = len(self._reading.before)
        parts: tuple[list[Any], ...] = (ids.tolist(), list(self._reading.after))
        for part in parts:
            self._tokens[count : count + len(part)] = part
            count += len(part)
        if count == 0:
            raise ProposalInvalidError("The text has no tokens for the embedding model.")
        self._watch.arm(id(self), deadline, self._flag)
        try:
            if self._memory:
                llama_cpp.llama_memory_clear(self._memory, False)
            code = llama_cpp.llama_decode(self._context, llama_cpp.llama_batch_get_one(self._tokens, count))
            found = llama_cpp.llama_get_embeddings_seq(self._context, 0) if code == 0 else None
        finally:
            self._watch.disarm(id(self))
        if code == 2:
            raise DecisionTimeoutError("The embedding was stopped at its deadline.")
        if not found:
            raise ProposerError(f"llama.cpp could not embed the request (code {code}).")
        return np.ctypeslib.as_array(found, (self._width,)).astype(np.float32)

    def free(self) -> None:
        """Twice is harmless."""
        context, self._context = self._context, None
        if context:
            llama_cpp.llama_free(context)


class GgufEmbedder:
    """A GGUF as embedding model. Safe to call from several threads; `load` makes one."""

    remote = False

    def __init__(
        self, model: NativeModel, reading: Reading, *, name: str, digest: str, contexts: int, threads: int | None
    ) -> None:
        """Takes over ``model``, unless it raises."""
        self._model, self._reading, self.name, self.digest = model, reading, name, digest
        watch = Watch()
        per_call = threads or model.threads(contexts)
        slots: list[EmbeddingSlot] = []
        try:
            for _ in range(contexts):
                slots.append(EmbeddingSlot(model, reading, threads=per_call, watch=watch))
        except BaseException:
            for slot in slots:
                slot.free()
            raise
        self._pool = Pool(slots, close=EmbeddingSlot.free, closed=model.free)
        # Not asyncio's shared threads: a burst of requests would wait there behind other people's work.
        self._executor = ThreadPoolExecutor(contexts, thread_name_prefix="tiergraph-embedding")
        self._finalizer = weakref.finalize(self, _release, self._pool, watch, self._executor)

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        gpu_layers: int = 0,
        contexts: int = 1,
        threads: int | None = None,
        read: Callable[[NativeModel], Reading] = reading_of,
    ) -> GgufEmbedder:
        """Load a GGUF, or the packaged router model where ``path`` is ``embedded``.

        Args:
            contexts: Texts that may be embedded at the same time, >= 1.
            threads: Of llama.cpp per text; ``None`` chooses by the model's size.
            read: How the model is asked; replaced to compare ways of pooling.

        Raises:
            ModelError: Missing, damaged, or no model that gives vectors.
        """
        embedded = str(path) == "embedded"
        packaged = files("tiergraph") / "models" / "embedded.gguf"
        with as_file(packaged if embedded else Path(path)) as file:
            model = NativeModel(file, gpu_layers=gpu_layers)
            try:
                reading = read(model)
                identity = f"gguf:{sha256(file)}:{reading}:{lexical.IDENTITY if reading.words else ''}"
                return cls(
                    model,
                    reading,
                    name="embedded" if embedded else file.stem,
                    digest=hashlib.sha256(identity.encode()).hexdigest(),
                    contexts=contexts,
                    threads=threads,
                )
            except BaseException:
                model.free()
                raise

    @property
    def location(self) -> Location:
        return "on_prem"

    def embed_many(self, texts: Sequence[str], deadline: float) -> Vectors:
        """One row of unit length for each text.

        Raises:
            DecisionTimeoutError: Not all could be embedded before ``deadline`` (of ``time.monotonic()``).
            ProposalInvalidError: A vector is not finite, or nothing but zeros.
            ProposerError: llama.cpp failed, or the model is closed.
        """
        return np.stack([self.embed(text, deadline) for text in texts])

    def embed(self, text: str, deadline: float) -> Vectors:
        """The vector of one text, as `embed_many`."""
        if time.monotonic() >= deadline:
            raise DecisionTimeoutError("The deadline had passed before the embedding began.")
        self._pool.hold()
        try:
            ids = self._tokens(text)
            slot = self._pool.take(deadline)
            try:
                vector = slot.embed(ids, deadline)
            finally:
                self._pool.give_back(slot)
        finally:
            self._pool.release()
        found = unit(vector)
        return unit(lexical.join(found, text)) if self._reading.words else found

    async def aembed(self, text: str, deadline: float) -> Vectors:
        """As `embed`, on a thread. A cancelled await leaves the decode to end by itself."""
        try:
            future = self._executor.submit(self.embed, text, deadline)
        except RuntimeError:
            raise ProposerError("The embedding model is closed.") from None
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """Twice is harmless."""
        self._finalizer()

    def __reduce__(self) -> NoReturn:
        raise TypeError("a llama.cpp model cannot be pickled; load it in the process that uses it")

    def _tokens(self, text: str) -> Ids:
        window = self._reading.window
        head, tail = windows.cut(text, window=window, windows=1)
        ids = self._model.tokenise(head)
        if not tail and len(ids) <= window:
            return ids
        first, last = windows.head_and_tail(window)
        end = self._model.tokenise(tail) if tail else ids
        return np.concatenate([ids[:first], end[max(0, len(end) - last) :]])


def unit(vectors: Vectors) -> Vectors:
    """Rows, or one vector, scaled to length 1.

    Raises:
        ProposalInvalidError: One is not finite, or nothing but zeros.
    """
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    if not np.isfinite(lengths).all() or not (lengths > 0).all():
        raise ProposalInvalidError("The embedding model gave a vector without a direction: zeros, or no numbers.")
    scaled: Vectors = vectors / lengths
    return scaled


def _release(pool: Pool[EmbeddingSlot], watch: Watch, executor: ThreadPoolExecutor) -> None:
    executor.shutdown(wait=False, cancel_futures=True)
    pool.close()
    watch.close()
