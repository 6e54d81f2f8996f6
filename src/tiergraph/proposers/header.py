"""The first bytes of a file that llama.cpp is to load, looked at before it does."""

from __future__ import annotations

import struct
from pathlib import Path

from tiergraph.errors import ModelError


def first_bytes(path: Path, count: int, *, missing: str) -> bytes:
    """At most ``count`` bytes from the start of a file.

    Raises:
        ModelError: It cannot be read; where it is not there, ``missing`` says so and names the fix.
    """
    try:
        with path.open("rb") as file:
            return file.read(count)
    except FileNotFoundError:
        raise ModelError(f"{path.name}: {missing}") from None
    except OSError as error:
        raise ModelError(f"{path.name}: it cannot be read ({type(error).__name__}). Fix: check its rights.") from None


def check_header(path: Path) -> None:
    """Refuse what is plainly no model, before llama.cpp sees it.

    Raises:
        ModelError: Missing, unreadable, no GGUF, or without tensors.
    """
    header = first_bytes(
        path, 24, missing=f"there is no such file at {str(path)!r}. Fix: correct router.model, or use 'embedded'."
    )
    if header[:4] != b"GGUF":
        raise ModelError(f"{path.name}: it is no GGUF file. Fix: name a file that llama.cpp can load.")
    if len(header) < 24:
        raise ModelError(f"{path.name}: it is cut off after {len(header)} bytes. Fix: download it again.")
    _, tensors, _ = struct.unpack("<IQQ", header[4:])
    if tensors == 0:
        raise ModelError(f"{path.name}: it holds a vocabulary and no weights. Fix: name the full model file.")
