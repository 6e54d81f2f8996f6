"""A LoRA adapter over a GGUF, as llama.cpp applies it: to every context, before anything is decoded there."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path
from typing import Any

import llama_cpp

from tiergraph.errors import ModelError
from tiergraph.proposers.header import first_bytes
from tiergraph.proposers.llamalog import listening


class Adapter:
    """An adapter in memory. It is freed after the contexts that use it and before its model."""

    def __init__(self, model: Any, path: Path, scale: float) -> None:
        """``model``: llama.cpp's handle; ``scale``: weight of the adapter, finite, 1 as trained.

        Raises:
            ModelError: Missing, no GGUF adapter, or made for another model.
        """
        self.path, self.file, self.scale = path, path.name, scale
        self._handle: Any = None
        _check_header(path)
        with listening() as complaint:
            handle = llama_cpp.llama_adapter_lora_init(model, os.fsencode(path))
            if not handle:
                raise ModelError(
                    f"{self.file}: llama.cpp cannot use it as an adapter of this model ({complaint()}). "
                    "Fix: name an adapter in GGUF that was trained on this very model, or leave router.adapter out."
                )
        self._handle = handle
        if llama_cpp.llama_adapter_get_alora_n_invocation_tokens(handle):
            self.free()
            raise ModelError(
                f"{self.file}: it works only after invocation tokens (aLoRA), which a router prompt has not. "
                "Fix: use a plain LoRA adapter."
            )

    def apply(self, context: Any) -> None:
        """Use it in a context from now on.

        Raises:
            ModelError: llama.cpp refused it.
        """
        handles = (llama_cpp.llama_adapter_lora_p_ctypes * 1)(self._handle)
        scales = (ctypes.c_float * 1)(self.scale)
        code = llama_cpp.llama_set_adapters_lora(context, handles, 1, scales)
        if code != 0:
            raise ModelError(
                f"{self.file}: llama.cpp refused the adapter (code {code}). Fix: leave router.adapter out."
            )

    def free(self) -> None:
        """Twice is harmless."""
        handle, self._handle = self._handle, None
        if handle:
            llama_cpp.llama_adapter_lora_free(handle)


def _check_header(path: Path) -> None:
    missing = f"there is no such adapter at {str(path)!r}. Fix: correct router.adapter, or leave it out."
    magic = first_bytes(path, 4, missing=missing)
    if magic != b"GGUF":
        raise ModelError(
            f"{path.name}: it is no GGUF file. Fix: convert the adapter with llama.cpp's convert_lora_to_gguf.py."
        )
