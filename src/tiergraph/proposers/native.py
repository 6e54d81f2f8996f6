"""llama.cpp, as little of it as a decision needs: a model, contexts with a cached prompt, one decode.

Not to be used after ``os.fork`` and not to be pickled: a child process has none of llama.cpp's threads.
"""

from __future__ import annotations

import ctypes
import os
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import llama_cpp
import numpy as np
from numpy.typing import NDArray

from tiergraph.errors import DecisionTimeoutError, ModelError, ProposerError
from tiergraph.proposers.adapter import Adapter
from tiergraph.proposers.header import check_header
from tiergraph.proposers.llamalog import address, standard_library
from tiergraph.proposers.llamalog import listening as _listening
from tiergraph.proposers.memory import check_fits
from tiergraph.proposers.reading import Tail

SMALL_MODEL = 50_000_000
"""Parameters below which a second thread gains less than 1.4 times and is better spent on another context."""

SCRATCH = 4096
"""Bytes of text up to which tokenising allocates nothing."""

Ids = NDArray[np.int32]


def _prototype(function: Any, result: Any, *arguments: Any) -> Any:
    """``function`` under a signature of addresses, which costs less per call than typed pointers."""
    return ctypes.CFUNCTYPE(result, *arguments)(address(function))


_tokenize = _prototype(
    llama_cpp.llama_tokenize,
    ctypes.c_int32,
    *(ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int32, ctypes.c_void_p, ctypes.c_int32, ctypes.c_bool, ctypes.c_bool),
)
_get_logits = _prototype(llama_cpp.llama_get_logits, ctypes.c_void_p, ctypes.c_void_p)

Progress = Callable[[str], None]
"""Told what is done next, in a few words for people."""


def silent(_: str) -> None:
    """Progress that nobody looks at."""


def supports_gpu() -> bool:
    """Whether this build of llama.cpp can put layers on a GPU of this machine."""
    return bool(llama_cpp.llama_supports_gpu_offload())


def never_late() -> Any:
    """A C function that llama.cpp calls between two nodes of its graph, to ask whether it should stop.

    ``strlen`` of a two-byte buffer is 0, which is "go on", until someone writes a character into it. A Python
    callback would take the interpreter's lock some hundred times in every decode and wait for other threads there.
    """
    return llama_cpp.ggml_abort_callback(address(standard_library().strlen))


class Watch:
    """One thread that tells late decodes to stop. It sleeps until the nearest deadline, and idles without one."""

    def __init__(self) -> None:
        self._changed = threading.Condition(threading.Lock())
        self._armed: dict[int, tuple[float, Any]] = {}
        self._wakes = float("inf")
        self._thread: threading.Thread | None = None
        self._closed = False

    def arm(self, key: int, deadline: float, flag: Any) -> None:
        """Write into ``flag`` when ``deadline`` (of ``time.monotonic()``) has passed, unless disarmed before."""
        with self._changed:
            flag[0] = b"\0"
            self._armed[key] = (deadline, flag)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="tiergraph-deadline", daemon=True)
                self._thread.start()
            elif deadline < self._wakes:
                self._changed.notify()

    def disarm(self, key: int) -> None:
        with self._changed:
            self._armed.pop(key, None)

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify()

    def _run(self) -> None:
        with self._changed:
            while not self._closed:
                now = time.monotonic()
                for key, (deadline, flag) in list(self._armed.items()):
                    if deadline <= now:
                        flag[0] = b"1"
                        del self._armed[key]
                self._wakes = min((deadline for deadline, _ in self._armed.values()), default=float("inf"))
                left = self._wakes - now
                self._changed.wait(left if left < threading.TIMEOUT_MAX else None)


