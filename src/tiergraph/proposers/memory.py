"""What a GGUF takes in memory, and whether it can fit."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tiergraph.errors import ModelError

MEMINFO = Path("/proc/meminfo")
"""Where Linux says what is available; elsewhere nothing is known and nothing refused."""


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Bytes of a loaded model. ``None`` is unknown.

    Attributes:
        weights: All tensors. Those of a GGUF on the CPU are mapped from the file and shared between processes.
        contexts: Number of contexts.
        kv_cache: Keys and values of one context.
        compute: Buffers for computing and for logits of one context.
    """

    weights: int
    contexts: int
    kv_cache: int | None
    compute: int | None

    @property
    def total(self) -> int:
        """What is known of it, all contexts together."""
        return self.weights + self.contexts * ((self.kv_cache or 0) + (self.compute or 0))

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "total": self.total}

    def __str__(self) -> str:
        each = self.total - self.weights
        held = f"{self.contexts} context{'s' if self.contexts > 1 else ''} {_mb(each) if each else 'unknown'}"
        return f"{_mb(self.total)} MB: weights {_mb(self.weights)}, {held}"


def available() -> int | None:
    """Bytes that can be had without swapping, where the system says so."""
    try:
        text = MEMINFO.read_text(encoding="ascii")
        line = next(line for line in text.splitlines() if line.startswith("MemAvailable:"))
        return int(line.split()[1]) * 1024
    except (OSError, StopIteration, ValueError, IndexError):
        return None


def check_fits(path: Path, *, gpu_layers: int) -> None:
    """Refuse a model that would only swap. Nothing is known of a GPU's memory: with layers on one, all passes.

    Raises:
        ModelError: The file is larger than the memory that is available.
    """
    if gpu_layers:
        return
    free, size = available(), path.stat().st_size
    if free is not None and size > free:
        raise ModelError(
            f"{path.name}: it has {_mb(size)} MB, and {_mb(free)} MB of memory are available. "
            "Fix: use a smaller GGUF or one that is quantised further, or free memory."
        )


def _mb(size: int) -> str:
    mb = size / 1e6
    return f"{mb:.0f}" if mb >= 10 else f"{mb:.1f}"
