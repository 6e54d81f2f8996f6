"""A small Llama-shaped network in PyTorch, with the layout that llama.cpp expects of arch ``llama``.

RMSNorm, rotary positions on interleaved pairs (llama.cpp's "norm" type, so that no weight is permuted at
export), SwiGLU, one matrix for embeddings and output. Padding stands on the right and attention is causal, so no mask
is needed: what follows ``<decide>`` cannot reach it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from tiergraph.training.extras import require
from tiergraph.training.fields import PROBES

NORM_EPS = 1e-5
ROPE_BASE = 10000.0


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Sizes of the network. ``width`` and ``feed_forward`` are multiples of 32 (Q8_0 blocks)."""

    vocabulary: int
    layers: int = 3
    width: int = 256
    heads: int = 4
    feed_forward: int = 704
    context: int = 1024

    def __post_init__(self) -> None:
        if self.width % (2 * self.heads):
            raise ValueError(f"width {self.width!r} must be a multiple of twice heads ({self.heads!r})")
        if self.width % 32 or self.feed_forward % 32:
            raise ValueError("width and feed_forward must be multiples of 32 (Q8_0 blocks)")

    def as_dict(self) -> dict[str, int]:
        """Plain numbers, for a checkpoint."""
        return asdict(self)


def build(shape: Shape, auxiliary: int = 0) -> Any:
    """A fresh ``torch.nn.Module``.

    Its ``forward(ids)`` takes int64 (batch, length) and returns final hidden states (batch, length, width), the
    last norm applied. ``output`` maps hidden states to the vocabulary. ``auxiliary`` > 0 adds a linear head on
    the probe features, used only while training.
    """
    torch = require("torch")
    nn, functional = torch.nn, torch.nn.functional
    head_width = shape.width // shape.heads

    class Norm(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(shape.width))

        def forward(self, x: Any) -> Any:
            return functional.rms_norm(x, (shape.width,), self.weight.to(x.dtype), NORM_EPS)

    class Block(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.attn_norm, self.ffn_norm = Norm(), Norm()
            self.attn_qkv = nn.Linear(shape.width, 3 * shape.width, bias=False)
            self.attn_output = nn.Linear(shape.width, shape.width, bias=False)
            self.ffn_gate_up = nn.Linear(shape.width, 2 * shape.feed_forward, bias=False)
            self.ffn_down = nn.Linear(shape.feed_forward, shape.width, bias=False)

        def forward(self, x: Any, cos: Any, sin: Any) -> Any:
            batch, length, width = x.shape
            qkv = self.attn_qkv(self.attn_norm(x)).view(batch, length, 3, shape.heads, head_width)
            q, k, v = qkv.permute(2, 0, 3, 1, 4)
            mixed = functional.scaled_dot_product_attention(
                _rotate(torch, q, cos, sin), _rotate(torch, k, cos, sin), v, is_causal=True
            )
            x = x + self.attn_output(mixed.transpose(1, 2).reshape(batch, length, width))
            gate, up = self.ffn_gate_up(self.ffn_norm(x)).chunk(2, dim=-1)
            return x + self.ffn_down(functional.silu(gate) * up)

    class Network(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.shape = shape
            self.token_embd = nn.Embedding(shape.vocabulary, shape.width)
            self.blocks = nn.ModuleList(Block() for _ in range(shape.layers))
            self.output_norm = Norm()
            self.output = nn.Linear(shape.width, shape.vocabulary, bias=False)
            self.output.weight = (
                self.token_embd.weight
            )  # tied: a control token is never read, an ordinary one never said
            self.auxiliary = nn.Linear(PROBES, auxiliary) if auxiliary else None
            angles = torch.outer(
                torch.arange(shape.context).float(),
                ROPE_BASE ** (-torch.arange(0, head_width, 2).float() / head_width),
            )
            self.register_buffer("cos", angles.cos(), persistent=False)
            self.register_buffer("sin", angles.sin(), persistent=False)
            for name, parameter in self.named_parameters():
                if parameter.dim() == 2:
                    residual = name.endswith(("attn_output.weight", "ffn_down.weight"))
                    scale = 0.02 / (2 * shape.layers) ** 0.5 if residual else 0.02
                    nn.init.normal_(parameter, std=0.04 if "embd" in name else scale * 2)

        def forward(self, ids: Any) -> Any:
            x = self.token_embd(ids)
            cos, sin = self.cos[: ids.shape[1]], self.sin[: ids.shape[1]]
            for block in self.blocks:
                x = block(x, cos, sin)
            return self.output_norm(x)

    return Network()


def _rotate(torch: Any, x: Any, cos: Any, sin: Any) -> Any:
    """Rotate the pairs (0, 1), (2, 3), ... of the last axis by their position's angles."""
    even, odd = x[..., 0::2], x[..., 1::2]
    cos, sin = cos.to(x.dtype), sin.to(x.dtype)
    return torch.stack((even * cos - odd * sin, even * sin + odd * cos), dim=-1).flatten(-2)