class NativeModel:
    """A GGUF in memory. Its contexts are freed before it."""

    def __init__(self, path: Path, *, gpu_layers: int = 0, progress: Progress = silent) -> None:
        """``gpu_layers``: layers on the GPU, where llama.cpp was built with one; -1 is all.

        Raises:
            ModelError: Missing, truncated, no GGUF, no causal language model, larger than the memory that is available,
                or anything that llama.cpp refuses.
        """
        check_header(path)
        check_fits(path, gpu_layers=gpu_layers)
        params = llama_cpp.llama_model_default_params()
        params.n_gpu_layers = gpu_layers
        told = _Told(progress)
        params.progress_callback = told.callback
        self.path, self.file = path, path.name
        self.adapter: Adapter | None = None
        self._local = threading.local()
        with _listening() as complaint:
            self.handle: Any = llama_cpp.llama_model_load_from_file(os.fsencode(path), params)
            if told.error is not None:
                self.free()
                raise told.error
            if not self.handle:
                raise ModelError(
                    f"{path.name}: llama.cpp cannot load it ({complaint()}). Fix: download or export the file again."
                )
        self._vocabulary = llama_cpp.llama_model_get_vocab(self.handle)
        self.vocabulary = int(llama_cpp.llama_vocab_n_tokens(self._vocabulary))
        self.parameters = int(llama_cpp.llama_model_n_params(self.handle))
        self.size = int(llama_cpp.llama_model_size(self.handle))
        self.trained_context = int(llama_cpp.llama_model_n_ctx_train(self.handle))
        if (
            llama_cpp.llama_model_has_encoder(self.handle)
            or llama_cpp.llama_model_is_recurrent(self.handle)
            or llama_cpp.llama_model_is_hybrid(self.handle)
        ):
            self.free()
            raise ModelError(
                f"{path.name}: its architecture cannot keep a prompt while requests change. "
                "Fix: use a decoder with attention only, such as llama, qwen2 or gemma."
            )

    def adapt(self, path: Path, scale: float) -> None:
        """Use a LoRA adapter in every context that is made from now on. Arguments and errors as of `Adapter`."""
        self.adapter = Adapter(self.handle, path, scale)

    def metadata(self, key: str) -> str | None:
        """A string of the GGUF's metadata, or ``None``."""
        size = 1 << 12
        while True:
            buffer = ctypes.create_string_buffer(size)
            length = int(llama_cpp.llama_model_meta_val_str(self.handle, key.encode(), buffer, size))
            if length < 0:
                return None
            if length < size:
                return buffer.raw[:length].decode("utf-8", "replace")
            size = length + 1

    def tokenise(self, text: str, *, special: bool = False) -> Ids:
        """Token ids of any text: NUL is read as a space and a lone surrogate as ``?``.

        ``special`` lets the text name control tokens: never for a request.
        """
        data = text.encode("utf-8", "replace").replace(b"\0", b" ")
        ids, address = self._scratch(len(data) + 8)
        count = _tokenize(self._vocabulary, data, len(data), address, len(ids), False, special)
        if count < 0:
            ids, address = self._scratch(-count)
            count = _tokenize(self._vocabulary, data, len(data), address, len(ids), False, special)
        return ids[:count].copy()

    def _scratch(self, size: int) -> tuple[Ids, int]:
        """At least ``size`` ids and their address; the same ones for every short text of a thread."""
        if size > SCRATCH:
            ids = np.empty(size, np.int32)
            return ids, ids.ctypes.data
        known: tuple[Ids, int] | None = getattr(self._local, "scratch", None)
        if known is None:
            ids = np.empty(SCRATCH, np.int32)
            known = self._local.scratch = (ids, ids.ctypes.data)
        return known

    def piece(self, token: int) -> str:
        """Text of a token, control tokens included."""
        buffer = ctypes.create_string_buffer(256)
        length = llama_cpp.llama_token_to_piece(self._vocabulary, token, buffer, 256, 0, True)
        return buffer.raw[: max(0, length)].decode("utf-8", "replace")

    @property
    def bos(self) -> int | None:
        """The token that begins a text, where the model wants one."""
        wants = llama_cpp.llama_vocab_get_add_bos(self._vocabulary)
        token = int(llama_cpp.llama_vocab_bos(self._vocabulary))
        return token if wants and token >= 0 else None

    @property
    def eos(self) -> int | None:
        token = int(llama_cpp.llama_vocab_eos(self._vocabulary))
        return token if token >= 0 else None

    def is_control(self, token: int) -> bool:
        """Whether no text can yield this token."""
        return bool(llama_cpp.llama_vocab_is_control(self._vocabulary, token))

    def threads(self, contexts: int) -> int:
        """Threads that a decode of this model is worth on this machine, where ``contexts`` decode at the same time.

        llama.cpp's threads wait for each other by spinning: with more of them than cores a decode of 20 ms took 400.
        """
        if self.parameters < SMALL_MODEL:
            return 1
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return max(1, min(cores // contexts, 8))

    def free(self) -> None:
        """Twice is harmless."""
        if self.adapter is not None:
            self.adapter.free()
        model, self.handle = self.handle, None
        if model:
            llama_cpp.llama_model_free(model)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a llama.cpp model cannot be pickled; load it in the process that uses it")


class _Told:
    """llama.cpp's progress while it reads a file, in whole percents. An error in who is told ends the loading."""

    def __init__(self, progress: Progress) -> None:
        self.error: BaseException | None = None
        self._progress, self._percent = progress, -1
        self.callback = llama_cpp.llama_progress_callback(self._tell)

    def _tell(self, share: float, _: object) -> bool:
        percent = int(share * 100)
        if percent != self._percent:
            self._percent = percent
            try:
                self._progress(f"loading model {percent} %")
            except BaseException as error:  # it cannot pass through C
                self.error = error
        return self.error is None


class Slot:
    """One context with its prompt decoded, and one batch that is filled again for every request.

    For one thread at a time.
    """

    def __init__(
        self,
        model: NativeModel,
        prompt: Sequence[int],
        tail: Tail,
        *,
        window: int,
        threads: int,
        watch: Watch,
        progress: Progress = silent,
    ) -> None:
        """``window``: request tokens at most.

        Raises:
            ModelError: llama.cpp cannot make the context, or not decode the prompt.
        """
        self._file, self._watch = model.file, watch
        self._start, self._suffix = len(prompt), len(tail.suffix)
        self._tail_tokens = np.array([*tail.suffix, *tail.tokens], np.int32)
        self._depths = np.array(tail.depths, np.int32)
        self._outputs = np.array(tail.outputs, np.int8)
        rows = window + len(self._tail_tokens)
        size = max(rows, min(self._start, 512))
        self._flag = ctypes.create_string_buffer(2)
        self._late = never_late()

        params = llama_cpp.llama_context_default_params()
        params.n_ctx = self._start + rows
        params.n_batch, params.n_ubatch = size, min(size, 512)
        params.n_seq_max = tail.n_sequences
        params.n_outputs_max = max(1, tail.rows)
        params.n_threads = params.n_threads_batch = threads
        params.kv_unified = True
        params.no_perf = True
        params.abort_callback = self._late
        params.abort_callback_data = ctypes.cast(self._flag, ctypes.c_void_p)
        with _listening() as complaint:
            self._context: Any = llama_cpp.llama_init_from_model(model.handle, params)
            if not self._context:
                raise ModelError(
                    f"{model.file}: llama.cpp cannot make a context of {params.n_ctx} tokens ({complaint()}). "
                    "Fix: free memory, or lower router.contexts."
                )
            self.kv_cache = complaint.buffers("KV")
            self.compute = complaint.buffers("compute", "output")
        self._memory: Any = llama_cpp.llama_get_memory(self._context)

        everyone = np.arange(tail.n_sequences, dtype=np.int32)
        self._members = [everyone, *(np.array(members, np.int32) for members in tail.sequences)]
        self._counts = np.array([len(members) for members in tail.sequences], np.int32)
        self._addresses = np.array([m.ctypes.data for m in self._members[1:]], np.uintp)
        self._shared_count, self._shared_address = len(everyone), everyone.ctypes.data
        self._branched = tail.n_sequences > 1
        self._used = slice(0, 0)

        self._token = np.zeros(size, np.int32)
        self._position = np.arange(size, dtype=np.int32)
        self._count = np.full(size, self._shared_count, np.int32)
        self._sequence = np.full(size, self._shared_address, np.uintp)
        self._wanted = np.zeros(size, np.int8)
        self._batch = _batch(self._token, self._position, self._count, self._sequence, self._wanted)
        try:
            if model.adapter is not None:
                model.adapter.apply(self._context)
            progress("prompt")
            self._decode_prompt(prompt, size)
        except BaseException:
            self.free()
            raise
        self._places = np.arange(self._start, self._start + size, dtype=np.int32)
        self._position[:] = self._places

        self._width, self._rows = model.vocabulary, tail.rows
        self._gather = np.array([row * model.vocabulary + token for row, token in tail.gather], np.intp)
        self._logits_at = 0
        self._logits = np.empty(0, np.float32)

    def _decode_prompt(self, prompt: Sequence[int], size: int) -> None:
        for begin in range(0, len(prompt), size):
            part = prompt[begin : begin + size]
            self._token[: len(part)] = part
            self._position[: len(part)] = np.arange(begin, begin + len(part))
            self._wanted[len(part) - 1] = 1
            self._batch.n_tokens = len(part)
            code = llama_cpp.llama_decode(self._context, self._batch)
            self._wanted[len(part) - 1] = 0
            if code != 0:
                raise ModelError(
                    f"{self._file}: llama.cpp cannot decode the prompt (code {code}). Fix: use another GGUF."
                )
        llama_cpp.llama_synchronize(self._context)

    def decode(self, ids: Ids, deadline: float, more: Sequence[int] = ()) -> list[float]:
        """The logits that the tail gathers, after the prompt and ``ids`` (at most a window), in one decode.

        ``more``: tokens whose logits at the first output follow them.

        ``deadline``: of ``time.monotonic()``; a decode that is under way then is stopped (on the CPU).

        Raises:
            DecisionTimeoutError: It was stopped.
            ProposerError: llama.cpp refused the batch.
        """
        self._fill(ids)
        self._watch.arm(id(self), deadline, self._flag)
        try:
            llama_cpp.llama_memory_seq_rm(self._memory, -1, self._start, -1)
            code = llama_cpp.llama_decode(self._context, self._batch)
            address = _get_logits(self._context) if code == 0 else 0  # waits for a GPU
        finally:
            self._watch.disarm(id(self))
        if code == 2:
            raise DecisionTimeoutError("The decision was stopped at its deadline.")
        if not address:
            raise ProposerError(f"llama.cpp could not decode the request (code {code}).")
        if address != self._logits_at:
            cells = self._rows * self._width
            self._logits = np.ctypeslib.as_array((ctypes.c_float * cells).from_address(address))
            self._logits_at = address
        values: list[float] = self._logits.take(self._gather).tolist()
        if more:
            values += self._logits.take(more).tolist()
        return values

    def _fill(self, ids: Ids) -> None:
        used = self._used
        self._wanted[used] = 0
        n = len(ids)
        branches = n + self._suffix
        end = n + len(self._tail_tokens)
        self._token[:n] = ids
        self._token[n:end] = self._tail_tokens
        self._wanted[branches:end] = self._outputs[1:]
        if self._outputs[0]:
            self._wanted[branches - 1] = 1
        if self._branched:
            self._position[used] = self._places[used]
            self._count[used] = self._shared_count
            self._sequence[used] = self._shared_address
            self._position[branches:end] = self._depths + (self._start + branches)
            self._count[branches:end] = self._counts
            self._sequence[branches:end] = self._addresses
        self._used = slice(max(0, branches - 1), end)
        self._batch.n_tokens = end

    def free(self) -> None:
        """Twice is harmless."""
        context, self._context = self._context, None
        if context:
            llama_cpp.llama_free(context)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a llama.cpp context cannot be pickled; load the model in the process that uses it")


def _batch(*arrays: NDArray[Any]) -> Any:
    """A ``llama_batch`` over arrays that the caller keeps alive; nothing of it is llama.cpp's to free."""
    token, position, count, sequence, wanted = arrays
    batch = llama_cpp.llama_batch()
    kinds: dict[str, Any] = {name: kind for name, kind, *_ in batch._fields_}
    for name, array in (
        ("token", token),
        ("pos", position),
        ("n_seq_id", count),
        ("seq_id", sequence),
        ("logits", wanted),
    ):
        setattr(batch, name, ctypes.cast(array.ctypes.data, kinds[name]))
    return batch
